"""A run's timeline: each step that it took, timed by whoever took it, for its owner's eyes alone."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.faults.proxies import Proxy
from tests.integration.chat_api.conftest import ChatUser, OpenClient, execute_sql, running_chat
from tests.integration.chat_api.runs.conftest import held, proxied, sending, status_of
from tests.support.openai_stub import USAGE, Call, Calls, Cut, Fail, OpenAIStub, Say
from tests.support.problems import problem
from tests.support.services import Service
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MILK, LIST = Call("add_task", {"title": "milk"}), Call("list_tasks")
DELETE = Call("delete_task", {"task_id": 1})
Step = tuple[str, int | None, str | None]
"""Kind, attempt and outcome of an entry."""
TOOL_SECONDS = 4
SETTINGS = {
    "TOOL_APPROVAL": "destructive",
    # Shorter than usual, and longer than a busy machine may hold a process up.
    "RUN_LEASE_SECONDS": "5",
    "TOOL_TIMEOUT_SECONDS": str(TOOL_SECONDS),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def to_todo(todo: Service) -> AsyncIterator[tuple[Proxy, str]]:
    """The way from chat-api to the todo server, and the server's address on it."""
    async with proxied(todo.mcp_url) as proxy:
        yield proxy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(
    module_database_url: str, todo: Service, to_todo: tuple[Proxy, str], module_stub: OpenAIStub
) -> AsyncIterator[Service]:
    """A chat-api whose leases are shorter, and at which what destroys waits. Whoever kills it starts it again."""
    async with running_chat(
        module_database_url, todo, module_stub, **{**SETTINGS, "MCP_SERVER_URL": to_todo[1]}
    ) as service:
        yield service


async def timeline(user: ChatUser, run_id: str) -> list[dict[str, Any]]:
    """Return the entries of a run's timeline, whose times have to be in order."""
    read = await user.read(f"runs/{run_id}/timeline")
    assert read["run"] == await user.read(f"runs/{run_id}")
    entries: list[dict[str, Any]] = read["entries"]
    for entry in entries:
        began, ended = instant(entry["began_at"]), instant(entry["ended_at"])
        assert began is None or ended is None or began <= ended, entry
    return entries


def instant(text: str | None) -> dt.datetime | None:
    """Return an instant as a timeline names it."""
    return None if text is None else dt.datetime.fromisoformat(text)


def steps(entries: list[dict[str, Any]]) -> list[Step]:
    """Return what happened, in order."""
    return [(entry["kind"], entry["attempt"], entry["outcome"]) for entry in entries]


def of(entries: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the entries of a kind."""
    return [entry for entry in entries if entry["kind"] == kind]


def unknown(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return kinds of entries with what is not known of them."""
    return [(entry["kind"], name) for entry in entries for name in ("began_at", "ended_at") if entry[name] is None]


ANSWER: list[Step] = [("model", 1, "answer"), ("commit", 1, "completed")]


def round_of(outcome: str = "done") -> list[Step]:
    """Return the steps of a model response with one call."""
    return [("model", 1, "calls"), ("journal", 1, None), ("tool", 1, outcome), ("journal", 1, None)]


async def test_a_run_with_two_tools(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(Calls((MILK,), say="I add it."), LIST, Say("Done: milk."))
    answer = await ann.say("add milk, then list")
    entries = await timeline(ann, answer["run_id"])
    assert steps(entries) == [("attempt", 1, "completed"), *round_of(), *round_of(), *ANSWER]
    assert unknown(entries) == []
    # One thing at a time: each step begins when the one before it is over, and all of them lie within the attempt.
    attempt, *within = entries
    times = [entry[name] for entry in within for name in ("began_at", "ended_at")]
    assert times == sorted(times)
    assert attempt["began_at"] <= times[0]
    assert attempt["ended_at"] == times[-1]
    run = (await ann.read(f"runs/{answer['run_id']}"))["created_at"], answer["run_id"]
    assert attempt["began_at"] == run[0]
    models = of(entries, "model")
    assert [model.get("response") for model in models] == [0, 1, None]
    assert [bool(model["first_word_at"]) for model in models] == [True, False, True]
    assert all(
        model["began_at"] <= model["first_word_at"] <= model["ended_at"] for model in models if model["first_word_at"]
    )
    assert [(model["input_tokens"], model["output_tokens"]) for model in models] == [USAGE] * 3
    tools = of(entries, "tool")
    assert [(tool["response"], tool["call"], tool["tool_name"]) for tool in tools] == [
        (0, 0, "add_task"),
        (1, 0, "list_tasks"),
    ]
    assert [(tool["parameters"], tool["result"]) for tool in tools] == [
        (call["parameters"], call["result"]) for call in answer["tool_calls"]
    ]
    assert [(entry["response"], entry.get("tool_name")) for entry in of(entries, "journal")] == [
        (0, None),
        (0, "add_task"),
        (1, None),
        (1, "list_tasks"),
    ]


async def test_times_are_those_of_what_was_waited_for(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.delay_seconds = 0.3
    with held() as hold:
        stub.reply(Say("one two three", hold=hold))
        async with sending(ann, "count") as stream:
            run_id = (await stream.until("TEXT_MESSAGE_CONTENT")).run_id
            await asyncio.sleep(0.35)
            hold.set()
            await stream.rest()
    [model] = of(await timeline(ann, run_id), "model")
    began, word, ended = (dt.datetime.fromisoformat(model[name]) for name in ("began_at", "first_word_at", "ended_at"))
    assert (word - began).total_seconds() >= 0.3
    assert (ended - word).total_seconds() >= 0.35


async def test_a_failed_run_that_is_gone_on_with(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(MILK, Fail(400))
    failed = problem(await ann.send("add milk"), 502, "model-failed")
    run_id = failed["run_id"]
    first = [("attempt", 1, "failed"), *round_of(), ("model", 1, "failed"), ("commit", 1, "failed")]
    entries = await timeline(ann, run_id)
    assert steps(entries) == first
    assert unknown(entries) == []
    assert entries[0]["error"]["type"] == "model-failed"
    assert (await ann.read(f"runs/{run_id}"))["error"] == entries[0]["error"]
    stub.reply(Say("Added."))
    assert (await ann.http.post(f"/api/{ann.user_id}/runs/{run_id}/retry")).status_code == 200
    gone_on = await timeline(ann, run_id)
    # What the first attempt measured stays as it was.
    assert gone_on[: len(first)] == entries
    assert steps(gone_on[len(first) :]) == [
        ("attempt", 2, "completed"),
        ("model", 2, "answer"),
        ("commit", 2, "completed"),
    ]
    assert unknown(gone_on) == []
    assert gone_on[len(first)]["began_at"] > entries[0]["ended_at"]


async def test_a_call_whose_outcome_does_not_come(ann: ChatUser, stub: OpenAIStub, to_todo: tuple[Proxy, str]) -> None:
    stub.reply(LIST, Say("There are none."))
    await ann.say("list")  # the tools are known by now
    proxy, _ = to_todo
    proxy.freeze()
    try:
        stub.reply(MILK)
        run_id = problem(await ann.send("add milk"), 504, "todo-server-timeout")["run_id"]
    finally:
        proxy.thaw()
    entries = await timeline(ann, run_id)
    assert steps(entries) == [
        ("attempt", 1, "failed"),
        ("model", 1, "calls"),
        ("journal", 1, None),
        ("tool", 1, "no_outcome"),
        ("commit", 1, "failed"),
    ]
    assert unknown(entries) == []
    [tool] = of(entries, "tool")
    assert tool["result"] is None
    waited = dt.datetime.fromisoformat(tool["ended_at"]) - dt.datetime.fromisoformat(tool["began_at"])
    assert waited.total_seconds() >= TOOL_SECONDS - 0.1
    stub.reply(Say("Added."))
    assert (await ann.http.post(f"/api/{ann.user_id}/runs/{run_id}/retry")).status_code == 200
    gone_on = await timeline(ann, run_id)
    assert gone_on[: len(entries)] == entries
    assert steps(gone_on[len(entries) :]) == [
        ("attempt", 2, "completed"),
        ("tool", 2, "done"),
        ("journal", 2, None),
        ("model", 2, "answer"),
        ("commit", 2, "completed"),
    ]
    assert unknown(gone_on) == []


@pytest.mark.parametrize("approve", [True, False])
async def test_a_wait_for_approval(ann: ChatUser, stub: OpenAIStub, approve: bool) -> None:
    stub.reply(MILK, Say("Added."))
    conversation = (await ann.say("add milk"))["conversation_id"]
    stub.reply(DELETE)
    waits = await ann.send("delete it", conversation)
    assert waits.status_code == 202
    run_id = waits.json()["run_id"]
    entries = await timeline(ann, run_id)
    asked: list[Step] = [
        ("attempt", 1, "requires_action"),
        ("model", 1, "calls"),
        ("journal", 1, None),
        ("tool", 1, "open"),
        ("commit", 1, "requires_action"),
    ]
    assert steps(entries) == [*asked, ("approval", 1, "requires_action")]
    assert unknown(entries) == [("tool", "began_at"), ("tool", "ended_at"), ("approval", "ended_at")]
    [pending] = waits.json()["pending_approvals"]
    stub.reply(Say("As you wish."))
    decisions = [{"tool_call_id": pending["tool_call_id"], "approve": approve}]
    path = f"/api/{ann.user_id}/runs/{run_id}/approvals"
    assert (await ann.http.post(path, json={"decisions": decisions})).status_code == 202
    await status_of(ann, run_id, "completed")
    entries = await timeline(ann, run_id)
    sent: list[Step] = [("tool", 2, "done"), ("journal", 2, None)] if approve else []
    assert steps(entries) == [
        *(asked[:3] if approve else [*asked[:3], ("tool", None, "not_sent")]),
        ("commit", 1, "requires_action"),
        ("approval", 1, "decided"),
        ("attempt", 2, "completed"),
        *sent,
        ("model", 2, "answer"),
        ("commit", 2, "completed"),
    ]
    assert unknown(entries) == ([] if approve else [("tool", "began_at")])
    [approval] = of(entries, "approval")
    first, second = of(entries, "attempt")
    assert (approval["began_at"], approval["ended_at"]) == (first["ended_at"], second["began_at"])


async def test_a_run_that_waits_its_turn(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(Say("Hello."))
    conversation = (await ann.say("hello"))["conversation_id"]
    with held() as hold:
        stub.reply(Say("one two three", hold=hold), Say("Second."))
        async with sending(ann, "first", conversation) as first:
            await first.until("TEXT_MESSAGE_CONTENT")
            async with sending(ann, "second", conversation, on_busy="enqueue"):
                newest, *_ = await ann.runs(conversation)
                assert steps(await timeline(ann, newest["run_id"])) == [("queued", None, "queued")]
                running = await timeline(ann, first.events[0].run_id)
                assert steps(running) == [("attempt", 1, "running")]
                assert unknown(running) == [("attempt", "ended_at")]
                async with sending(ann, "third", conversation, on_busy="enqueue"):
                    third, *_ = await ann.runs(conversation)
                    await ann.http.post(f"/api/{ann.user_id}/runs/{third['run_id']}/cancel")
                    cancelled = await timeline(ann, third["run_id"])
                    assert steps(cancelled) == [("queued", None, "cancelled")]
                    assert unknown(cancelled) == []
                hold.set()
    await status_of(ann, newest["run_id"], "completed")
    entries = await timeline(ann, newest["run_id"])
    assert steps(entries) == [("queued", None, "begun"), ("attempt", 1, "completed"), *ANSWER]
    assert unknown(entries) == []
    queued, attempt, *_ = entries
    before = await timeline(ann, first.events[0].run_id)
    assert queued["ended_at"] == attempt["began_at"] >= before[0]["ended_at"]


async def test_a_stopped_run(ann: ChatUser, stub: OpenAIStub) -> None:
    with held() as never:
        stub.reply(Say("one two three", hold=never))
        async with sending(ann, "count") as stream:
            run_id = (await stream.until("TEXT_MESSAGE_CONTENT")).run_id
            await ann.http.post(f"/api/{ann.user_id}/runs/{run_id}/cancel")
            await stream.rest()
    entries = await timeline(ann, run_id)
    assert steps(entries) == [("attempt", 1, "cancelled"), ("model", 1, "stopped"), ("commit", 1, "cancelled")]
    assert unknown(entries) == []
    assert entries[1]["first_word_at"] is not None
    assert (entries[1]["input_tokens"], entries[1]["output_tokens"]) == (None, None)


async def test_a_run_that_is_taken_over(ann: ChatUser, stub: OpenAIStub, chat: Service) -> None:
    with held() as never:
        stub.reply(MILK, Say("one two three", hold=never), Say("Added."))
        async with sending(ann, "add milk") as stream:
            run_id = (await stream.until("TEXT_MESSAGE_CONTENT")).run_id
            await chat.kill()
    await chat.restart()
    await status_of(ann, run_id, "completed")
    entries = await timeline(ann, run_id)
    assert steps(entries) == [
        ("attempt", 1, "lost"),
        *round_of(),
        ("attempt", 2, "completed"),
        ("model", 2, "answer"),
        ("commit", 2, "completed"),
    ]
    # The first owner did not live to tell when its last entry was stored, nor of the model call that it was in.
    assert unknown(entries) == [("journal", "ended_at")]
    first, second = of(entries, "attempt")
    assert first["ended_at"] <= second["began_at"]


async def test_a_run_that_its_process_hands_on(ann: ChatUser, stub: OpenAIStub, chat: Service) -> None:
    with held() as never:
        stub.reply(Say("one two three", hold=never), Say("Done."))
        async with sending(ann, "count") as stream:
            run_id = (await stream.until("TEXT_MESSAGE_CONTENT")).run_id
        await chat.stop()
    await chat.restart()
    await status_of(ann, run_id, "completed")
    entries = await timeline(ann, run_id)
    assert steps(entries) == [
        ("attempt", 1, "released"),
        ("model", 1, "stopped"),
        ("attempt", 2, "completed"),
        ("model", 2, "answer"),
        ("commit", 2, "completed"),
    ]
    assert unknown(entries) == []


async def test_nobody_elses_run_has_one(ann: ChatUser, client: OpenClient, stub: OpenAIStub) -> None:
    stub.reply(Say("Hello."))
    run_id = (await ann.say("hello"))["run_id"]
    bob = await client(f"{ann.user_id}-bob")
    refused = problem(await bob.get(f"runs/{run_id}/timeline"), 404, "run-not-found")
    nowhere = problem(await bob.get("runs/0-0/timeline"), 404, "run-not-found")
    assert {**refused, "request_id": ""} == {**nowhere, "request_id": ""}
    problem(await bob.http.get(f"/api/{ann.user_id}/runs/{run_id}/timeline"), 403, "forbidden")
    del bob.http.headers["Authorization"]
    problem(await bob.get(f"runs/{run_id}/timeline"), 401, "unauthenticated")


@pytest.fixture
def as_before(module_database_url: str) -> Callable[[str], None]:
    """Makes a run's rows what a release would have left that knows nothing of times."""

    def forget(run_id: str) -> None:
        columns = {
            "runs": ("queued_at", "attempt_began_at", "timed_attempt", "paused_at", "measured"),
            "model_responses": ("attempt", "asked_at", "first_word_at", "previous_stored_at"),
            "tool_calls": ("attempt", "sent_at", "previous_stored_at"),
        }
        for table, names in columns.items():
            nulls = ", ".join(f"{name} = NULL" for name in names)
            execute_sql(module_database_url, f"UPDATE {table} SET {nulls} WHERE run_id = '{run_id}'")  # noqa: S608

    return forget


async def test_a_run_of_an_earlier_release_has_gaps_and_goes_on(
    ann: ChatUser, stub: OpenAIStub, as_before: Callable[[str], None]
) -> None:
    stub.reply(MILK, Cut(Say("one two three")))
    run_id = problem(await ann.send("add milk"), 502, "model-failed")["run_id"]
    as_before(run_id)
    entries = await timeline(ann, run_id)
    assert steps(entries) == [
        ("attempt", 1, "failed"),
        ("model", 1, "calls"),
        ("tool", 1, "done"),
        ("commit", 1, "failed"),
    ]
    assert unknown(entries) == [(kind, "began_at") for kind in ("attempt", "model", "tool", "commit")]
    stub.reply(Say("Added."))
    assert (await ann.http.post(f"/api/{ann.user_id}/runs/{run_id}/retry")).status_code == 200
    entries = await timeline(ann, run_id)
    assert steps(entries) == [
        ("attempt", 1, "failed"),
        # In which attempt that was, nobody knows any more.
        ("model", None, "calls"),
        ("tool", None, "done"),
        ("commit", 1, "failed"),
        ("attempt", 2, "completed"),
        ("model", 2, "answer"),
        ("commit", 2, "completed"),
    ]
    assert unknown(entries) == [(kind, "began_at") for kind in ("attempt", "model", "tool", "commit")]


async def test_a_takeover_by_an_earlier_release_is_not_given_the_times_of_the_attempt_before(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str
) -> None:
    stub.reply(Say("Hello."))
    run_id = (await ann.say("hello"))["run_id"]
    execute_sql(module_database_url, f"UPDATE runs SET attempt = 2 WHERE run_id = '{run_id}'")  # noqa: S608
    entries = await timeline(ann, run_id)
    assert steps(entries) == [("attempt", 1, None), ("attempt", 2, "completed"), ("commit", 2, "completed")]
    assert unknown(entries) == [
        ("attempt", "began_at"),
        ("attempt", "ended_at"),
        ("attempt", "began_at"),
        ("commit", "began_at"),
    ]


async def test_times_go_with_the_conversation(ann: ChatUser, stub: OpenAIStub, module_database_url: str) -> None:
    stub.reply(Fail(400))
    failed = problem(await ann.send("hello"), 502, "model-failed")
    stub.reply(Say("Hello."))
    await ann.http.post(f"/api/{ann.user_id}/runs/{failed['run_id']}/retry")
    kept = f"SELECT count(*) FROM run_attempts WHERE user_id = '{ann.user_id}'"  # noqa: S608
    assert execute_sql(module_database_url, kept) == [(1,)]
    await ann.http.delete(f"/api/{ann.user_id}/conversations/{failed['conversation_id']}")
    await until(lambda: execute_sql(module_database_url, kept) == [(0,)])
