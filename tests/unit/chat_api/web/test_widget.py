"""The task list's document: read seldom, kept over an outage of the todo server; words stand in where there is none."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from chat_api.agent.errors import ToolsUnavailableError, UnknownResourceError
from chat_api.web import widget
from chat_api.web.widget import DOCUMENT_URI, Widget
from fastapi import FastAPI

HTML = "<!doctype html><title>Tasks</title><style>p{}</style><script>1</script>"


class Todo:
    """The todo server, as far as the widget sees it."""

    def __init__(self) -> None:
        self.html = HTML
        self.failure: Exception | None = None
        self.delay = 0.0
        self.reads = 0

    async def document(self, uri: str) -> str:
        assert uri == DOCUMENT_URI
        self.reads += 1
        await asyncio.sleep(self.delay)
        if self.failure is not None:
            raise self.failure
        return self.html


@pytest.fixture
def todo() -> Todo:
    return Todo()


@asynccontextmanager
async def browsing(todo: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.widget = Widget(todo, ["https://app.example.org"])
    app.include_router(widget.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client


async def test_the_document_is_served_as_it_is_with_its_own_policy(todo: Todo) -> None:
    async with browsing(todo) as client:
        answer = await client.get("/widget")
        tag = {"If-None-Match": answer.headers["ETag"]}
        assert (await client.get("/widget", headers=tag)).status_code == httpx.codes.NOT_MODIFIED

    assert (answer.status_code, answer.text) == (httpx.codes.OK, HTML)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (
        "frame-ancestors 'self' https://app.example.org; sandbox allow-scripts"
        in answer.headers["Content-Security-Policy"]
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Content-Encoding"] == "gzip"


async def test_it_is_read_once_for_many_and_again_when_it_is_old(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    todo.delay = 0.01
    async with browsing(todo) as client:
        await asyncio.gather(*(client.get("/widget") for _ in range(10)))
        assert todo.reads == 1
    monkeypatch.setattr(widget, "FRESH_SECONDS", 0.0)
    async with browsing(todo) as client:
        await client.get("/widget")
        todo.html = HTML.replace("Tasks", "New tasks")
        assert (await client.get("/widget")).text == todo.html


@pytest.mark.parametrize("failure", [ToolsUnavailableError("away"), UnknownResourceError("none")])
async def test_an_old_document_serves_where_no_new_one_can_be_had(
    todo: Todo, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    monkeypatch.setattr(widget, "FRESH_SECONDS", 0.0)
    async with browsing(todo) as client:
        await client.get("/widget")
        todo.failure = failure
        answer = await client.get("/widget")
    assert (answer.status_code, answer.text, todo.reads) == (httpx.codes.OK, HTML, 2)


async def test_where_there_is_none_the_frame_says_so_and_asks_again(
    todo: Todo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widget, "FAILED_SECONDS", 60.0)
    todo.failure = ToolsUnavailableError("secret details")
    async with browsing(todo) as client:
        answers = await asyncio.gather(*(client.get("/widget") for _ in range(10)))
        assert todo.reads == 1
        answer = answers[0]
        assert {one.status_code for one in answers} == {httpx.codes.SERVICE_UNAVAILABLE}
        assert "cannot be reached" in answer.text
        assert "secret" not in answer.text
        assert '<meta http-equiv="refresh"' in answer.text
        assert (answer.headers["Cache-Control"], int(answer.headers["Retry-After"]) > 0) == ("no-store", True)
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'none'; style-src 'sha256-" in policy
        assert "sandbox allow-scripts" in policy

        todo.failure = None
        monkeypatch.setattr(widget, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 60))
        assert (await client.get("/widget")).text == HTML


async def test_a_frame_does_not_stay_empty_for_long(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "READ_SECONDS", 0.05)
    todo.delay = 30
    async with browsing(todo) as client, asyncio.timeout(5):
        assert (await client.get("/widget")).status_code == httpx.codes.SERVICE_UNAVAILABLE
