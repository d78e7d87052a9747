"""The page's routes: what they send, and to whom the demo's token is given."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from chat_api import problems
from chat_api.web.routes import DemoToken, create_web_router, is_loopback_host
from fastapi import FastAPI


@asynccontextmanager
async def browsing(*, demo: bool = False, banner: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    token = DemoToken(user_id="demo", token="a.b.c")
    app.include_router(create_web_router(demo_token=(lambda: token) if demo else None, banner=banner))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


async def test_all_that_the_page_names_is_served_with_its_type_and_strict_headers() -> None:
    async with browsing() as client:
        page = await client.get("/")
        named = re.findall(r'(?:href|src)="([^"]+)"', page.text)
        answers = {"/": page} | {path: await client.get(path) for path in named}

    assert {path: answer.headers["Content-Type"].split(";")[0] for path, answer in answers.items()} == {
        "/": "text/html",
        "/static/app.js": "text/javascript",
        "/static/style.css": "text/css",
        "/static/icon.svg": "image/svg+xml",
    }
    for answer in answers.values():
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_the_page_needs_nothing_that_its_policy_forbids() -> None:
    async with browsing() as client:
        page = (await client.get("/")).text
        script = (await client.get("/static/app.js")).text

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", page) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script) == []


async def test_a_banner_is_shown_as_text() -> None:
    async with browsing(banner="<b>offline</b> & $demo") as client:
        page = (await client.get("/")).text

    assert re.search(r'<p id="banner" class="banner"\s*>&lt;b&gt;offline&lt;/b&gt; &amp; \$demo</p>', page)


async def test_without_a_banner_its_place_is_hidden() -> None:
    async with browsing() as client:
        page = (await client.get("/")).text

    assert '<p id="banner" class="banner" hidden></p>' in page


async def test_the_composer_has_a_name_for_those_who_cannot_see_it() -> None:
    async with browsing() as client:
        page = (await client.get("/")).text

    assert re.search(r'<label for="message"[^>]*>Message</label>', page)


async def test_outside_the_demo_there_is_no_token_to_be_had() -> None:
    async with browsing() as client:
        page = await client.get("/")
        answer = await client.get("/demo/token")

    assert 'data-demo="no"' in page.text
    assert answer.status_code == httpx.codes.NOT_FOUND


async def test_the_demo_gives_its_token_without_letting_other_pages_read_it() -> None:
    async with browsing(demo=True) as client:
        answer = await client.get("/demo/token", headers={"Origin": "https://elsewhere.example"})

    assert answer.json() == {"user_id": "demo", "token": "a.b.c"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_demo_refuses_its_token_to_a_foreign_host() -> None:
    async with browsing(demo=True) as client:
        answer = await client.get("/demo/token", headers={"Host": "rebound.example.org:8000"})

    assert answer.status_code == httpx.codes.MISDIRECTED_REQUEST
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "a.b.c" not in answer.text


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:8000", "[::1]", "[::1]:8000", "127.8.9.1:1", "localhost:"],
)
def test_a_loopback_host_is_known(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", ":8000", "example.org", "localhost.example.org", "127.0.0.1.example.org:80", "10.0.0.1:8000"),
        *("localhost:8000@example.org", "[::2]:8000", "192.0.2.1", "localhost:80a", "[127.0.0.1"),
    ],
)
def test_any_other_host_is_foreign(host: str) -> None:
    assert not is_loopback_host(host)
