"""What the browser is given is what the page's sources make, it is small, and it asks for nothing from elsewhere."""

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.support.node import built

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "chat-api" / "page"
COMMITTED = ROOT / "chat-api" / "src" / "chat_api" / "web" / "static"
SENT_BYTES_MAX = 200_000
TASKS_BYTES_MAX = 90_000
"""The host of MCP Apps with its schemas. Half as much again, and the bundler no longer leaves out what it could."""

NEVER_ASKED = re.compile(
    r"http://www\.w3\.org/|https?://json-schema\.org/draft|https://github\.com/(?:markedjs/marked\.|cfworker)$"
    r"|https://\*\.example\.com|http://\["
)
"""Names of XML's namespaces and JSON Schema's dialects; addresses in the words of messages; how a host is checked."""
BUNDLED = {
    "@modelcontextprotocol/client",
    "@modelcontextprotocol/core",
    "@modelcontextprotocol/ext-apps",
    "dompurify",
    "eventsource-parser",
    "marked",
    "pkce-challenge",
    "zod",
}


def committed(*suffixes: str) -> list[Path]:
    return sorted(file for file in COMMITTED.iterdir() if file.suffix in suffixes)


def sent_bytes(file: Path) -> int:
    return len(gzip.compress(file.read_bytes(), mtime=0))


def test_the_committed_files_are_what_their_sources_make(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Where they are not: `make page`."""
    cache = request.config.cache
    assert cache is not None
    made = built(SOURCE, cache, tmp_path, "static")
    assert {file.name: file.read_bytes() for file in made.iterdir()} == {
        file.name: file.read_bytes() for file in COMMITTED.iterdir()
    }


def test_what_the_browser_loads_is_small() -> None:
    sizes = {file.name: sent_bytes(file) for file in committed(".html", ".js", ".css", ".svg")}
    assert {"index.html", "run.html", "icon.svg", "style.css", "app.js", "tasks.js", "run.js"} == set(sizes)
    assert sum(sizes.values()) <= SENT_BYTES_MAX, sizes
    assert sizes["tasks.js"] <= TASKS_BYTES_MAX


def test_nothing_is_asked_of_another_site() -> None:
    for file in committed(".html", ".js", ".css", ".svg"):
        text = file.read_text(encoding="utf-8")
        foreign = set(re.findall(r"https?://[^\"'`\s)<>\\]+", text))
        assert not {address for address in foreign if not NEVER_ASKED.match(address)}, file.name
    for page in committed(".html"):
        html = page.read_text(encoding="utf-8")
        assert not re.findall(r"<[^>]*\s(?:style|on\w+)\s*=", html, re.IGNORECASE), page.name
        assert "<style" not in html
        assert all(" src=" in script for script in re.findall(r"<script[^>]*>", html))
        addresses = re.findall(r"\s(?:src|href|action)\s*=\s*\"([^\"]*)\"", html)
        assert addresses
        assert all(re.match(r"/(?!/)|#", address) for address in addresses), page.name
    for sheet in committed(".css"):
        assert not re.findall(r"@import|url\((?!\"?(?:data:|#))", sheet.read_text(encoding="utf-8"))


def test_only_the_markdown_takes_markup_from_a_text_and_nothing_takes_code() -> None:
    risky = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc"
        r"|setHTML|\beval\(|new Function|XMLHttpRequest|WebSocket|javascript:"
    )
    sources = sorted((SOURCE / "src").glob("*.ts"))
    assert sources
    for source in sources:
        if source.name != "markdown.ts":
            assert not risky.findall(source.read_text(encoding="utf-8")), source.name
    purified = [source.name for source in sources if 'from "dompurify"' in source.read_text(encoding="utf-8")]
    assert purified == ["markdown.ts"]


def test_the_code_of_others_is_listed_with_its_licences() -> None:
    locked = json.loads((SOURCE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    licences = (COMMITTED / "licences.txt").read_text(encoding="utf-8")
    _, *entries = re.split(r"\n\n={80}\n\n", licences.strip())
    listed = {}
    for entry in entries:
        head, _, text = entry.partition("\n\n")
        name, version, licence = re.fullmatch(r"(\S+) (\S+): (.+)", head).groups()  # type: ignore[union-attr]
        listed[name] = (version, licence)
        assert len(text) > 500, f"{name} stands there without the text of its licence"
    assert set(listed) == BUNDLED
    assert listed == {
        name: (package["version"], package["license"])
        for name in BUNDLED
        if (package := locked[f"node_modules/{name}"])
    }


def test_every_package_is_pinned_and_no_lock_names_where_it_comes_from() -> None:
    manifest = json.loads((SOURCE / "package.json").read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in manifest["devDependencies"].values())
    lock = (SOURCE / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    packages = [package for name, package in json.loads(lock)["packages"].items() if name]
    assert all(package["integrity"].startswith("sha512-") for package in packages)
