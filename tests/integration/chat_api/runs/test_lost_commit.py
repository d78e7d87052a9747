"""Between chat-api and PostgreSQL: answers that get lost, a process frozen in a transaction, a server that restarts."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import httpx
import pytest
import pytest_asyncio

from tests.faults.postgres import Postgres, running_postgres
from tests.faults.proxies import COMMIT, Proxy
from tests.integration.chat_api.conftest import ChatUser, as_user, execute_sql, running_chat
from tests.integration.chat_api.runs.conftest import (
    Replicas,
    following,
    held,
    kinds,
    proxied,
    replayed,
    sending,
    status_of,
    story_of,
)
from tests.support.databases import require_docker
from tests.support.openai_stub import Call, Calls, OpenAIStub, Say
from tests.support.problems import problem
from tests.support.services import Service, migrate
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker]

LEASE_SECONDS = 4
"""One that a test can wait for, and that a process does not lose which a busy machine holds up for two seconds."""
SETTINGS = {"RUN_LEASE_SECONDS": str(LEASE_SECONDS), "TOOL_APPROVAL": "destructive"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_replicas(postgres_url: str, todo: Service, module_stub: OpenAIStub) -> AsyncIterator[Replicas]:
    """The replicas behind `replicas`."""
    await migrate("chat-api", postgres_url)
    async with (
        proxied(todo.mcp_url) as (to_todo, mcp_url),
        proxied(postgres_url) as (to_database, database_url),
        running_chat(database_url, todo, module_stub, MCP_SERVER_URL=mcp_url, **SETTINGS) as first,
        running_chat(postgres_url, todo, module_stub, **SETTINGS) as second,
    ):
        yield Replicas(postgres_url, first, second, to_todo, to_database=to_database)


@pytest.fixture
def to_database(replicas: Replicas) -> Iterator[Proxy]:
    """The proxy between the first replica and the database."""
    assert replicas.to_database is not None
    yield replicas.to_database
    replicas.to_database.thaw()


async def once_told(user: ChatUser, message: str, key: str) -> dict[str, Any]:
    """Send a message under its key until it is answered, as a client does that is told to try again."""
    async with asyncio.timeout(30):
        while True:
            response = await user.http.post(
                f"/api/{user.user_id}/chat", json={"message": message}, headers={"Idempotency-Key": key}
            )
            if response.status_code == 200:
                answer: dict[str, Any] = response.json()
                return answer
            problem(response, 503, "service-unavailable")
            await asyncio.sleep(0.1)


async def is_told_once(here: ChatUser, there: ChatUser, answer: dict[str, Any], title: str) -> None:
    """See that one run made one task, one pair of messages and one log, the same at both replicas."""
    conversation = answer["conversation_id"]
    (run,) = await there.runs(conversation)
    assert (run["run_id"], run["status"]) == (answer["run_id"], "completed")
    assert await there.said(conversation) == [("user", "milk"), ("assistant", answer["response"])]
    assert [call["result"]["task_id"] for call in run["tool_calls"]] == [1]
    assert [call["result"]["title"] for call in run["tool_calls"]] == [title]
    assert len((await there.read("conversations"))["items"]) == 1
    streams = [await replayed(user, answer["run_id"]) for user in (here, there)]
    assert bytes(streams[0].raw) == bytes(streams[1].raw)
    story = story_of(streams[0].events)
    assert story.answer == answer["response"]
    assert kinds(streams[0].events).count("RUN_STARTED") == kinds(streams[0].events).count("RUN_FINISHED") == 1
    assert run["usage"]["model_requests"] == 2
    usage = await there.read("usage")
    assert usage["tokens_per_day"]["input_tokens"] == run["usage"]["input_tokens"] == 22


@pytest.mark.parametrize("lost", ["request", "answer"])
@pytest.mark.parametrize("skip", [0, 1])
async def test_a_run_whose_journal_was_written_without_a_word_is_carried_out_once(
    to_database: Proxy, here: ChatUser, there: ChatUser, stub: OpenAIStub, lost: Literal["request", "answer"], skip: int
) -> None:
    """The statement that is lost writes the call, or what it came to."""
    title = f"milk {here.user_id}"
    stub.reply(Call("add_task", {"title": title}), Say("Added."))
    statement = to_database.catch(title.encode(), lost, skip=skip)
    sent = asyncio.create_task(here.say("milk"))
    await asyncio.wait_for(statement.caught.wait(), 10)
    statement.drop()
    answer = await sent
    await is_told_once(here, there, answer, title)
    assert (await there.read(f"runs/{answer['run_id']}"))["attempt"] == 1


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_run_whose_end_was_committed_without_a_word_ends_once(
    to_database: Proxy, here: ChatUser, there: ChatUser, stub: OpenAIStub, lost: Literal["request", "answer"]
) -> None:
    title = f"milk {here.user_id}"
    with held() as go_on:
        stub.reply(Call("add_task", {"title": title}), Say("It is added.", hold=go_on))
        async with sending(here, "milk") as live:
            run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
            commit = to_database.catch(COMMIT, lost)
            go_on.set()
            await asyncio.wait_for(commit.caught.wait(), 10)
            commit.drop()
            await live.rest()
    run = await status_of(there, run_id, "completed")
    assert run["attempt"] == 1
    answer = {**run, "response": "It is added."}
    await is_told_once(here, there, answer, title)
    assert live.events == (await replayed(there, run_id)).events


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_message_that_was_admitted_without_a_word_is_taken_once_under_its_key(
    to_database: Proxy, here: ChatUser, there: ChatUser, stub: OpenAIStub, lost: Literal["request", "answer"]
) -> None:
    title = f"milk {here.user_id}"
    stub.reply(Call("add_task", {"title": title}), Say("Added."))
    commit = to_database.catch(COMMIT, lost)
    sent = asyncio.create_task(once_told(here, "milk", "key-1"))
    await asyncio.wait_for(commit.caught.wait(), 10)
    commit.drop()
    answer = await sent
    await is_told_once(here, there, answer, title)


async def waits_for_approval(
    user: ChatUser, stub: OpenAIStub, to_database: Proxy, lost: Literal["request", "answer"]
) -> tuple[str, str]:
    """Let the pause of a run be committed with its request or its answer lost; returns the run and its call."""
    with held() as go_on:
        stub.reply(Calls((Call("delete_task", {"task_id": 1}),), say="I shall delete it", hold=go_on))
        async with sending(user, "delete") as live:
            run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
            commit = to_database.catch(COMMIT, lost)
            go_on.set()
            await asyncio.wait_for(commit.caught.wait(), 10)
            commit.drop()
            await live.rest()
    assert live.events[-1].body["outcome"]["type"] == "interrupt"
    (pending,) = (await user.read(f"runs/{run_id}"))["pending_approvals"]
    return run_id, pending["tool_call_id"]


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_pause_and_a_decision_that_were_committed_without_a_word_are_made_once(
    to_database: Proxy, here: ChatUser, there: ChatUser, stub: OpenAIStub, lost: Literal["request", "answer"]
) -> None:
    stub.reply(Call("add_task", {"title": "milk"}), Say("Added."))
    await here.say("milk")
    run_id, call = await waits_for_approval(here, stub, to_database, lost)
    stub.reply(Say("Deleted."))
    commit = to_database.catch(COMMIT, lost)
    body = {"decisions": [{"tool_call_id": call, "approve": True}]}

    async def decide() -> httpx.Response:
        return await here.http.post(f"/api/{here.user_id}/runs/{run_id}/approvals", json=body)

    deciding = asyncio.create_task(decide())
    await asyncio.wait_for(commit.caught.wait(), 10)
    commit.drop()
    problem(await deciding, 503, "service-unavailable")
    assert (await decide()).status_code == (202 if lost == "request" else 409)
    run = await status_of(there, run_id, "completed")
    assert run["tool_calls"][0]["result"]["status"] == "deleted"
    whole = await replayed(there, run_id)
    assert story_of(whole.events).answer == "Deleted."
    assert kinds(whole.events).count("RUN_STARTED") == kinds(whole.events).count("RUN_FINISHED") == 2


async def test_a_process_frozen_in_the_middle_of_a_transaction_blocks_its_run_only_for_seconds(
    replicas: Replicas, to_database: Proxy, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as go_on:
        stub.reply(Say("one two three four", hold=go_on), Say("five six"))
        async with sending(here, "count") as live:
            run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
            commit = to_database.catch(COMMIT, "request")
            go_on.set()
            await asyncio.wait_for(commit.caught.wait(), 10)
            # The run's end is written, and locked, and not committed.
            replicas.freeze(replicas.first)
            # Nothing but PostgreSQL's time-out for a transaction that stands still unlocks it while this one is frozen.
            whole = await replayed(there, run_id)
            commit.pass_on()
            replicas.wake(replicas.first)
            await live.rest()
    assert story_of(whole.events).words == "five six"
    assert live.events == whole.events
    run = await there.read(f"runs/{run_id}")
    assert (run["status"], run["attempt"]) == ("completed", 2)
    assert await here.said(run["conversation_id"]) == [("user", "count"), ("assistant", "five six")]


async def test_what_reaches_the_database_when_the_run_is_anothers_is_not_written(
    replicas: Replicas, to_database: Proxy, here: ChatUser, there: ChatUser, stub: OpenAIStub, todo: Service
) -> None:
    title = f"milk {here.user_id}"
    stub.reply(Calls((Call("add_task", {"title": title}),) * 3), Say("Nothing to do."))
    statement = to_database.catch(title.encode(), "request")
    async with sending(here, "milk") as live:
        run_id = (await live.next()).run_id
        await asyncio.wait_for(statement.caught.wait(), 10)
        replicas.freeze(replicas.first)
        whole = await replayed(there, run_id)
        before = replicas.written(run_id)
        statement.pass_on()
        replicas.wake(replicas.first)
        await live.rest()
        await until(lambda: f"run {run_id} is no longer this process's" in replicas.first.log)
    assert replicas.written(run_id) == before
    assert live.events == whole.events
    assert story_of(whole.events).arguments == {}
    tasks = f"SELECT count(*) FROM tasks WHERE user_id = '{here.user_id}'"  # noqa: S608
    assert execute_sql(todo.environment["DATABASE_URL"], tasks) == [(0,)]


@pytest_asyncio.fixture(loop_scope="module")
async def own_postgres() -> AsyncIterator[Postgres]:
    """A PostgreSQL server that a test may kill."""
    require_docker()
    async with running_postgres() as server:
        yield server


async def test_a_run_and_its_readers_outlive_a_restart_of_postgresql(
    own_postgres: Postgres, todo: Service, stub: OpenAIStub, user_id: str
) -> None:
    own_postgres.create("restarted")
    proxy = Proxy(own_postgres.address)
    await proxy.start()
    url = own_postgres.url("restarted")
    through = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    title = f"milk {user_id}"
    async with (
        running_chat(through, todo, stub, **SETTINGS) as first,
        running_chat(through, todo, stub, **SETTINGS) as second,
        as_user(first, user_id) as here,
        as_user(second, user_id) as there,
    ):
        with held() as go_on:
            stub.reply(Call("add_task", {"title": title}))
            # Whoever owns the run when the server is back: its lease may have passed meanwhile, or not.
            stub.answer = lambda _: Say("one two three four", hold=go_on)
            async with sending(here, "milk") as live:
                run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
                async with following(there, run_id) as reader:
                    await reader.until("TEXT_MESSAGE_CONTENT")
                    await own_postgres.restart(0.5)
                    go_on.set()
                    await asyncio.gather(live.rest(), reader.rest())
        answer = await status_of(there, run_id, "completed")
        assert bytes(live.raw) == bytes(reader.raw) == bytes((await replayed(there, run_id)).raw)
        story = story_of(live.events)
        assert story.words == story.answer == "one two three four"
        assert kinds(live.events).count("RUN_STARTED") == 1
        assert [call["result"]["task_id"] for call in answer["tool_calls"]] == [1]
        assert await there.said(answer["conversation_id"]) == [("user", "milk"), ("assistant", story.answer)]
    await proxy.close()
