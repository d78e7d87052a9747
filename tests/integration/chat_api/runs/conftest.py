"""Two replicas of chat-api on one PostgreSQL database, and runs as their users stream them.

`replicas` live as long as a test file, whose tests keep apart by their users; a test may kill, stop or freeze them,
and the next one finds both up again. What they are configured with, a file says in a fixture `settings` of its own.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from tests.faults.proxies import Proxy
from tests.faults.streams import Event, Story, read_story
from tests.integration.chat_api.conftest import ChatUser, as_user, execute_sql, running_chat
from tests.support.databases import postgres_database
from tests.support.openai_stub import OpenAIStub
from tests.support.services import Service
from tests.support.waiting import until

EVENT_STREAM = "text/event-stream"
WAIT_SECONDS = 40
"""Longest time that a test waits for anything."""


@dataclass
class EventStream:
    """A run's events as one reader gets them."""

    response: httpx.Response
    raw: bytearray = field(default_factory=bytearray)
    """Every byte that has come."""
    events: list[Event] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._incoming = self._read()

    async def next(self) -> Event:
        """Return the next event."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await anext(self._incoming)

    async def until(self, kind: str, skip: int = 0) -> Event:
        """Read on to an event of a type, the first or the one behind `skip` of them."""
        while True:
            event = await self.next()
            if event.body["type"] == kind:
                if skip == 0:
                    return event
                skip -= 1

    async def rest(self) -> list[Event]:
        """Read to the end, and return all events that have ever come."""
        async with asyncio.timeout(WAIT_SECONDS):
            async for _ in self._incoming:
                pass
        return self.events

    async def _read(self) -> AsyncIterator[Event]:
        pending = b""
        async for data in self.response.aiter_raw():
            self.raw += data
            *frames, pending = (pending + data).split(b"\n\n")
            for frame in frames:
                text = frame.decode()
                if text.startswith(":"):
                    self.comments.append(text)
                    continue
                name, _, payload = text.partition("\n")
                assert name.startswith("id: "), text
                assert payload.startswith("data: "), text
                assert "\n" not in payload, text
                event = Event(name.removeprefix("id: "), payload.removeprefix("data: "))
                self.events.append(event)
                yield event
        assert pending == b"", "the stream was cut in the middle of an event"


def kinds(events: list[Event]) -> list[str]:
    """Return the types of events."""
    return [event.body["type"] for event in events]


def story_of(events: list[Event]) -> Story:
    """Return what a whole stream tells, which has to keep every rule of AG-UI and of runs."""
    story = read_story(events[0].run_id, events)
    assert story.faults == [], (story.faults, [event.data for event in events])
    return story


@asynccontextmanager
async def sending(
    user: ChatUser, message: str, conversation_id: int | None = None, key: str | None = None, **fields: Any
) -> AsyncIterator[EventStream]:
    """Send a message and read its run's events; leaving the context hangs up."""
    body = {"message": message, **fields}
    if conversation_id is not None:
        body["conversation_id"] = conversation_id
    headers = {"Accept": EVENT_STREAM} | ({} if key is None else {"Idempotency-Key": key})
    async with user.http.stream("POST", f"/api/{user.user_id}/chat", json=body, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield EventStream(response)


@asynccontextmanager
async def following(user: ChatUser, run_id: str, after: Event | str | None = None) -> AsyncIterator[EventStream]:
    """Read a run's events, those behind one that was seen or all."""
    seen = after.id if isinstance(after, Event) else after
    headers = {} if seen is None else {"Last-Event-ID": seen}
    async with user.http.stream("GET", f"/api/{user.user_id}/runs/{run_id}/events", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield EventStream(response)


async def replayed(user: ChatUser, run_id: str, after: Event | str | None = None) -> EventStream:
    """Return a run's events, read to their end."""
    async with following(user, run_id, after) as stream:
        await stream.rest()
    return stream


async def status_of(user: ChatUser, run_id: str, *statuses: str) -> dict[str, Any]:
    """Wait until a run has one of the statuses, and return it."""

    async def look() -> dict[str, Any] | None:
        run: dict[str, Any] = await user.read(f"runs/{run_id}")
        return run if run["status"] in statuses else None

    run: dict[str, Any] = await until(look)
    return run


@dataclass
class Replicas:
    """Two processes of chat-api on one database."""

    url: str
    """The database's own address."""
    first: Service
    second: Service
    to_todo: Proxy
    """Between the first one and the todo server."""
    to_database: Proxy | None = None
    """Between the first one and the database, where a file's tests need it."""
    frozen: set[int] = field(default_factory=set)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements on the database behind the services' back."""
        return execute_sql(self.url, *statements)

    def written(self, run_id: str) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that is stored of a run."""
        return {
            table: self.sql(f"SELECT * FROM {table} WHERE run_id = '{run_id}' ORDER BY 1, 2, 3, 4")  # noqa: S608
            for table in ("runs", "messages", "model_responses", "tool_calls", "run_events")
        }

    def freeze(self, service: Service) -> None:
        """Stop a process as it stands (SIGSTOP)."""
        os.kill(service.pid, signal.SIGSTOP)
        self.frozen.add(service.pid)

    def wake(self, service: Service) -> None:
        """Let a frozen process go on (SIGCONT)."""
        os.kill(service.pid, signal.SIGCONT)
        self.frozen.discard(service.pid)

    async def mend(self) -> None:
        """Bring up what a test has left killed, stopped or frozen."""
        for service in (self.first, self.second):
            if service.is_running and service.pid in self.frozen:
                self.wake(service)
            if not service.is_running:
                await service.restart()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Run a proxy to a server; yields it, and the server's URL through it."""
    parsed = make_url(url)
    host, port = parsed.host, parsed.port
    assert host is not None
    assert port is not None
    proxy = Proxy(lambda: (host, port))
    await proxy.start()
    try:
        yield proxy, parsed.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    finally:
        await proxy.close()


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """The environment of a file's replicas."""
    return {}


@pytest.fixture(scope="module")
def postgres_url(postgres: str) -> Iterator[str]:
    """A database for all tests of a file."""
    with postgres_database(postgres) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_replicas(
    postgres_url: str, todo: Service, module_stub: OpenAIStub, settings: dict[str, str]
) -> AsyncIterator[Replicas]:
    """The replicas behind `replicas`."""
    async with (
        proxied(todo.mcp_url) as (to_todo, mcp_url),
        running_chat(postgres_url, todo, module_stub, MCP_SERVER_URL=mcp_url, **settings) as first,
        running_chat(postgres_url, todo, module_stub, **settings) as second,
    ):
        yield Replicas(postgres_url, first, second, to_todo)


@pytest_asyncio.fixture(loop_scope="module")
async def replicas(module_replicas: Replicas, stub: OpenAIStub) -> AsyncIterator[Replicas]:
    """Both replicas, up and awake, with the stub's script empty."""
    await module_replicas.mend()
    yield module_replicas
    module_replicas.to_todo.thaw()
    for pid in module_replicas.frozen:
        os.kill(pid, signal.SIGCONT)
    module_replicas.frozen.clear()


@pytest_asyncio.fixture(loop_scope="module")
async def here(replicas: Replicas, user_id: str) -> AsyncIterator[ChatUser]:
    """A user whom no other test knows, at the first replica."""
    async with as_user(replicas.first, user_id) as user:
        yield user


@pytest_asyncio.fixture(loop_scope="module")
async def there(replicas: Replicas, user_id: str) -> AsyncIterator[ChatUser]:
    """The same user at the second replica."""
    async with as_user(replicas.second, user_id) as user:
        yield user


@contextmanager
def held() -> Iterator[asyncio.Event]:
    """An event for the stub to wait for, set at the end of the context at the latest."""
    event = asyncio.Event()
    try:
        yield event
    finally:
        event.set()
