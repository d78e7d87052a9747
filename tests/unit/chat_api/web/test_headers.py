"""What browsers are told: which origins may show a page, and what a document's own style and script hash to."""

import base64
import hashlib
import re

import pytest
from chat_api.web.headers import embedders, widget_headers
from mcp_todo_server.widget.page import page


def test_origins_that_are_named_may_show_the_page_and_nothing_else_may() -> None:
    named = ("https://app.example.org", "http://localhost:3000", "http://[::1]:3000")
    assert embedders(named) == named
    others = ("*", "null", "", "https://*.example.org", "app.example.org", "https://a.example.org/", "ftp://a")
    assert embedders((*others, "https://a.example.org; script-src *", "https://a b")) == ()


def source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(html: str, *origins: str) -> list[str]:
    return widget_headers(html, origins)["Content-Security-Policy"].split("; ")


def test_the_widget_runs_its_own_script_and_style_and_reaches_nothing() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", page(), re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", page(), re.DOTALL)
    assert policy(page()) == [
        "default-src 'none'",
        f"script-src {source(script)}",
        f"style-src {source(style)}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox allow-scripts",
    ]


def test_whoever_may_show_the_page_may_show_what_is_in_it() -> None:
    assert "frame-ancestors 'self' https://app.example.org" in policy(page(), "https://app.example.org")


@pytest.mark.parametrize(
    ("html", "texts"),
    [
        ("<script>1 < 2 && '<b>'</script>", ["1 < 2 && '<b>'"]),
        ("<script type=module>a</script><p>x</p><script>\nb\r\nc\n</script>", ["a", "\nb\nc\n"]),
        ("<SCRIPT>&amp; ü</SCRIPT>", ["&amp; ü"]),
        ("<!-- <script>no</script> --><script>yes</script>", ["yes"]),
        ("<script src=/a.js></script><script>b</script>", ["b"]),
        ("<title>&lt;script&gt;no&lt;/script&gt;</title>", []),
    ],
)
def test_scripts_are_hashed_as_browsers_read_them(html: str, texts: list[str]) -> None:
    sources = " ".join(map(source, texts)) or "'none'"
    assert f"script-src {sources}" in policy(html)
