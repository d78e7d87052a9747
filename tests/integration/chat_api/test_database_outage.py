"""PostgreSQL away: 503, not ready yet alive, and back without a restart; a run cut off by it is gone on with."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from tests.integration.chat_api.conftest import ChatUser, as_user, execute_sql, running_chat
from tests.support.chat import failed_run
from tests.support.databases import POSTGRES_IMAGE, NewDatabase, require_docker
from tests.support.openai_stub import Call, OpenAIStub, Reply, Say
from tests.support.openapi import hold_to_contract
from tests.support.problems import problem
from tests.support.services import Service, free_port
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker]

LEASE_SECONDS = 4
"""One that a test can wait for, and that a process does not lose which a busy machine holds up for two seconds."""
WAIT_SECONDS = 30
"""Longest time that a test waits for anything."""
LONGEST_ANSWER_SECONDS = 30
LONGEST_SILENCE_SECONDS = 45
"""Both within what clients and load balancers wait for."""


@asynccontextmanager
async def through_proxy(database_url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy before a PostgreSQL database, and the DATABASE_URL through it."""
    url = make_url(database_url)
    assert url.host is not None
    assert url.port is not None
    async with tcp_proxy(url.host, url.port) as proxy:
        yield proxy, url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)


@pytest_asyncio.fixture(loop_scope="module")
async def proxied(
    new_database: NewDatabase, todo: Service, stub: OpenAIStub, user_id: str
) -> AsyncIterator[tuple[TcpProxy, ChatUser, str]]:
    """A proxy before the database, a user of the chat-api behind it, and the database's own URL."""
    direct = new_database("postgresql")
    async with (
        through_proxy(direct) as (proxy, url),
        running_chat(url, todo, stub, RUN_LEASE_SECONDS=str(LEASE_SECONDS)) as service,
        as_user(service, user_id) as ann,
    ):
        await hold_to_contract(ann.http)
        yield proxy, ann, direct
        assert f":{make_url(direct).password}@" not in service.log


def unavailable(response: httpx.Response) -> None:
    """See that an answer is the 503 of a missing database."""
    problem(response, 503, "service-unavailable")
    assert int(response.headers["retry-after"]) >= 1


async def is_away(ann: ChatUser, conversation: int) -> None:
    """See what chat-api answers while its database is away."""
    started = time.monotonic()
    answers = await asyncio.gather(
        ann.send("lost", conversation),
        ann.send("lost"),
        ann.get("conversations"),
        ann.get(f"conversations/{conversation}/messages"),
        ann.http.patch(f"/api/{ann.user_id}/conversations/{conversation}", json={"title": "lost"}),
        ann.http.delete(f"/api/{ann.user_id}/conversations/{conversation}"),
    )
    for answer in answers:
        unavailable(answer)
    ready = await ann.http.get("/readyz")
    assert (ready.status_code, ready.json()["ready"], ready.json()["database"]) == (503, False, "unavailable")
    assert (await ann.http.get("/livez")).json() == {"status": "ok"}
    assert time.monotonic() - started < LONGEST_ANSWER_SECONDS


async def is_back(ann: ChatUser, stub: OpenAIStub, conversation: int) -> None:
    """See that the very first request after it works, and that nothing of the outage was stored."""
    stub.reply(Say("welcome back"))
    assert (await ann.say("again", conversation))["response"] == "welcome back"
    assert (await ann.http.get("/readyz")).status_code == 200
    said = await ann.said(conversation)
    assert said[-2:] == [("user", "again"), ("assistant", "welcome back")]
    assert ("user", "lost") not in said
    assert [found["id"] for found in (await ann.read("conversations"))["items"]] == [conversation]


async def test_a_database_that_is_cut_off_is_503_and_back_without_a_restart(
    proxied: tuple[TcpProxy, ChatUser, str], stub: OpenAIStub
) -> None:
    proxy, ann, _ = proxied
    stub.reply(Say("hello"))
    conversation = (await ann.say("hi"))["conversation_id"]
    for _ in range(2):
        await proxy.cut()
        await is_away(ann, conversation)
        await proxy.mend()
        await is_back(ann, stub, conversation)


async def test_a_database_that_stops_answering_is_503_and_not_waited_for_for_ever(
    proxied: tuple[TcpProxy, ChatUser, str], stub: OpenAIStub
) -> None:
    proxy, ann, _ = proxied
    stub.reply(Say("hello"))
    conversation = (await ann.say("hi"))["conversation_id"]
    proxy.freeze()
    started = time.monotonic()
    *answers, ready, alive = await asyncio.gather(
        ann.send("lost", conversation), ann.get("conversations"), ann.http.get("/readyz"), ann.http.get("/livez")
    )
    for answer in answers:
        unavailable(answer)
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert time.monotonic() - started < LONGEST_SILENCE_SECONDS
    await proxy.cut()
    await proxy.mend()
    await is_back(ann, stub, conversation)


async def test_connections_that_the_server_ended_are_replaced_unnoticed(
    proxied: tuple[TcpProxy, ChatUser, str], stub: OpenAIStub
) -> None:
    _, ann, url = proxied
    stub.reply(Say("hello"))
    conversation = (await ann.say("hi"))["conversation_id"]
    execute_sql(
        url,
        # Waits until they have gone, for 30 seconds at most.
        "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    await is_back(ann, stub, conversation)


async def test_a_database_server_that_is_stopped_and_started(todo: Service, stub: OpenAIStub, user_id: str) -> None:
    require_docker()
    # Read at the import: the test stops the container itself, and the reaper would be one more image to pull.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.community.postgres import PostgresContainer

    # A port of its own choice: another one would be given to it with every start.
    container = PostgresContainer(POSTGRES_IMAGE, driver=None).with_bind_ports(5432, free_port())
    with container:
        url = container.get_connection_url()
        async with running_chat(url, todo, stub) as service, as_user(service, user_id) as ann:
            await hold_to_contract(ann.http)
            stub.reply(Say("hello"))
            conversation = (await ann.say("hi"))["conversation_id"]
            await asyncio.to_thread(container.get_wrapped_container().stop, timeout=5)
            await is_away(ann, conversation)
            await asyncio.to_thread(container.get_wrapped_container().start)
            await asyncio.to_thread(_accepts, url)
            await is_back(ann, stub, conversation)


def _accepts(url: str) -> None:
    """Return when the server takes connections, as a pod's probe would tell."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("PostgreSQL has not come back")


async def _until(what: str, url: str, wanted: list[tuple[Any, ...]]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if execute_sql(url, what) == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what} is {execute_sql(url, what)}")


@pytest.mark.parametrize("moment", ["before the answer is written", "before the model's calls are journalled"])
async def test_a_run_whose_database_went_away_under_it_is_gone_on_with_when_it_is_back(
    proxied: tuple[TcpProxy, ChatUser, str], todo: Service, stub: OpenAIStub, moment: str
) -> None:
    proxy, ann, url = proxied
    stub.reply(Say("hello"))
    conversation = (await ann.say("hi"))["conversation_id"]
    replies: list[Reply] = [Call("add_task", {"title": "milk"}), Say("done")] if "calls" in moment else [Say("done")]
    stub.delay_seconds = 0.7
    stub.reply(replies[0])
    sending = asyncio.create_task(ann.send("cut off", conversation))
    await _until("SELECT count(*) FROM runs WHERE status = 'running'", url, [(1,)])
    await proxy.cut()
    response = await sending
    unavailable(response)
    assert execute_sql(url, "SELECT status FROM runs ORDER BY run_id DESC LIMIT 1") == [("running",)]
    # What was never journalled was never sent, and is asked for once more.
    stub.delay_seconds = 0.0
    stub.reply(*replies)
    await proxy.mend()
    await _until("SELECT count(*) FROM runs WHERE status = 'completed'", url, [(2,)])
    run = await ann.read(f"runs/{response.json()['run_id']}")
    assert (run["input"], run["status"], run["attempt"]) == ("cut off", "completed", 2)
    made = execute_sql(
        todo.environment["DATABASE_URL"],
        f"SELECT title FROM tasks WHERE user_id = '{ann.user_id}'",  # noqa: S608 - an id of the tests' own
    )
    assert made == [("milk",)] * (len(replies) - 1)
    assert (await ann.said(conversation))[2:] == [("user", "cut off"), ("assistant", "done")]
    await is_back(ann, stub, conversation)


async def test_a_run_that_fails_while_the_database_is_away_is_503_as_well(
    proxied: tuple[TcpProxy, ChatUser, str], stub: OpenAIStub
) -> None:
    proxy, ann, url = proxied
    stub.delay_seconds = 0.7
    stub.reply(Say(""))
    sending = asyncio.create_task(ann.send("cut off"))
    await _until("SELECT count(*) FROM runs WHERE status = 'running'", url, [(1,)])
    await proxy.cut()
    unavailable(await sending)
    await proxy.mend()
    stub.delay_seconds = 0.0
    # With the database there, the same failure is on record.
    stub.reply(Say(""))
    await failed_run(ann, await ann.send("no answer"), 502, "model-failed", "no answer")
