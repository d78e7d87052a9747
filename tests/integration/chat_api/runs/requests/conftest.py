"""What a caller may ask of runs, at one chat-api and at a second replica of it.

The services live as long as the test session and are shared by all files of this folder, whose tests run in the
session's event loop (`pytestmark = pytest.mark.asyncio(loop_scope="session")`) and keep apart by their users.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.routing import Route

from tests.integration.chat_api.conftest import execute_sql
from tests.integration.chat_api.runs.requests.callers import Caller, calling
from tests.integration.chat_api.runs.requests.gate import Gate
from tests.support.asgi import served
from tests.support.databases import postgres_database, sqlite_database
from tests.support.openai_stub import OpenAIStub, Reply, Say, running_openai_stub
from tests.support.services import Service, running_chat_api, running_todo_server

STORED = {
    "users": "*",
    "conversations": "*",
    "messages": "*",
    "runs": "run_id, number, status, attempt, cancel_requested, replaces, replaced, error_type, model_requests",
    "tool_calls": "*",
    "model_responses": "*",
    "run_events": "*",
    "idempotency_keys": "*",
    "daily_usage": "*",
}
"""What chat-api keeps of a user; of runs without their leases, which are renewed all the time."""


def stored(database_url: str, user_id: str) -> dict[str, list[str]]:
    """Return all that chat-api keeps of a user."""
    return {
        table: sorted(
            repr(row)
            for row in execute_sql(database_url, f"SELECT {columns} FROM {table} WHERE user_id = '{user_id}'")  # noqa: S608
        )
        for table, columns in STORED.items()
    }


def last_said(request: dict[str, Any]) -> str:
    """Return the user's message that a model was asked to answer."""
    return str([item["content"] for item in request["input"] if item.get("role") == "user"][-1])


def told(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Return role and words of everything that was said, as a model was told it."""
    return [(item["role"], _words(item["content"])) for item in request["input"] if "role" in item]


def _words(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def echo(request: dict[str, Any]) -> Reply:
    """Answer as a model that says what it was asked."""
    return Say(f"you said {last_said(request)}")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def module_stub() -> AsyncIterator[OpenAIStub]:
    """The stub behind `stub`."""
    async with running_openai_stub() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def todo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A todo server on SQLite."""
    async with running_todo_server(sqlite_database(tmp_path_factory.mktemp("todo"))) as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def todo_gate(todo: Service) -> AsyncIterator[tuple[Gate, str]]:
    """The gate, and the address of the todo server behind it."""
    running = Gate(todo)
    async with served(Starlette(routes=[Route("/mcp", running.serve, methods=["POST"])])) as address:
        yield running, f"{address}/mcp"


@pytest.fixture
def gate(todo_gate: tuple[Gate, str]) -> Iterator[Gate]:
    """The gate, open before and after the test."""
    opened = todo_gate[0]
    opened.sent.clear()
    opened.settled.clear()
    yield opened
    if opened.hold is not None:
        opened.hold.set()
    opened.hold, opened.is_down, opened.loses_answers = None, False, False


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.docker)])
def module_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """chat-api's database; once of each kind."""
    if request.param == "sqlite":
        yield sqlite_database(tmp_path_factory.mktemp("chat"))
    else:
        with postgres_database(request.getfixturevalue("postgres")) as url:
            yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chat(
    module_database_url: str, todo_gate: tuple[Gate, str], module_stub: OpenAIStub
) -> AsyncIterator[Service]:
    """A chat-api, on the Responses wire."""
    async with running_chat_api(module_database_url, todo_gate[1], **module_stub.environment()) as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def replica(
    module_database_url: str, chat: Service, todo_gate: tuple[Gate, str], module_stub: OpenAIStub
) -> AsyncIterator[Service]:
    """A second process on the same database; on SQLite, which one process serves, the same one."""
    if module_database_url.startswith("sqlite"):
        yield chat
        return
    async with running_chat_api(module_database_url, todo_gate[1], **module_stub.environment()) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What a test opens on its way is closed after it."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def ann(chat: Service, user_id: str, stub: OpenAIStub, gate: Gate, stack: AsyncExitStack) -> Caller:
    """A user whom no other test knows; the stub's script is empty and the gate is open."""
    stub.closed_early.clear()
    return await stack.enter_async_context(calling(chat, user_id))


@pytest_asyncio.fixture(loop_scope="session")
async def ann_elsewhere(replica: Service, ann: Caller, stack: AsyncExitStack) -> Caller:
    """The same user at the other replica."""
    return await stack.enter_async_context(calling(replica, ann.user_id))


@pytest_asyncio.fixture(loop_scope="session")
async def bob(chat: Service, user_id: str, stack: AsyncExitStack) -> Caller:
    """Another user."""
    return await stack.enter_async_context(calling(chat, f"{user_id}-bob"))


@pytest.fixture
def hold() -> Iterator[asyncio.Event]:
    """What an answer or a call is held back by; let go after the test at the latest."""
    held = asyncio.Event()
    yield held
    held.set()
