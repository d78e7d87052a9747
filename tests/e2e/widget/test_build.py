"""The page that is committed is what its source makes, and holds all that it needs."""

import re
from pathlib import Path

import pytest
from mcp_todo_server.widget import page as widget_page

from tests.support.node import built

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "mcp-todo-server" / "widget"
COMMITTED = ROOT / "mcp-todo-server" / "src" / "mcp_todo_server" / "widget" / "tasks.html"
BYTES_MAX = 40_000


def test_the_committed_page_is_what_its_source_makes(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Where it is not: `npm ci --ignore-scripts && npm run build` in mcp-todo-server/widget."""
    cache = request.config.cache
    assert cache is not None
    made = built(SOURCE, cache, tmp_path, "tasks.html")
    assert made.read_bytes() == COMMITTED.read_bytes()


def test_the_page_is_small_and_refers_to_nothing_outside() -> None:
    html = widget_page.page()
    assert html.encode() == COMMITTED.read_bytes()
    assert len(html.encode()) <= BYTES_MAX
    assert not re.findall(r"<[^>]*\s(?:src|href|action|style|on\w+)\s*=", html, re.IGNORECASE)
    assert not re.findall(r"@import|url\(", html)
    addresses = set(re.findall(r"https?://[^\"'`\s]+", html))
    assert addresses == {"http://www.w3.org/2000/svg"}, "an XML namespace is a name, not an address"


def test_nothing_in_the_source_takes_markup_or_code_from_a_text() -> None:
    risky = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc"
        r"|\beval\(|new Function|localStorage|sessionStorage|fetch\(|XMLHttpRequest|WebSocket"
    )
    for source in sorted((SOURCE / "src").glob("*.ts")):
        assert not risky.findall(source.read_text()), source.name


def test_no_lock_names_where_packages_come_from() -> None:
    for lock in (SOURCE / "package-lock.json", Path(__file__).parent / "npm" / "package-lock.json"):
        assert '"resolved"' not in lock.read_text()
