"""The pages' routes: what they send, and to whom a token is given."""

import base64
import gzip
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import httpx
import pytest
from chat_api import problems
from chat_api.web.assets import Asset
from chat_api.web.routes import MEDIA_TYPES, create_web_router
from chat_api.web.sign_in import PageToken, is_loopback_host
from fastapi import FastAPI, Request
from todo_chat_shared.tokens import TokenVerifier

from tests.support.tokens import SECRET, user_token

COOKIE = "__Host-todo.token"
PAGES = ["/", "/runs/01930000-0000-7000-8000-000000000000"]


@asynccontextmanager
async def browsing(
    *, demo: bool = False, cookie: str | None = None, banner: str | None = None, origins: Sequence[str] = ()
) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(docs_url=None, redoc_url=None)
    problems.install(app)
    app.state.token_verifier = TokenVerifier(secrets=[SECRET])
    token = PageToken(user_id="demo", token="a.b.c")
    app.include_router(
        create_web_router(demo_token=(lambda: token) if demo else None, cookie=cookie, banner=banner, origins=origins)
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


def policy_of(answer: httpx.Response) -> dict[str, str]:
    """Return a Content-Security-Policy's directives."""
    directives = answer.headers["Content-Security-Policy"].split("; ")
    return {name: value for name, _, value in (directive.partition(" ") for directive in directives)}


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_may_load_and_run_its_own_files_and_nothing_else(path: str) -> None:
    async with browsing() as client:
        answer = await client.get(path)

    assert answer.status_code == httpx.codes.OK
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert policy_of(answer) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self'",
        "frame-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "dompurify",
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    permissions = answer.headers["Permissions-Policy"].split(", ")
    assert {"camera=()", "microphone=()", "geolocation=()"} <= set(permissions)
    assert not any("clipboard" in permission for permission in permissions)


@pytest.mark.parametrize("path", [*PAGES, "/docs", "/static/app.js"])
async def test_whoever_asks_only_whether_a_document_is_there_gets_its_headers(path: str) -> None:
    async with browsing() as client:
        asked, read = await client.head(path), await client.get(path)

    assert (asked.status_code, asked.headers["ETag"]) == (httpx.codes.OK, read.headers["ETag"])


async def test_the_reference_runs_one_release_of_its_library_and_nothing_else() -> None:
    async with browsing() as client:
        answer = await client.get("/docs")

    loaded = re.findall(r'<(?:script|link rel="stylesheet")[^>]* (?:src|href)="(https:[^"]*)"([^>]*)>', answer.text)
    assert [name.rpartition("/")[2] for name, _ in loaded] == ["swagger-ui.css", "swagger-ui-bundle.js"]
    for address, attributes in loaded:
        assert re.match(r"https://[a-z.]+/npm/swagger-ui-dist@\d+\.\d+\.\d+/", address)
        assert re.search(r' integrity="sha384-[A-Za-z0-9+/]{64}" crossorigin="anonymous"', attributes)
    (library,) = {address.rpartition("/")[0] for address, _ in loaded}
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy_of(answer)["script-src"] == f"{library}/ 'sha256-{digest}'"
    assert policy_of(answer)["default-src"] == policy_of(answer)["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_may_be_shown_by_the_origins_that_are_set(path: str) -> None:
    origins = ("https://app.example.org", "http://localhost:3000")
    async with browsing(origins=origins) as client:
        answer = await client.get(path)

    assert policy_of(answer)["frame-ancestors"] == " ".join(origins)
    # An application that opens the page in a window has to be able to send it a token.
    assert "Cross-Origin-Opener-Policy" not in answer.headers
    assert f'data-origins="{" ".join(origins)}"' in answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_all_that_a_page_names_is_there(path: str) -> None:
    async with browsing() as client:
        named = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', (await client.get(path)).text))
        assert {name.rpartition(".")[2] for name in named} == {"js", "css", "svg"}
        for name in named:
            assert (await client.get(name)).status_code == httpx.codes.OK, name


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_needs_nothing_that_its_policy_forbids(path: str) -> None:
    async with browsing() as client:
        page = (await client.get(path)).text
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", page) == []


async def test_every_file_is_served_as_what_it_is_and_can_run_nothing_by_itself() -> None:
    static = files("chat_api.web").joinpath("static")
    served = {file.name for file in static.iterdir() if not file.name.endswith(".html")}
    assert {"app.js", "style.css", "icon.svg"} <= served
    async with browsing() as client:
        for name in served:
            answer = await client.get(f"/static/{name}")
            assert answer.content == static.joinpath(name).read_bytes()
            assert answer.headers["Content-Type"] == MEDIA_TYPES[f".{name.rpartition('.')[2]}"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert policy_of(answer) == {"default-src": "'none'", "frame-ancestors": "'none'"}


@pytest.mark.parametrize(
    "name", ["", "nothing.js", "index.html", "run.html", "..%2froutes.py", "%2e%2e/routes.py", "a/b.js"]
)
async def test_nothing_else_is_a_file_of_the_page(name: str) -> None:
    async with browsing() as client:
        answer = await client.get(f"/static/{name}")
    assert answer.status_code == httpx.codes.NOT_FOUND
    assert answer.headers["Content-Type"] == problems.MEDIA_TYPE


@pytest.mark.parametrize("path", ["/", "/static/app.js"])
async def test_an_answer_is_compressed_for_those_who_take_it(path: str) -> None:
    async with browsing() as client:
        for accepted, compressed in {
            "gzip": True,
            "gzip, deflate, br, zstd": True,
            "br;q=1.0, GZip; q=0.5": True,
            "*": True,
            "identity": False,
            "br": False,
            "gzip;q=0": False,
            "gzip; q=0.000, *": False,
            "*;q=0": False,
        }.items():
            async with client.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
                raw = b"".join([part async for part in answer.aiter_raw()])
            assert answer.headers.get("Content-Encoding") == ("gzip" if compressed else None), accepted
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert int(answer.headers["Content-Length"]) == len(raw)
            plain = (await client.get(path, headers={"Accept-Encoding": "identity"})).content
            assert (gzip.decompress(raw) if compressed else raw) == plain


@pytest.mark.parametrize("path", [*PAGES, "/static/app.js", "/static/style.css"])
async def test_what_a_browser_has_is_not_sent_again(path: str) -> None:
    async with browsing() as client:
        first = await client.get(path)
        assert first.headers["Cache-Control"] == "no-cache"
        tag = first.headers["ETag"]
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = await client.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (httpx.codes.NOT_MODIFIED, b""), known
            for name in ("ETag", "Vary", "Cache-Control"):
                assert again.headers[name] == first.headers[name]
        for known in ('"other"', tag.replace('"', ""), ""):
            assert (await client.get(path, headers={"If-None-Match": known})).content == first.content


async def test_what_differs_has_another_tag() -> None:
    async with browsing(banner="one") as one, browsing(banner="two") as two:
        tags = {(await one.get("/")).headers["ETag"], (await two.get("/")).headers["ETag"]}
    assert len(tags) == 2


def test_what_has_other_headers_has_another_tag() -> None:
    request = Request({"type": "http", "headers": []})
    policies = ("frame-ancestors 'none'", "frame-ancestors https://app.example.org")
    assets = [Asset("the same", "text/html", {"Content-Security-Policy": policy}) for policy in policies]
    one, two = (asset.response(request).headers["ETag"] for asset in assets)
    assert one != two


async def test_a_banner_is_shown_as_text() -> None:
    async with browsing(banner="<b>offline</b> & $demo") as client:
        page = (await client.get("/")).text
    assert re.search(r'<p id="banner"[^>]*(?<!hidden)\s*>&lt;b&gt;offline&lt;/b&gt; &amp; \$demo</p>', page)


async def test_without_a_banner_its_place_is_hidden() -> None:
    async with browsing() as client:
        page = (await client.get("/")).text
    assert re.search(r'<p id="banner"[^>]* hidden></p>', page)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ("no", "no")),
        ({"demo": True}, ("yes", "no")),
        ({"cookie": COOKIE}, ("no", "yes")),
    ],
)
async def test_the_page_is_told_where_its_token_comes_from(given: dict[str, Any], told: tuple[str, str]) -> None:
    async with browsing(**given) as client:
        page = (await client.get("/")).text
    assert re.findall(r'data-(?:demo|cookie)="(\w+)"', page) == list(told)
    assert 'data-origins=""' in page


async def test_where_none_is_set_there_is_no_token_to_be_had() -> None:
    async with browsing() as client:
        for path in ("/demo/token", "/token"):
            assert (await client.get(path)).status_code == httpx.codes.NOT_FOUND


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


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_the_demo_gives_its_token_to_no_other_page(site: str) -> None:
    async with browsing(demo=True) as client:
        assert (await client.get("/demo/token", headers={"Sec-Fetch-Site": "same-origin"})).is_success
        answer = await client.get("/demo/token", headers={"Sec-Fetch-Site": site})

    assert (answer.status_code, answer.json()["type"]) == (httpx.codes.FORBIDDEN, "not-this-page")
    assert "a.b.c" not in answer.text


@pytest.mark.parametrize("site", [None, "same-origin"])
async def test_the_cookies_token_is_given_to_the_page(site: str | None) -> None:
    token = user_token("ann")
    async with browsing(cookie=COOKIE) as client:
        headers = {"Cookie": f"other=1; {COOKIE}={token}"} | ({"Sec-Fetch-Site": site} if site else {})
        answer = await client.get("/token", headers=headers)

    assert answer.json() == {"user_id": "ann", "token": token}
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_the_cookies_token_is_given_to_no_other_page(site: str) -> None:
    token = user_token("ann")
    async with browsing(cookie=COOKIE) as client:
        answer = await client.get("/token", headers={"Cookie": f"{COOKIE}={token}", "Sec-Fetch-Site": site})

    assert (answer.status_code, answer.json()["type"]) == (httpx.codes.FORBIDDEN, "not-this-page")
    assert token not in answer.text


@pytest.mark.parametrize(
    "cookies",
    [
        "",
        f"{COOKIE}=",
        f"other={user_token('ann')}",
        f"{COOKIE}=nonsense",
        f"{COOKIE}={user_token('ann', lifetime_seconds=-60)}",
        f"{COOKIE}={user_token('ann', secret='another-secret-0123456789-abcdefghij')}",
    ],
)
async def test_without_a_good_token_in_its_cookie_the_page_is_told_so(cookies: str) -> None:
    async with browsing(cookie=COOKIE) as client:
        answer = await client.get("/token", headers={"Cookie": cookies} if cookies else {})

    assert (answer.status_code, answer.json()["type"]) == (httpx.codes.UNAUTHORIZED, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


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
