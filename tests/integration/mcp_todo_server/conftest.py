"""The todo server for tests: its tools in this process, or a real process that a test file's tests share."""

import datetime as dt
import json
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import pytest_asyncio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, RequestParamsMeta
from mcp_todo_server import schema
from mcp_todo_server.database import Database
from mcp_todo_server.tasks.calls import Caller, answer
from mcp_todo_server.tasks.service import TaskService
from mcp_todo_server.tasks.tools import TOOLS
from todo_chat_shared.effects import EFFECT_KEY_META, SETTLE_META
from todo_chat_shared.tokens import ALL_SCOPES, SCOPE_READ

from tests.support.databases import DatabaseKind, postgres_database, sqlite_database
from tests.support.services import Service, clean_environment, running_todo_server
from tests.support.tokens import mcp_token

PROGRAM = Path(sys.executable).parent / "mcp-todo-server"
SPECS = {spec.name: spec for spec in TOOLS}


class Refused(AssertionError):
    """A tool answered with an error; the text is what the model would read."""


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now


class Todo:
    """One user's tools, called without a network."""

    def __init__(self, database: Database, clock: Clock, user: str = "ann") -> None:
        self.database = database
        self.clock = clock
        self._service = TaskService(database, clock=clock)
        self._caller = Caller(user, frozenset(ALL_SCOPES))

    def of(self, user: str) -> "Todo":
        """The same server, called by somebody else."""
        return Todo(self.database, self.clock, user)

    def reading_only(self) -> "Todo":
        """The same user, with a token that may not write."""
        todo = self.of(self._caller.user_id)
        todo._caller = Caller(self._caller.user_id, frozenset({SCOPE_READ}))
        return todo

    async def text(self, tool: str, effect_key: Any = None, settle: Any = None, **arguments: Any) -> str:
        """Call a tool, or settle a call, and return the answer's text."""
        result = await answer(SPECS[tool], self._service, self._caller, arguments, effect_key, settle)
        assert isinstance(result, CallToolResult)
        text = result.model_dump()["content"][0]["text"]
        if result.is_error:
            raise Refused(text)
        assert json.loads(text) == result.structured_content
        return str(text)

    async def heard(self, tool: str, effect_key: Any = None, settle: Any = None, **arguments: Any) -> str:
        """Like `text`, for a call that may be refused: then the refusal's text."""
        try:
            return await self.text(tool, effect_key, settle, **arguments)
        except Refused as refusal:
            return f"refused: {refusal}"

    async def call(self, tool: str, effect_key: Any = None, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its answer."""
        payload: dict[str, Any] = json.loads(await self.text(tool, effect_key, **arguments))
        return payload

    async def numbers(self, **arguments: Any) -> list[int]:
        """Return the numbers of the tasks in one page of list_tasks."""
        return [task["task_id"] for task in (await self.call("list_tasks", **arguments))["tasks"]]


@pytest.fixture
async def todo(database_url: str) -> AsyncIterator[Todo]:
    """The tools of a user on an empty database, once on each kind of database."""
    await schema.migrate(database_url)
    database = Database(database_url)
    yield Todo(database, Clock())
    await database.close()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.docker)])
def module_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database for all tests of a file, which keep apart by their users; once on each kind."""
    kind: DatabaseKind = request.param
    if kind == "sqlite":
        yield sqlite_database(tmp_path_factory.mktemp("database"))
    else:
        with postgres_database(request.getfixturevalue("postgres")) as url:
            yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(module_database_url: str) -> AsyncIterator[Service]:
    """A real server process for all tests of a file; those tests run in the module's event loop."""
    async with running_todo_server(module_database_url) as service:
        yield service


@pytest.fixture
def user() -> str:
    """A user whom no other test knows."""
    return f"user-{uuid.uuid4().hex}"


def effect_meta(key: str, *, settle: bool | None = None) -> RequestParamsMeta:
    """Return the `_meta` of a call under an effect key, or of its settling."""
    return cast("RequestParamsMeta", {EFFECT_KEY_META: key} | ({} if settle is None else {SETTLE_META: settle}))


@asynccontextmanager
async def mcp_client(url: str, token: str, mode: str = "auto", **options: Any) -> AsyncIterator[Client]:
    """A real MCP client with a bearer token; `mode` is a protocol revision, `legacy` or `auto`."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **options) as client,
    ):
        yield client


@asynccontextmanager
async def stdio(*arguments: str, folder: Path, mode: str = "auto", **options: Any) -> AsyncIterator[Client]:
    """A real MCP client with a process of its own, as Claude Desktop starts it.

    Options in capitals are environment variables, the others the client's own.
    """
    variables = {name: options.pop(name) for name in list(options) if name.isupper()}
    parameters = StdioServerParameters(
        command=str(PROGRAM),
        args=["stdio", *arguments],
        env=clean_environment(HOME=str(folder), XDG_DATA_HOME=str(folder / "data"), **variables),
        cwd=folder,
    )
    with (folder / "stderr.log").open("a") as errors:
        async with Client(stdio_client(parameters, errlog=errors), mode=mode, **options) as client:
            yield client


@pytest.fixture
def token(user: str) -> str:
    """A token of the test's user."""
    return mcp_token(user)
