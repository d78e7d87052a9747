"""Everything that a schedule runs on: PostgreSQL, two chat-api, one todo server, the model, and what lies between."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import httpx
import psycopg

from tests.faults.plans import PlannedModel
from tests.faults.postgres import POSTGRES_SECONDS, Postgres, url_text
from tests.faults.proxies import Address, Proxy
from tests.support.openai_stub import OpenAIStub, running_openai_stub
from tests.support.services import Service, ServiceError, running_chat_api, running_todo_server

LEASE_SECONDS: Final = 1.5
CHAT_SETTINGS: Final = {
    "RUN_LEASE_SECONDS": str(LEASE_SECONDS),
    "MODEL_TIMEOUT_SECONDS": "1.5",
    "TOOL_TIMEOUT_SECONDS": "2",
    "TOOL_APPROVAL": "destructive",
    "RUNS_PER_MINUTE": "1000",
}
ANSWER_SECONDS: Final = 20
"""Longest that a client waits for the next byte of an answer."""
CONNECT_SECONDS: Final = 2
STARTS: Final = 3
START_AGAIN: Final = ("the database of DATABASE_URL does not answer", "is not ready")
"""Why a service may end, or take too long, when it starts amid faults."""
_COMPLAINT: Final = re.compile(r"\d{4}-\d\d-\d\d [\d:,]+ (?!INFO)")
_COMPLAINTS_MAX: Final = 40
_FIRST_RESPONSE: Final = """
INSERT INTO model_responses
    (user_id, run_id, response_ordinal, items, requests, input_tokens, output_tokens, created_at)
VALUES (%s, %s, 0, '[]', 0, 0, 0, now())
"""
_WAITS_FOR_ROW: Final = """
SELECT pid FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND wait_event = 'transactionid' AND query LIKE '%model_responses%'
"""


@dataclass
class Replica:
    """One chat-api with a proxy on each of its sides."""

    name: str
    service: Service
    front: Proxy
    """Between its clients and it."""
    http: httpx.AsyncClient
    """Speaks to it through `front`; one for all users, because each would read the machine's certificates anew."""
    database: Proxy
    todo: Proxy
    is_stopped: bool = False
    """By SIGSTOP."""
    disturbed: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who kills or stops it."""

    def stop(self) -> None:
        """Let it stand still where it is (SIGSTOP)."""
        os.kill(self.service.pid, signal.SIGSTOP)
        self.is_stopped = True

    def wake(self) -> None:
        """Let it go on (SIGCONT)."""
        if self.is_stopped:
            os.kill(self.service.pid, signal.SIGCONT)
            self.is_stopped = False

    async def kill(self) -> None:
        """End it (SIGKILL)."""
        await self.service.kill()
        self.is_stopped = False


class World:
    """The parts. What is broken in them is mended by whoever broke it."""

    def __init__(
        self,
        postgres: Postgres,
        databases: tuple[str, str],
        replicas: list[Replica],
        todo: tuple[Service, Proxy],
        model: tuple[OpenAIStub, PlannedModel],
    ) -> None:
        self.postgres = postgres
        self.replicas = replicas
        self.todo, self.todo_database = todo
        self.stub, self.model = model
        self.todo_disturbed = asyncio.Lock()
        self.postgres_disturbed = asyncio.Lock()
        self._chat_database, self._todo_database = databases
        self._looking: dict[str, psycopg.AsyncConnection] = {}
        self._looks = asyncio.Lock()

    def replica(self, name: str) -> Replica:
        """Return the replica of that name."""
        return next(replica for replica in self.replicas if replica.name == name)

    def services(self, of: Literal["chat", "todo"]) -> list[Service]:
        """Return the processes of one service."""
        return [self.todo] if of == "todo" else [replica.service for replica in self.replicas]

    def complaints(self, since: float) -> list[str]:
        """Return what the services have logged since then (seconds since the epoch), their ordinary news left out."""
        found = []
        for service in [*self.services("todo"), *self.services("chat")]:
            lines = [line for line in service.log.splitlines() if _COMPLAINT.match(line)]
            first = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
            found += [f"{service.program} :{service.port} {line}" for line in lines if line >= first]
        return found[-_COMPLAINTS_MAX:]

    async def restart(self, services: Sequence[Service]) -> None:
        """Kill services and start them again, all at the same time."""
        for service in services:
            await service.kill()
        await asyncio.gather(*map(start_again, services))

    async def heal(self) -> None:
        """Begin anew with every service, whatever state it is in."""
        for replica in self.replicas:
            replica.is_stopped = False
        services = [*self.services("todo"), *self.services("chat")]
        for service in services:
            await service.close()
        await asyncio.gather(*map(start_again, services))

    @asynccontextmanager
    async def row_taken(self, user_id: str, run_id: str) -> AsyncIterator[None]:
        """Be about to write a run's first model response, without ever doing so: whoever else writes it waits."""
        url = url_text(self.postgres.url(self._chat_database))
        async with await psycopg.AsyncConnection.connect(url) as connection:
            # So that the foreign key's own row lock is not what anybody waits for.
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(_FIRST_RESPONSE, (user_id, run_id))
            try:
                yield
            finally:
                await connection.rollback()

    async def append_waits(self) -> None:
        """Wait until somebody waits for the row."""
        async with asyncio.timeout(POSTGRES_SECONDS):
            while not await self.chat_rows(_WAITS_FOR_ROW):  # noqa: ASYNC110 - nobody else can be asked
                await asyncio.sleep(0.02)

    async def chat_rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask chat-api's database, behind its back."""
        return await self._rows(self._chat_database, query, parameters)

    async def todo_rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the todo server's database, behind its back."""
        return await self._rows(self._todo_database, query, parameters)

    async def close(self) -> None:
        """Close what `chat_rows` and `todo_rows` keep open."""
        for connection in self._looking.values():
            await connection.close()

    async def _rows(self, database: str, query: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        async with self._looks:
            try:
                return await self._look(database, query, parameters)
            except psycopg.OperationalError:
                # The connection is from before PostgreSQL was restarted.
                if database in self._looking:
                    await self._looking.pop(database).close()
                return await self._look(database, query, parameters)

    async def _look(self, database: str, query: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if database not in self._looking:
            url = url_text(self.postgres.url(database))
            self._looking[database] = await psycopg.AsyncConnection.connect(url, autocommit=True)
        cursor = await self._looking[database].execute(query.encode(), parameters or None)
        return await cursor.fetchall()


async def start_again(service: Service) -> None:
    """Start a service that was killed, and again where it could not help ending, as a restart policy does.

    It ends with one line where its database does not answer at the start, which another fault may bring about; and a
    busy machine may let it start too slowly.
    """
    for _ in range(STARTS - 1):
        try:
            return await service.restart()
        except ServiceError as error:
            if not any(reason in str(error) for reason in START_AGAIN):
                raise
    return await service.restart()


@asynccontextmanager
async def proxy_to(target: Address | Postgres) -> AsyncIterator[Proxy]:
    """Run a proxy."""
    proxy = Proxy(target.address if isinstance(target, Postgres) else lambda: target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


@asynccontextmanager
async def running_world(postgres: Postgres) -> AsyncIterator[World]:
    """Run both services on databases of their own."""
    databases = ("chat", "todo")
    for database in databases:
        postgres.create(database)

    def through(proxy: Proxy, database: str) -> str:
        host, port = proxy.address
        return url_text(postgres.admin.set(host=host, port=port, database=database))

    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(running_openai_stub())
        model = PlannedModel()
        stub.answer = model.answer
        todo_database = await stack.enter_async_context(proxy_to(postgres))
        todo = await stack.enter_async_context(running_todo_server(through(todo_database, databases[1])))
        replicas: list[Replica] = []
        for number in range(2):
            to_database = await stack.enter_async_context(proxy_to(postgres))
            calls = await stack.enter_async_context(proxy_to(("127.0.0.1", todo.port)))
            variables = {**stub.environment(), **CHAT_SETTINGS}
            service = await stack.enter_async_context(
                running_chat_api(through(to_database, databases[0]), f"http://127.0.0.1:{calls.port}/mcp", **variables)
            )
            front = await stack.enter_async_context(proxy_to(("127.0.0.1", service.port)))
            http = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{front.port}",
                    timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                    # An idle connection is dropped long before the service drops it, which it does after five seconds:
                    # a check must not send on one that is just being closed.
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=1),
                    trust_env=False,
                )
            )
            replicas.append(Replica("ab"[number], service, front, http, to_database, calls))
        world = World(postgres, databases, replicas, (todo, todo_database), (stub, model))
        try:
            yield world
        finally:
            for replica in replicas:
                replica.wake()
            await world.close()
