"""What every request passes before the API."""

from collections.abc import AsyncIterator, Iterable

import httpx
import pytest
from chat_api.middleware import AllowedHosts, BodyLimit, Defects, RequestId
from chat_api.problems import install
from chat_api.settings import Settings
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse

LIMIT = 100
HEADERS = {"content-type": "text/plain"}


def application(hosts: Iterable[str] = ("*",)) -> FastAPI:
    app = FastAPI()
    install(app)

    @app.post("/length")
    async def length(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    @app.get("/defect")
    async def defect() -> None:
        raise RuntimeError("a secret in an exception")

    @app.get("/late-defect")
    async def late_defect() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            yield b"begun"
            raise RuntimeError("a secret in an exception")

        return StreamingResponse(lines())

    app.add_middleware(Defects)
    app.add_middleware(BodyLimit, max_bytes=LIMIT)
    app.add_middleware(AllowedHosts, hosts=tuple(hosts))
    app.add_middleware(RequestId)
    return app


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000")


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """A body without a content-length."""
    for part in parts:
        yield part


DEFAULT_HOSTS = Settings.model_fields["allowed_hosts"].default


@pytest.mark.parametrize(
    ("hosts", "host", "status"),
    [
        (DEFAULT_HOSTS, "127.0.0.1", 200),
        (DEFAULT_HOSTS, "127.0.0.1:8000", 200),
        (DEFAULT_HOSTS, "LocalHost:1", 200),
        (DEFAULT_HOSTS, "[::1]", 200),
        (DEFAULT_HOSTS, "[::1]:8000", 200),
        (DEFAULT_HOSTS, "[::2]:8000", 421),
        (DEFAULT_HOSTS, "[::]:1", 421),
        (DEFAULT_HOSTS, "::1", 421),
        (DEFAULT_HOSTS, "evil.example", 421),
        (DEFAULT_HOSTS, "localhost.evil.example", 421),
        (DEFAULT_HOSTS, "evil.example:127.0.0.1", 421),
        (DEFAULT_HOSTS, "localhost:80@evil.example", 421),
        (DEFAULT_HOSTS, "", 421),
        (("todo.example.org",), "todo.example.org", 200),
        (("todo.example.org",), "TODO.example.org", 200),
        (("todo.example.org",), "todo.example.org:8000", 421),
        (("todo.example.org:8000",), "todo.example.org:8000", 200),
        (("todo.example.org:8000",), "todo.example.org", 421),
        (("*",), "whatever:1", 200),
        ((), "127.0.0.1", 421),
    ],
)
async def test_only_hosts_on_the_list_are_answered(hosts: tuple[str, ...], host: str, status: int) -> None:
    async with client(application(hosts)) as http:
        response = await http.post("/length", headers={"host": host})
    assert response.status_code == status
    if status != 200:
        assert response.json()["type"] == "host-not-allowed"
        assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_checks_are_answered_under_any_host(path: str) -> None:
    app = application(())
    app.add_api_route(path, lambda: "ok")
    async with client(app) as http:
        assert (await http.get(path, headers={"host": "10.0.0.7:8000"})).status_code == 200
        assert (await http.get(f"{path}/x", headers={"host": "10.0.0.7:8000"})).status_code == 421


@pytest.mark.parametrize("given", ["abc", "trace-1/2", "x" * 128])
async def test_a_usable_request_id_of_the_callers_is_kept(given: str) -> None:
    async with client(application()) as http:
        assert (await http.post("/length", headers={"x-request-id": given})).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "é".encode().decode("latin-1")])
async def test_any_other_request_gets_an_id_of_its_own(given: str) -> None:
    async with client(application()) as http:
        headers = {b"x-request-id": given.encode("latin-1")}
        one, other = [(await http.post("/length", headers=headers)).headers["x-request-id"] for _ in range(2)]
    assert one != other
    assert given not in (one, other)
    assert len(one) == 36


async def test_a_body_up_to_the_limit_is_taken() -> None:
    async with client(application()) as http:
        assert (await http.post("/length", content=b"x" * LIMIT, headers=HEADERS)).text == f"{LIMIT}"
        chunked = await http.post("/length", content=chunks(b"x" * 60, b"x" * 40), headers=HEADERS)
        assert chunked.text == f"{LIMIT}"
        assert "content-length" not in chunked.request.headers


async def test_an_announced_body_over_the_limit_is_refused_unread() -> None:
    async def unreadable() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with client(application()) as http:
        headers = {**HEADERS, "content-length": f"{LIMIT + 1}"}
        response = await http.post("/length", content=unreadable(), headers=headers)
    assert response.status_code == 413
    assert response.json()["type"] == "body-too-large"


async def test_a_chunked_body_is_refused_as_soon_as_it_has_grown_past_the_limit() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 30
        raise AssertionError("reading went on past the limit")

    async with client(application()) as http:
        response = await http.post("/length", content=endless(), headers=HEADERS)
    assert response.status_code == 413
    assert response.json()["detail"] == f"A body may have {LIMIT} bytes at most."


async def test_a_wrong_content_length_does_not_lift_the_limit() -> None:
    async with client(application()) as http:
        for announced in ("1", "-5", "many"):
            headers = {**HEADERS, "content-length": announced}
            response = await http.post("/length", content=chunks(b"x" * (LIMIT + 1)), headers=headers)
            assert response.status_code == 413


async def test_a_defect_is_logged_whole_and_answered_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async with client(application()) as http:
        response = await http.get("/defect", headers={"x-request-id": "request-7"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.json()["type"], response.json()["request_id"]) == ("internal-error", "request-7")
    assert "secret" not in response.text
    assert "request request-7 met a defect" in caplog.text
    assert "a secret in an exception" in caplog.text


async def test_a_defect_in_an_answer_under_way_ends_it() -> None:
    async with client(application()) as http:
        with pytest.raises(RuntimeError):
            await http.get("/late-defect")
