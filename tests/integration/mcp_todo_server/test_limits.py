"""Limits at the HTTP edge: calls of a user in a minute, and bytes of a body."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from mcp import MCPError
from mcp.types import CallToolResult

from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.databases import sqlite_database
from tests.support.services import Service, running_todo_server
from tests.support.tokens import mcp_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLS = 10
BODY_BYTES = 2000
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}

Post = Callable[..., Awaitable[httpx2.Response]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A server with limits low enough to reach; which database it has makes no difference to them."""
    limits = {"CALLS_PER_MINUTE": str(CALLS), "MAX_BODY_BYTES": str(BODY_BYTES)}
    async with running_todo_server(sqlite_database(tmp_path_factory.mktemp("todo")), **limits) as service:
        yield service


@pytest.fixture
def post(server: Service, user: str) -> Post:
    """Sends a body, with the user's token unless another is given."""

    async def send(content: Any = None, token: str | None = None) -> httpx2.Response:
        headers = {**HEADERS, "authorization": f"Bearer {token or mcp_token(user)}"}
        content = json.dumps(LIST_TOOLS).encode() if content is None else content
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            return await http.post(server.mcp_url, content=content, headers=headers)

    return send


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """A body without a content-length."""
    for part in parts:
        yield part


def padded(size: int) -> bytes:
    """A good request of so many bytes."""
    body = json.dumps(LIST_TOOLS).encode()
    return body + b" " * (size - len(body))


async def test_a_call_over_the_limit_is_429_and_says_when_the_next_is_taken(post: Post) -> None:
    answers = [await post() for _ in range(CALLS + 2)]
    assert [answer.status_code for answer in answers] == [200] * CALLS + [429] * 2
    wait = int(answers[-1].headers["retry-after"])
    assert 0 < wait <= 60
    error = answers[-1].json()["error"]
    assert error["data"] == {"retryAfterSeconds": wait}
    assert error["message"] == f"too many calls in this minute, and this one did nothing: send it again in {wait} s"


async def test_one_users_limit_is_reached_by_that_users_calls_alone(post: Post, user: str) -> None:
    for _ in range(CALLS + 1):
        await post(token="not a token")
    assert [(await post()).status_code for _ in range(CALLS + 1)] == [200] * CALLS + [429]
    # Another token of the same user is no way around it.
    assert (await post(token=mcp_token(user, lifetime_seconds=60))).status_code == 429
    assert (await post(token=mcp_token(f"other-{user}"))).status_code == 200


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_an_mcp_client_hears_why_and_nothing_was_done(server: Service, user: str, mode: str) -> None:
    async with mcp_client(server.mcp_url, mcp_token(user), mode) as client:
        calls = [client.call_tool("add_task", {"title": "one of many"}) for _ in range(CALLS + 1)]
        answers = [await _answer(call) for call in calls]
    assert answers[0] == "added"
    assert answers[-1].startswith("too many calls in this minute, and this one did nothing: send it again in ")


async def _answer(call: Awaitable[CallToolResult]) -> str:
    try:
        return "failed" if (await call).is_error else "added"
    except MCPError as error:
        return str(error)


async def test_a_body_up_to_the_limit_is_taken_and_a_longer_one_is_413(post: Post) -> None:
    assert (await post(padded(BODY_BYTES))).status_code == 200
    assert (await post(padded(BODY_BYTES + 1))).status_code == 413


async def test_a_body_sent_in_chunks_is_measured_as_it_comes(post: Post) -> None:
    body = padded(BODY_BYTES)
    assert (await post(chunks(body[:1000], body[1000:]))).status_code == 200
    assert (await post(chunks(body[:1000], body[1000:], b" "))).status_code == 413
    assert (await post()).status_code == 200
