"""chat-api for tests: real processes over HTTP, with the stub as the paid model and a real todo server.

The fixtures `stub`, `todo` and `chat` live as long as a test file, so its tests run in the module's event loop
(`pytestmark = pytest.mark.asyncio(loop_scope="module")`) and keep apart by their users. A test that kills or
configures a service starts its own with `running_chat`, on `database_url`.
"""

import sqlite3
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from chat_api.database import Database
from chat_api.schema import migrate
from sqlalchemy.engine import make_url

from tests.support.databases import DatabaseKind, postgres_database, sqlite_database
from tests.support.openai_stub import OpenAIStub, running_openai_stub
from tests.support.services import Service, running_chat_api, running_todo_server
from tests.support.tokens import user_token

REQUEST_SECONDS = 60


class ChatUser:
    """One user of one chat-api process."""

    def __init__(self, user_id: str, http: httpx.AsyncClient) -> None:
        self.user_id = user_id
        self.http = http
        """Sends this user's token with every request."""

    async def send(self, message: str, conversation_id: int | None = None, **fields: Any) -> httpx.Response:
        """Send a message and return whatever is answered."""
        body = {"message": message, **fields}
        if conversation_id is not None:
            body["conversation_id"] = conversation_id
        return await self.http.post(f"/api/{self.user_id}/chat", json=body)

    async def say(self, message: str, conversation_id: int | None = None, **fields: Any) -> dict[str, Any]:
        """Send a message that is answered with 200, and return the answer."""
        response = await self.send(message, conversation_id, **fields)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def get(self, path: str) -> httpx.Response:
        """Read something below the user's own path, such as `conversations/1`."""
        return await self.http.get(f"/api/{self.user_id}/{path}")

    async def read(self, path: str) -> Any:
        """Read something that is there."""
        response = await self.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    async def messages(self, conversation_id: int) -> list[dict[str, Any]]:
        """Return a conversation's messages, oldest first."""
        page = await self.read(f"conversations/{conversation_id}/messages?order=asc&limit=100")
        items: list[dict[str, Any]] = page["items"]
        return items

    async def said(self, conversation_id: int) -> list[tuple[str, str]]:
        """Return role and content of a conversation's messages, oldest first."""
        return [(message["role"], message["content"]) for message in await self.messages(conversation_id)]

    async def runs(self, conversation_id: int) -> list[dict[str, Any]]:
        """Return a conversation's runs, newest first."""
        page = await self.read(f"conversations/{conversation_id}/runs?limit=100")
        items: list[dict[str, Any]] = page["items"]
        return items


@asynccontextmanager
async def as_user(service: Service, user_id: str, **token_options: Any) -> AsyncIterator[ChatUser]:
    """Speak to a service as a user; `token_options` go to `user_token`."""
    headers = {"Authorization": f"Bearer {user_token(user_id, **token_options)}"}
    async with httpx.AsyncClient(
        base_url=service.base_url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False
    ) as http:
        yield ChatUser(user_id, http)


def running_chat(
    database_url: str, todo: Service, stub: OpenAIStub, api: str = "responses", **env: str
) -> AbstractAsyncContextManager[Service]:
    """Run a chat-api of one's own, with the stub as its model. Users may send as fast as tests do."""
    variables = {**stub.environment(api), "RUNS_PER_MINUTE": "1000000", **env}
    return running_chat_api(database_url, todo.mcp_url, **variables)


def execute_sql(database_url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements on a service's database behind its back, and return the rows of the last one."""
    if database_url.startswith("sqlite"):
        file = sqlite3.connect(str(make_url(database_url).database), timeout=10)
        try:
            with file:
                for statement in statements:
                    cursor = file.execute(statement)
                return cursor.fetchall()
        finally:
            file.close()
    with psycopg.connect(database_url, autocommit=True) as server:
        for statement in statements:
            executed = server.execute(statement.encode())
        return executed.fetchall() if executed.description else []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_stub() -> AsyncIterator[OpenAIStub]:
    """The stub behind `stub`."""
    async with running_openai_stub() as running:
        yield running


@pytest.fixture
def stub(module_stub: OpenAIStub) -> Iterator[OpenAIStub]:
    """The paid model's stand-in, with an empty script."""
    module_stub.script.clear()
    module_stub.answer = None
    module_stub.delay_seconds = 0.0
    module_stub.requests.clear()
    module_stub.headers.clear()
    module_stub.closed_early.clear()
    module_stub.most_open = module_stub.open
    yield module_stub
    module_stub.delay_seconds = 0.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def todo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A todo server on SQLite for all tests of a file. Do not kill it: start your own with `running_todo_server`."""
    async with running_todo_server(sqlite_database(tmp_path_factory.mktemp("todo"))) as service:
        yield service


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.docker)])
def module_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """chat-api's database for all tests of a file, which keep apart by their users; once on each kind."""
    kind: DatabaseKind = request.param
    if kind == "sqlite":
        yield sqlite_database(tmp_path_factory.mktemp("chat"))
    else:
        with postgres_database(request.getfixturevalue("postgres")) as url:
            yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def migrated_url(module_database_url: str) -> str:
    """A database with this code's schema, for all tests of a file."""
    await migrate(module_database_url)
    return module_database_url


@pytest_asyncio.fixture(loop_scope="module")
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """Connections to it."""
    opened = Database(migrated_url)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(module_database_url: str, todo: Service, module_stub: OpenAIStub) -> AsyncIterator[Service]:
    """A chat-api for all tests of a file, on the Responses wire. Do not kill it."""
    async with running_chat(module_database_url, todo, module_stub) as service:
        yield service


@pytest.fixture
def user_id() -> str:
    """A user whom no other test knows."""
    return f"user-{uuid.uuid4().hex}"


OpenClient = Callable[[str], Awaitable[ChatUser]]
"""Opens a client that speaks as the user given."""


@pytest_asyncio.fixture(loop_scope="module")
async def client(chat: Service) -> AsyncIterator[OpenClient]:
    """Opens clients of `chat`: `await client("ann")` is a `ChatUser`, gone after the test."""
    async with AsyncExitStack() as stack:

        async def open_client(user_id: str) -> ChatUser:
            return await stack.enter_async_context(as_user(chat, user_id))

        yield open_client


@pytest_asyncio.fixture(loop_scope="module")
async def ann(chat: Service, user_id: str, stub: OpenAIStub) -> AsyncIterator[ChatUser]:
    """A user of `chat` whom no other test knows; the stub's script is empty."""
    async with as_user(chat, user_id) as user:
        yield user
