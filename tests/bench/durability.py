"""What the promise costs in time: stop, recovery, a thousand streams, and long conversations."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx
import psycopg

from tests.bench.common import UNLIMITED, USER, client_of, cpu_seconds, run, stub_environment
from tests.support.databases import postgres_database
from tests.support.openai_replies import Say
from tests.support.openai_stub import OpenAIStub, running_openai_stub
from tests.support.services import Service, running_chat_api, running_todo_server

STOPS: Final = 20
RECOVERIES: Final = 5
LEASE_SECONDS: Final = 3
STREAMS: Final = 1000
ARRIVING: Final = 50
"""Messages that are sent at the same moment while the streams open."""
POOL_SIZE: Final = 10
SHORT: Final = 10
LONG: Final = 10_000
CONVERSATIONS: Final = 5
SENDS: Final = 20
TOKEN_BUDGET: Final = 1600
PIECE: Final = "A sentence of fifty characters that fills a page. "
"""Thirteen of them a message: five pairs of those fill the budget, so both conversations send the same history."""


@asynccontextmanager
async def replicas(
    server_url: str, stub: OpenAIStub, count: int, **variables: str
) -> AsyncIterator[tuple[str, list[Service]]]:
    """Run replicas of chat-api on one database; yields the database's URL and the replicas."""
    async with AsyncExitStack() as stack:
        todo_url = stack.enter_context(postgres_database(server_url))
        chat_url = stack.enter_context(postgres_database(server_url))
        todo = await stack.enter_async_context(running_todo_server(todo_url, **UNLIMITED))
        environment = {**stub_environment(stub.base_url), **variables}
        services = [
            await stack.enter_async_context(running_chat_api(chat_url, todo.mcp_url, **environment))
            for _ in range(count)
        ]
        yield chat_url, services


@asynccontextmanager
async def events_of(
    client: httpx.AsyncClient, path: str, method: str = "POST", **request: Any
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Open a stream and yield its events."""
    headers = {"Accept": "text/event-stream"}
    async with client.stream(method, f"/api/{USER}/{path}", headers=headers, **request) as answer:
        assert answer.status_code == httpx.codes.OK, await answer.aread()

        async def events() -> AsyncIterator[dict[str, Any]]:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

        yield events()


async def until(events: AsyncIterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Read events up to one of a kind."""
    async for event in events:
        if event["type"] == kind:
            return event
    raise AssertionError(f"the stream ended without {kind}")


async def stop(server_url: str) -> None:
    """Measure from the call that stops a run, at the other replica, to the end of the owner's model request."""
    times: list[float] = []
    async with running_openai_stub() as stub, replicas(server_url, stub, 2) as (_, (owner, other)):  # noqa: SIM117
        async with client_of(owner) as here, client_of(other) as there:
            for _ in range(STOPS):
                stub.reply(Say("word " * 2000, pause_seconds=0.02))
                async with events_of(here, "chat", json={"message": "talk"}) as events:
                    started = await until(events, "RUN_STARTED")
                    await until(events, "TEXT_MESSAGE_CONTENT")
                    began = time.monotonic()
                    answer = await there.post(f"/api/{USER}/runs/{started['runId']}/cancel")
                    assert answer.status_code == httpx.codes.ACCEPTED
                    finished = await until(events, "RUN_FINISHED")
                    assert finished["outcome"] == {"type": "cancelled"}
                times.append((stub.closed_early[-1].at - began) * 1000)
    print(
        f"stop             {STOPS} stops at the other replica: model request closed after "
        f"median {statistics.median(times):.0f} ms, at most {max(times):.0f} ms",
        flush=True,
    )


async def recovery(server_url: str) -> None:
    """Measure from the death of a run's owner to the first event of the run's next owner, and to its end."""
    taken: list[float] = []
    ended: list[float] = []
    variables = {"RUN_LEASE_SECONDS": str(LEASE_SECONDS)}
    async with running_openai_stub() as stub, replicas(server_url, stub, 2, **variables) as (_, (owner, other)):  # noqa: SIM117
        async with client_of(owner) as here, client_of(other) as there:
            for _ in range(RECOVERIES):
                stub.reply(Say("word " * 2000, pause_seconds=0.02), Say("Done."))
                async with events_of(here, "chat", json={"message": "talk"}) as events:
                    run_id = (await until(events, "RUN_STARTED"))["runId"]
                    async with events_of(there, f"runs/{run_id}/events", "GET") as followed:
                        await until(followed, "TEXT_MESSAGE_CONTENT")
                        await owner.kill()
                        began = time.monotonic()
                        await until(followed, "CUSTOM")
                        taken.append(time.monotonic() - began)
                        await until(followed, "RUN_FINISHED")
                        ended.append(time.monotonic() - began)
                await owner.restart()
    print(
        f"recovery         lease {LEASE_SECONDS} s, {RECOVERIES} owners killed: the next one goes on after at most "
        f"{max(taken):.1f} s, the run ends after at most {max(ended):.1f} s",
        flush=True,
    )


async def streams(server_url: str) -> None:
    """Open a thousand streams at one replica, all of them in the middle of an answer, and let them end."""
    hold = asyncio.Event()
    begun = 0
    all_begun = asyncio.Event()

    arriving = asyncio.Semaphore(ARRIVING)

    async def read(client: httpx.AsyncClient) -> None:
        nonlocal begun
        async with AsyncExitStack() as stack:
            async with arriving:
                events = await stack.enter_async_context(events_of(client, "chat", json={"message": "talk"}))
                await until(events, "TEXT_MESSAGE_CONTENT")
            begun += 1
            if begun == STREAMS:
                all_begun.set()
            await until(events, "RUN_FINISHED")

    variables = {"DATABASE_POOL_SIZE": str(POOL_SIZE)}
    async with running_openai_stub() as stub, replicas(server_url, stub, 1, **variables) as (url, (service,)):
        stub.answer = lambda _: Say("well, that is all", hold=hold)
        async with client_of(service) as client:
            began = time.monotonic()
            readers = [asyncio.create_task(read(client)) for _ in range(STREAMS)]
            await asyncio.wait({asyncio.create_task(all_begun.wait()), *readers}, return_when="FIRST_COMPLETED")
            opened = time.monotonic() - began
            with psycopg.connect(url) as database:
                [connections] = database.execute(
                    "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
                ).fetchone() or [0]
            before = cpu_seconds(service.pid)
            await asyncio.sleep(5)
            idle = (cpu_seconds(service.pid) - before) / 5
            began = time.monotonic()
            hold.set()
            await asyncio.gather(*readers)
            drained = time.monotonic() - began
    print(
        f"streams          {STREAMS} open in the middle of their answers after {opened:.1f} s, "
        f"{connections} database connections (pool of {POOL_SIZE}), {idle:.0%} of a core while they wait; "
        f"all ended {drained:.1f} s after the model went on",
        flush=True,
    )


async def history(server_url: str) -> None:
    """Compare the CPU time of a send, and its time, in conversations of 10 and of 10,000 messages."""
    cpu: dict[int, list[float]] = {SHORT: [], LONG: []}
    took: dict[int, list[float]] = {SHORT: [], LONG: []}
    variables = {"HISTORY_TOKEN_BUDGET": str(TOKEN_BUDGET)}
    async with running_openai_stub() as stub, replicas(server_url, stub, 1, **variables) as (url, (service,)):
        stub.answer = lambda _: Say("Done.")
        with psycopg.connect(url) as database:
            for number in range(2 * CONVERSATIONS):
                fill(database, number + 1, SHORT if number % 2 == 0 else LONG)
        with psycopg.connect(url, autocommit=True) as database:
            database.execute("VACUUM ANALYZE")
        async with client_of(service) as client:
            for _ in range(SENDS):
                for number in range(2 * CONVERSATIONS):
                    before, began = cpu_seconds(service.pid), time.perf_counter()
                    answer = await client.post(
                        f"/api/{USER}/chat", json={"message": PIECE * 13, "conversation_id": number + 1}
                    )
                    assert answer.status_code == httpx.codes.OK, answer.text
                    size = SHORT if number % 2 == 0 else LONG
                    cpu[size].append(cpu_seconds(service.pid) - before)
                    took[size].append(time.perf_counter() - began)
        sent = [len(request["input"]) for request in stub.requests[: 2 * CONVERSATIONS]]
    print(
        f"history          a send at {LONG:,} messages against one at {SHORT}: CPU "
        f"{statistics.mean(cpu[LONG]) / statistics.mean(cpu[SHORT]):.2f}, time "
        f"{statistics.median(took[LONG]) / statistics.median(took[SHORT]):.2f} "
        f"({CONVERSATIONS} conversations each, {SENDS} sends in turns, {min(sent)} to {max(sent)} items sent)",
        flush=True,
    )


def fill(database: psycopg.Connection[Any], conversation: int, messages: int) -> None:
    """Write a conversation of completed runs."""
    runs = messages // 2
    values = {"user": USER, "conversation": conversation, "runs": runs, "text": PIECE * 13}
    run_id = "lpad(%(conversation)s::text, 18, '0') || lpad(i::text, 18, '0')"
    database.execute("INSERT INTO users (user_id, last_conversation_id) VALUES (%s, 0) ON CONFLICT DO NOTHING", [USER])
    database.execute(
        "INSERT INTO conversations (user_id, conversation_id, title, created_at, updated_at, last_message_id,"
        " last_run_number) VALUES (%(user)s, %(conversation)s, 'filled', now(), now(), %(runs)s * 2, %(runs)s)",
        values,
    )
    database.execute(
        f"INSERT INTO runs (user_id, run_id, conversation_id, number, status, input, timezone, attempt,"  # noqa: S608
        f" model_requests, input_tokens, output_tokens, created_at, ended_at) SELECT %(user)s, {run_id},"
        f" %(conversation)s, i, 'completed', %(text)s, 'UTC', 1, 1, 1, 1, now(), now()"
        f" FROM generate_series(1, %(runs)s) AS i".encode(),
        values,
    )
    for role, number in (("user", "i * 2 - 1"), ("assistant", "i * 2")):
        database.execute(
            f"INSERT INTO messages (user_id, conversation_id, message_id, run_id, role, content, created_at)"  # noqa: S608
            f" SELECT %(user)s, %(conversation)s, {number}, {run_id}, '{role}', %(text)s, now()"
            f" FROM generate_series(1, %(runs)s) AS i".encode(),
            values,
        )


if __name__ == "__main__":
    run(stop, recovery, streams, history)
