"""The seed's rules about processes, each a test by name: any of them may end at any moment, and none is special."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest
import pytest_asyncio

from tests.integration.chat_api.conftest import ChatUser, as_user, execute_sql, running_chat
from tests.support.databases import NewDatabase
from tests.support.openai_stub import Call, Calls, OpenAIStub, Say
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEASE_SECONDS = 4
"""One that a test can wait for, and that a process does not lose which a busy machine holds up for two seconds."""
WAIT_SECONDS = 30
"""Longest time that a test waits for anything."""
HALF_PAIRS = "SELECT run_id FROM messages GROUP BY run_id HAVING count(*) <> 2"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(module_database_url: str, todo: Service, module_stub: OpenAIStub) -> AsyncIterator[Service]:
    """A chat-api for the tests of this file. Whoever kills it restarts it."""
    async with running_chat(module_database_url, todo, module_stub, RUN_LEASE_SECONDS=f"{LEASE_SECONDS}") as service:
        yield service


@pytest.fixture
def slow() -> Iterator[asyncio.Event]:
    """Lets a model go on that takes its time; set after the test at the latest."""
    go_on = asyncio.Event()
    yield go_on
    go_on.set()


@asynccontextmanager
async def killed(service: Service) -> AsyncIterator[None]:
    """Kill a service, and restart it where the context ends."""
    await service.kill()
    async with restarted(service):
        yield


@asynccontextmanager
async def restarted(service: Service) -> AsyncIterator[None]:
    """Restart a service where the context ends."""
    try:
        yield
    finally:
        await service.restart()


def let_leases_pass(database_url: str) -> None:
    """Let a process that was killed own nothing any more."""
    execute_sql(database_url, "UPDATE runs SET lease_expires_at = 1 WHERE status = 'running'")


async def until_the_model_is_asked(stub: OpenAIStub, requests: int = 1) -> None:
    """Wait until the stub holds the given number of requests."""
    deadline = time.monotonic() + WAIT_SECONDS
    while len(stub.requests) < requests:
        assert time.monotonic() < deadline, "the model was not asked"
        await asyncio.sleep(0.02)


async def until_free(user: ChatUser, message: str, conversation_id: int) -> dict[str, object]:
    """Send a message until the conversation takes it, and return the answer."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (response := await user.send(message, conversation_id)).status_code == 409:
        assert time.monotonic() < deadline, response.text
        await asyncio.sleep(0.1)
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


async def test_the_conversation_goes_on_after_chat_api_was_killed_and_restarted(
    chat: Service, ann: ChatUser, stub: OpenAIStub
) -> None:
    stub.reply(Call("add_task", {"title": "milk"}), Say("Milk is on the list."), Say("You asked for milk."))
    number = (await ann.say("add milk"))["conversation_id"]
    before = chat.pid
    async with killed(chat):
        pass
    assert chat.pid != before
    async with as_user(chat, ann.user_id) as again:
        assert (await again.say("what did I ask for?", number))["conversation_id"] == number
        assert [content for _, content in await again.said(number)] == [
            "add milk",
            "Milk is on the list.",
            "what did I ask for?",
            "You asked for milk.",
        ]
    kinds = [item.get("role", item.get("type")) for item in stub.requests[-1]["input"]]
    assert kinds == ["user", "function_call", "function_call_output", "assistant", "user"]


@pytest.mark.docker
async def test_two_replicas_answer_alternate_messages_of_one_conversation_and_never_at_once(
    new_database: NewDatabase, todo: Service, stub: OpenAIStub, user_id: str, slow: asyncio.Event
) -> None:
    url = new_database("postgresql")
    stub.answer = lambda request: Say(f"after {len(request['input'])} items")
    async with running_chat(url, todo, stub) as one, running_chat(url, todo, stub) as other:
        assert one.pid != other.pid
        async with as_user(one, user_id) as at_one, as_user(other, user_id) as at_other:
            number = (await at_one.say("0"))["conversation_id"]
            for turn in range(1, 6):
                answer = await (at_one, at_other)[turn % 2].say(str(turn), number)
                assert answer["conversation_id"] == number
                assert answer["response"] == f"after {2 * turn + 1} items"
            said = [pair for n in range(6) for pair in (("user", f"{n}"), ("assistant", f"after {2 * n + 1} items"))]
            assert await at_one.said(number) == said
            assert await at_other.said(number) == said

            stub.reply(Say("at last", hold=slow))
            first = asyncio.create_task(at_one.send("slow", number))
            await until_the_model_is_asked(stub, 7)
            refused = await at_other.send("impatient", number)
            assert (refused.status_code, refused.json()["type"]) == (409, "run-active")
            slow.set()
            assert refused.json()["run_id"] == (await first).json()["run_id"]


async def test_a_kill_while_the_model_works_leaves_no_orphaned_message(
    chat: Service, ann: ChatUser, stub: OpenAIStub, module_database_url: str, slow: asyncio.Event
) -> None:
    stub.answer = lambda _: Say("fine")
    number = (await ann.say("before"))["conversation_id"]
    stub.reply(Say("never said to its end", hold=slow))
    lost = asyncio.create_task(ann.send("lost", number))
    await until_the_model_is_asked(stub, 2)
    async with killed(chat):
        with pytest.raises(httpx.TransportError):
            await lost
        let_leases_pass(module_database_url)
        assert execute_sql(module_database_url, HALF_PAIRS) == []
        counted = f"SELECT count(*) FROM messages WHERE user_id = '{ann.user_id}'"  # noqa: S608
        assert execute_sql(module_database_url, counted) == [(2,)]
    async with as_user(chat, ann.user_id) as again:
        await until_free(again, "after", number)
        # The restarted process has gone on with the run that the killed one left.
        assert [content for _, content in await again.said(number)] == [
            "before",
            "fine",
            "lost",
            "fine",
            "after",
            "fine",
        ]
        runs = await again.runs(number)
        assert [(run["input"], run["status"], run["attempt"]) for run in runs] == [
            ("after", "completed", 1),
            ("lost", "completed", 2),
            ("before", "completed", 1),
        ]
    assert execute_sql(module_database_url, HALF_PAIRS) == []


# Nothing in SQLite can wait between two rows; there test_seed_rules.py lets the second row fail.
@pytest.mark.docker
@pytest.mark.parametrize("module_database_url", ["postgresql"], indirect=True)
async def test_a_kill_between_the_two_messages_leaves_neither(
    chat: Service, ann: ChatUser, stub: OpenAIStub, module_database_url: str
) -> None:
    stub.answer = lambda _: Say("fine")
    execute_sql(
        module_database_url,
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$",
        "CREATE TRIGGER dawdle BEFORE INSERT ON messages FOR EACH ROW "
        "WHEN (NEW.role = 'assistant') EXECUTE FUNCTION dawdle()",
    )
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    waiting = f"SELECT pid {others} AND wait_event_type = 'Lock' AND wait_event = 'advisory'"
    with psycopg.connect(module_database_url) as holding:
        holding.execute("SELECT pg_advisory_xact_lock(1)")
        lost = asyncio.create_task(ann.send("lost"))
        deadline = time.monotonic() + WAIT_SECONDS
        while not (writers := execute_sql(module_database_url, waiting)):
            assert time.monotonic() < deadline, "the answer was not written"
            await asyncio.sleep(0.02)
        await chat.kill()
    # Now the database goes on with the second row, and finds nobody who would commit the two.
    async with restarted(chat):
        with pytest.raises(httpx.TransportError):
            await lost
        let_leases_pass(module_database_url)
        ((writer,),) = writers
        deadline = time.monotonic() + WAIT_SECONDS
        while execute_sql(module_database_url, f"SELECT 1 {others} AND pid = {writer}"):
            assert time.monotonic() < deadline, "the database still writes"
            await asyncio.sleep(0.05)
        written = f"SELECT role, content FROM messages WHERE user_id = '{ann.user_id}'"  # noqa: S608
        assert execute_sql(module_database_url, written) == []
        execute_sql(module_database_url, "DROP TRIGGER dawdle ON messages", "DROP FUNCTION dawdle")
    async with as_user(chat, ann.user_id) as again:
        await until_free(again, "after", 1)
        assert await again.said(1) == [
            ("user", "lost"),
            ("assistant", "fine"),
            ("user", "after"),
            ("assistant", "fine"),
        ]


async def test_a_second_message_meanwhile_is_refused_with_the_active_run(
    ann: ChatUser, stub: OpenAIStub, slow: asyncio.Event
) -> None:
    stub.reply(Say("fine"), Say("fine", hold=slow))
    number = (await ann.say("hello"))["conversation_id"]
    first = asyncio.create_task(ann.send("slow", number))
    await until_the_model_is_asked(stub, 2)
    # Only the heartbeat keeps the run alive.
    await asyncio.sleep(LEASE_SECONDS + 0.4)
    refused = await ann.send("impatient", number)
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    active = (await ann.read(f"conversations/{number}"))["active_run_id"]
    assert (refused.json()["type"], refused.json()["run_id"]) == ("run-active", active)
    slow.set()
    answer = (await first).json()
    assert answer["run_id"] == active
    assert [content for _, content in await ann.said(number)] == ["hello", "fine", "slow", "fine"]
    assert len(await ann.runs(number)) == 2
    assert (await ann.read(f"conversations/{number}"))["active_run_id"] is None


async def test_a_run_whose_client_hangs_up_goes_on_and_lands_in_the_transcript(
    ann: ChatUser, stub: OpenAIStub, slow: asyncio.Event
) -> None:
    stub.reply(Calls((Call("add_task", {"title": "milk"}),), hold=slow), Say("Milk is on the list."))
    hangs_up = asyncio.create_task(ann.send("add milk"))
    await until_the_model_is_asked(stub)
    hangs_up.cancel()
    await asyncio.gather(hangs_up, return_exceptions=True)
    slow.set()
    deadline = time.monotonic() + WAIT_SECONDS
    while not await ann.messages(1):
        assert time.monotonic() < deadline, "the run did not end"
        await asyncio.sleep(0.1)
    question, answer = await ann.messages(1)
    assert (question["content"], answer["content"]) == ("add milk", "Milk is on the list.")
    assert answer["tool_calls"][0]["result"]["title"] == "milk"


async def test_sigterm_lets_runs_under_way_end_those_of_absent_clients_too(
    chat: Service, ann: ChatUser, stub: OpenAIStub, module_database_url: str
) -> None:
    stub.answer = lambda request: Say("done") if len(request["input"]) > 1 else Call("add_task", {"title": "milk"})
    stub.delay_seconds = 0.8
    async with as_user(chat, f"{ann.user_id}-absent") as absent:
        waits = asyncio.create_task(ann.send("add milk"))
        hangs_up = asyncio.create_task(absent.send("add milk"))
        await until_the_model_is_asked(stub, 2)
        hangs_up.cancel()
        await asyncio.gather(hangs_up, return_exceptions=True)
    code = await chat.stop()
    try:
        response = await waits
        assert (response.status_code, code) == (200, 0)
        assert response.json()["response"] == "done"
        for user_id in (ann.user_id, absent.user_id):
            of_user = f"WHERE user_id = '{user_id}'"
            stored = execute_sql(
                module_database_url,
                f"SELECT role, content FROM messages {of_user} ORDER BY message_id",  # noqa: S608
            )
            assert stored == [("user", "add milk"), ("assistant", "done")]
            assert execute_sql(module_database_url, f"SELECT status FROM runs {of_user}") == [("completed",)]  # noqa: S608
    finally:
        await chat.restart()
