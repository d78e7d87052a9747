"""The bridge for tests: both real services, the todo server once on each kind of database.

chat-api keeps nothing of what passes here, so that its own database is a file throughout.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import httpx2
import pytest
import pytest_asyncio
from chat_api.background import background
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from todo_chat_shared.effects import EFFECT_KEY_META

from tests.integration.chat_api.conftest import ChatUser, running_chat
from tests.support.databases import sqlite_database
from tests.support.openai_stub import OpenAIStub
from tests.support.services import Service, running_todo_server
from tests.support.tokens import mcp_token

WAIT_SECONDS: Final = 20
"""Longest time that a test waits for anything, on a machine busy with other tests."""
KEEP_ALIVE: Final = ":"
CHANGED: Final = 'data: {"uri":"todo://tasks"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def todo(module_database_url: str) -> AsyncIterator[Service]:
    """A todo server on either kind of database for all tests of a file. Do not kill it."""
    async with running_todo_server(module_database_url) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(
    todo: Service, module_stub: OpenAIStub, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """A chat-api for all tests of a file. Do not kill it."""
    async with running_chat(sqlite_database(tmp_path_factory.mktemp("chat")), todo, module_stub) as service:
        yield service


async def sent(user: ChatUser, name: str, key: str | None = None, **arguments: Any) -> httpx.Response:
    """Call a tool as a page does, and return whatever is answered."""
    meta = {} if key is None else {"_meta": {EFFECT_KEY_META: key}}
    body = {"name": name, "arguments": arguments, **meta}
    return await user.http.post(f"/api/{user.user_id}/mcp/tools/call", json=body)


async def called(user: ChatUser, name: str, key: str | None = None, **arguments: Any) -> dict[str, Any]:
    """Call a tool that does what it is asked for, and return its structured answer."""
    response = await sent(user, name, key, **arguments)
    assert response.status_code == httpx.codes.OK, response.text
    result = response.json()
    assert result["isError"] is False, result
    structured: dict[str, Any] = result["structuredContent"]
    return structured


async def titles(user: ChatUser) -> list[str]:
    """Return the titles of a user's open tasks."""
    return [task["title"] for task in (await called(user, "list_tasks", sort="created"))["tasks"]]


class Changes:
    """One open stream of changes, read to its end in a task of its own: to wait in vain does not harm it."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    async def read(self) -> None:
        """Read to the end of the stream."""
        try:
            async for line in self.response.aiter_lines():
                if line:
                    self._lines.put_nowait(line)
        finally:
            self._lines.put_nowait(None)

    async def line(self) -> str | None:
        """Return the next line that is not empty; None at the end of the stream."""
        return await self._lines.get()

    async def told(self, within: float = WAIT_SECONDS) -> None:
        """Wait until a change is told."""
        async with asyncio.timeout(within):
            while (line := await self.line()) != CHANGED:
                assert line is not None, "the stream has ended"
                assert line.startswith(KEEP_ALIVE), line

    async def ended(self, within: float = WAIT_SECONDS) -> None:
        """Wait until the stream ends, whatever is told until then."""
        async with asyncio.timeout(within):
            while await self.line() is not None:
                pass


@asynccontextmanager
async def opening(user: ChatUser) -> AsyncIterator[Changes]:
    """Follow a user's tasks, whether the todo server is there or not."""
    async with user.http.stream("GET", f"/api/{user.user_id}/mcp/changes", timeout=60) as response:
        assert response.status_code == httpx.codes.OK, (await response.aread()).decode()
        changes = Changes(response)
        async with background(changes.read()):
            yield changes


@asynccontextmanager
async def following(user: ChatUser) -> AsyncIterator[Changes]:
    """Follow a user's tasks, as one tab does; changes are listened to from the beginning."""
    async with opening(user) as changes:
        await changes.told()
        yield changes


@asynccontextmanager
async def outside(todo: Service, user_id: str) -> AsyncIterator[Client]:
    """Another MCP client of the user's, with a personal token, as Claude has one."""
    async with (
        httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {mcp_token(user_id)}"}, timeout=30, trust_env=False
        ) as http,
        Client(streamable_http_client(todo.mcp_url, http_client=http)) as client,
    ):
        yield client


def text_of(result: dict[str, Any]) -> str:
    """Return the text that a tool answered with."""
    (part,) = result["content"]
    text: str = part["text"]
    return text


def json_of(contents: dict[str, Any]) -> Any:
    """Return what a resource holds."""
    (part,) = contents["contents"]
    return json.loads(part["text"])
