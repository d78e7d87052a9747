"""Idempotency keys: what is sent again is carried out once, and what was refused has used no key."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.integration.chat_api.runs.requests.callers import Caller, answer, early_in_a_minute
from tests.integration.chat_api.runs.requests.conftest import echo, stored
from tests.integration.chat_api.runs.requests.gate import Gate
from tests.support.chat import calls_and_outputs
from tests.support.openai_stub import Call, Fail, OpenAIStub, Say
from tests.support.problems import problem, refused_field
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADD_MILK = Call("add_task", {"title": "milk"})
REFUSED = Fail(400)
"""A refusal that the model's client does not try again."""
UNKNOWN_RUN = "0197-no-such-run"


@pytest.fixture
def key() -> str:
    """A key that nobody has used."""
    return str(uuid.uuid4())


async def test_a_second_send_joins_the_run_while_it_lives(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, key: str, hold: asyncio.Event
) -> None:
    stub.reply(Say("Hello Ann.", hold=hold))
    first = ann.sending("hello", key=key)
    await until(lambda: len(stub.requests) == 1)
    again = ann.sending("hello", key=key)
    elsewhere = ann_elsewhere.sending("hello", key=key)
    streams = [ann.stream("hello", key=key), ann_elsewhere.stream("hello", key=key)]
    for stream in streams:
        await stream.first("TEXT_MESSAGE_CONTENT")
    assert not any(task.done() for task in (first, again, elsewhere))
    hold.set()
    told = answer(await first)
    assert told["response"] == "Hello Ann."
    assert answer(await again) == answer(await elsewhere) == told
    for stream in streams:
        await stream.end()
        assert stream.run_id == told["run_id"]
        assert stream.types[0] == "RUN_STARTED"
        assert stream.text == "Hello Ann."
        assert stream.types[-1] == "RUN_FINISHED"
    assert streams[0].ids == streams[1].ids
    assert len(stub.requests) == 1
    assert [run["run_id"] for run in await ann.runs(told["conversation_id"])] == [told["run_id"]]


async def test_a_second_send_gets_the_stored_answer_once_the_run_has_ended(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, module_database_url: str, gate: Gate, key: str
) -> None:
    stub.reply(ADD_MILK, Say("Added."))
    told = await ann.ask("add milk", key=key)
    assert told["tool_calls"][0]["parameters"] == {"title": "milk"}
    before = stored(module_database_url, ann.user_id)
    assert await ann.ask("add milk", key=key) == told
    assert await ann_elsewhere.ask("add milk", key=key) == told
    streams = [await caller.stream("add milk", key=key).end() for caller in (ann, ann_elsewhere)]
    assert streams[0].ids == streams[1].ids
    assert (streams[0].run_id, streams[0].text, streams[0].types[-1]) == (told["run_id"], "Added.", "RUN_FINISHED")
    assert stored(module_database_url, ann.user_id) == before
    assert len(stub.requests) == 2
    assert gate.tasks(ann.user_id) == ["milk"]


async def test_a_run_that_was_streamed_first_is_answered_in_json_afterwards(
    ann: Caller, stub: OpenAIStub, key: str
) -> None:
    stub.reply(Say("Hello."))
    stream = await ann.stream("hello", key=key).end()
    told = await ann.ask("hello", key=key)
    assert (told["run_id"], told["response"]) == (stream.run_id, "Hello.")
    assert len(stub.requests) == 1


async def test_a_stopped_run_is_answered_with_its_partial_text(
    ann: Caller, stub: OpenAIStub, key: str, hold: asyncio.Event
) -> None:
    stub.reply(Say("One two", hold=hold))
    stream = ann.stream("count", key=key)
    await stream.first("TEXT_MESSAGE_CONTENT")
    await ann.cancel(stream.run_id)
    await stream.end()
    told = await ann.ask("count", key=key)
    assert (told["run_id"], told["status"], told["response"].strip()) == (stream.run_id, "cancelled", "One")
    assert len(stub.requests) == 1
    assert (await ann.run(stream.run_id))["attempt"] == 1


@pytest.mark.parametrize("live", [True, False], ids=["live", "ended"])
async def test_another_body_under_the_key_is_refused(
    ann: Caller, stub: OpenAIStub, module_database_url: str, key: str, hold: asyncio.Event, live: bool
) -> None:
    if not live:
        hold.set()
    stub.reply(Say("Hello.", hold=hold))
    first = ann.sending("hello", key=key)
    await until(lambda: len(stub.requests) == 1)
    await ann.stream("hello", key=key).first("TEXT_MESSAGE_CONTENT")
    if not live:
        await first
    before = stored(module_database_url, ann.user_id)
    others: list[tuple[str, dict[str, Any]]] = [
        ("hello!", {}),
        ("hello", {"conversation_id": 1}),
        ("hello", {"timezone": "Europe/Berlin"}),
        ("hello", {"replaces": UNKNOWN_RUN}),
    ]
    for message, fields in others:
        problem(await ann.post(message, key=key, **fields), 422, "idempotency-key-reused")
    refusal = (await ann.stream("hello!", key=key).end()).refusal
    assert refusal is not None
    problem(refusal, 422, "idempotency-key-reused")
    assert stored(module_database_url, ann.user_id) == before
    hold.set()
    told = answer(await first)
    # What is left out is the same as its default, and what to do where it is busy belongs to the sending alone.
    for fields in ({"timezone": "UTC"}, {"replaces": None}, {"on_busy": "interrupt"}, {"on_busy": "enqueue"}):
        assert await ann.ask("hello", key=key, **fields) == told
    assert len(stub.requests) == 1


async def test_many_sends_at_once_under_one_key_at_two_replicas_are_one_run(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, gate: Gate, key: str
) -> None:
    await early_in_a_minute()
    stub.answer = lambda request: Say("Added.") if calls_and_outputs(request)[0] else ADD_MILK
    callers = [ann, ann_elsewhere] * 3
    answers = [answer(sent) for sent in await asyncio.gather(*(one.post("add milk", key=key) for one in callers))]
    assert answers[1:] == answers[:-1]
    assert len(stub.requests) == 2
    assert gate.tasks(ann.user_id) == ["milk"]
    assert len((await ann.read("conversations"))["items"]) == 1
    assert len(await ann.runs(answers[0]["conversation_id"])) == 1
    assert (await ann.usage())[0] == 1


async def test_a_key_is_its_users_own(ann: Caller, bob: Caller, stub: OpenAIStub, key: str) -> None:
    stub.answer = echo
    told = await ann.ask("I am Ann", key=key)
    assert (await bob.ask("I am Bob", key=key))["response"] == "you said I am Bob"
    assert await ann.ask("I am Ann", key=key) == told


async def test_a_send_without_a_key_is_a_run_of_its_own_each_time(ann: Caller, stub: OpenAIStub) -> None:
    stub.answer = echo
    first = await ann.ask("hello")
    assert (await ann.ask("hello", first["conversation_id"]))["run_id"] != first["run_id"]


@pytest.mark.parametrize(
    ("message", "fields", "status", "kind"),
    [
        ("hello", {"conversation_id": 999}, 404, "conversation-not-found"),
        ("hello", {"conversation_id": 1, "replaces": UNKNOWN_RUN}, 404, "run-not-found"),
        ("  ", {}, 422, "invalid-request"),
        ("hello", {"timezone": "Mars/Olympus"}, 422, "invalid-request"),
        ("hello", {"on_busy": "wait"}, 422, "invalid-request"),
        ("hello", {"no_such_field": 1}, 422, "invalid-request"),
    ],
)
async def test_a_refusal_stores_nothing_and_uses_no_key(
    ann: Caller,
    stub: OpenAIStub,
    module_database_url: str,
    key: str,
    message: str,
    fields: dict[str, Any],
    status: int,
    kind: str,
) -> None:
    stub.answer = echo
    await ann.ask("first")
    before = stored(module_database_url, ann.user_id)
    problem(await ann.post(message, key=key, **fields), status, kind)
    assert stored(module_database_url, ann.user_id) == before
    assert len(stub.requests) == 1
    assert (await ann.ask("quite another message", key=key))["response"] == "you said quite another message"


async def test_a_refusal_because_of_another_run_uses_no_key(
    ann: Caller, stub: OpenAIStub, key: str, hold: asyncio.Event
) -> None:
    stub.reply(Say("Hello.", hold=hold))
    busy = ann.stream("hello")
    await busy.first("TEXT_MESSAGE_CONTENT")
    problem(await ann.post("and now?", busy.conversation_id, key=key), 409, "run-active")
    hold.set()
    await busy.end()
    stub.answer = echo
    assert (await ann.ask("something else", busy.conversation_id, key=key))["response"] == "you said something else"


async def test_the_key_of_a_deleted_conversation_begins_nothing(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, module_database_url: str, key: str
) -> None:
    stub.answer = echo
    told = await ann.ask("hello", key=key)
    deleted = await ann.http.delete(f"/api/{ann.user_id}/conversations/{told['conversation_id']}")
    assert deleted.status_code == 204
    before = stored(module_database_url, ann.user_id)
    for caller in (ann, ann_elsewhere):
        problem(await caller.post("hello", key=key), 410, "run-deleted")
    problem(await ann.post("hello again", key=key), 422, "idempotency-key-reused")
    assert stored(module_database_url, ann.user_id) == before
    assert (await ann.read("conversations"))["items"] == []
    assert len(stub.requests) == 1


@pytest.mark.parametrize("bad", ["", "two words", "ü".encode(), "x" * 256, "tab\there"], ids=range(5))
async def test_a_key_that_is_not_one_is_refused(
    ann: Caller, stub: OpenAIStub, module_database_url: str, bad: str | bytes
) -> None:
    assert refused_field(await ann.post("hello", key=bad)).lower() == "idempotency-key"
    assert not any(stored(module_database_url, ann.user_id).values())
    assert stub.requests == []


@pytest.mark.parametrize("good", ["!", "~" * 255, 'a"b\\c,;d'], ids=range(3))
async def test_any_visible_ascii_characters_are_a_key(ann: Caller, stub: OpenAIStub, good: str) -> None:
    stub.answer = echo
    assert await ann.ask("hello", key=good) == await ann.ask("hello", key=good)
    assert len(stub.requests) == 1


async def fails_after_a_task(ann: Caller, stub: OpenAIStub, key: str) -> dict[str, Any]:
    """Send a message whose run makes a task, then fails; returns the problem."""
    stub.reply(ADD_MILK, REFUSED)
    return problem(await ann.post("add milk", key=key), 502, "model-failed")


async def test_a_failed_run_is_gone_on_with_by_its_key(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, gate: Gate, key: str
) -> None:
    failed = await fails_after_a_task(ann, stub, key)
    assert (await ann.run(failed["run_id"]))["attempt"] == 1
    stub.reply(Say("Added."))
    told = await ann_elsewhere.ask("add milk", key=key)
    assert (told["run_id"], told["response"], told["status"]) == (failed["run_id"], "Added.", "completed")
    run = await ann.run(failed["run_id"])
    assert (run["attempt"], run["status"], run["error"]) == (2, "completed", None)
    assert len(run["tool_calls"]) == 1
    assert gate.tasks(ann.user_id) == ["milk"]
    assert gate.sent == [f"{failed['run_id']}/0/0"]
    # The first response is not asked for again: the third request is told of its call and of the outcome.
    assert len(stub.requests) == 3
    calls, outputs = calls_and_outputs(stub.requests[2])
    assert len(calls) == 1
    assert calls == outputs
    assert await ann.said(told["conversation_id"]) == [("user", "add milk"), ("assistant", "Added.")]


async def test_a_run_that_is_gone_on_with_has_one_log(ann: Caller, stub: OpenAIStub, key: str) -> None:
    failed = await fails_after_a_task(ann, stub, key)
    before = await ann.replay(failed["run_id"]).end()
    assert before.types[-1] == "RUN_ERROR"
    stub.reply(Say("Added."))
    stream = await ann.stream("add milk", key=key).end()
    assert stream.types == [
        "RUN_STARTED",
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    assert stream.ids[: len(before.ids) - 1] == before.ids[:-1]
    assert before.ids[-1] not in stream.ids
    assert stream.numbers == sorted(set(stream.numbers))
    assert (await ann.replay(failed["run_id"]).end()).ids == stream.ids


async def test_the_rounds_of_all_attempts_count_together(ann: Caller, stub: OpenAIStub, gate: Gate, key: str) -> None:
    stub.reply(*[Call("list_tasks")] * 8, REFUSED)
    problem(await ann.post("go on and on", key=key), 502, "model-failed")
    assert len(stub.requests) == 9
    stub.answer = lambda _: Call("list_tasks")
    rounds = problem(await ann.post("go on and on", key=key), 502, "model-failed")
    assert "10 rounds" in rounds["detail"]
    assert len(stub.requests) == 11
    assert len(gate.sent) == len(set(gate.sent)) == 10
    problem(await ann.post("go on and on", key=key), 502, "model-failed")
    assert len(stub.requests) == 11
    run = await ann.run(rounds["run_id"])
    assert (run["attempt"], run["usage"]["model_requests"]) == (3, 10)


async def test_a_failed_run_that_others_have_followed_is_answered_with_its_failure(
    ann: Caller, stub: OpenAIStub, module_database_url: str, key: str
) -> None:
    failed = await fails_after_a_task(ann, stub, key)
    stub.answer = echo
    await ann.ask("never mind", failed["conversation_id"])
    before = stored(module_database_url, ann.user_id)
    again = problem(await ann.post("add milk", key=key), 502, "model-failed")
    assert {**again, "request_id": ""} == {**failed, "request_id": ""}
    stream = await ann.stream("add milk", key=key).end()
    assert (stream.run_id, stream.types[-1]) == (failed["run_id"], "RUN_ERROR")
    assert stored(module_database_url, ann.user_id) == before
    assert len(stub.requests) == 3


async def test_joining_meets_no_busy_conversation_and_counts_no_run(
    ann: Caller, stub: OpenAIStub, module_database_url: str, key: str, hold: asyncio.Event
) -> None:
    await early_in_a_minute()
    stub.reply(Say("First."), Say("Second.", hold=hold))
    told = await ann.ask("one", key=key)
    busy = ann.stream("two", told["conversation_id"], key=f"{key}-2")
    await busy.first("TEXT_MESSAGE_CONTENT")
    before = stored(module_database_url, ann.user_id)
    assert await ann.ask("one", key=key) == told
    joined = ann.stream("two", told["conversation_id"], key=f"{key}-2")
    await joined.first("TEXT_MESSAGE_CONTENT")
    assert stored(module_database_url, ann.user_id) == before
    assert (await ann.usage())[0] == 2
    hold.set()
    assert (await joined.end()).ids == (await busy.end()).ids
