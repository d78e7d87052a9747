"""Regenerating an answer and editing a question: a later run takes an earlier one's place."""

import asyncio
from typing import Any

import pytest

from tests.integration.chat_api.runs.requests.callers import Caller, answer
from tests.integration.chat_api.runs.requests.conftest import echo, last_said, stored, told
from tests.integration.chat_api.runs.requests.gate import Gate
from tests.support.chat import calls_and_outputs
from tests.support.openai_stub import Call, Cut, Fail, OpenAIStub, Say
from tests.support.problems import problem, refused_field

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = Fail(400)


async def asked(ann: Caller, stub: OpenAIStub) -> dict[str, Any]:
    """Begin a conversation with one answered question."""
    stub.reply(Say("An old answer."))
    stub.answer = echo
    return await ann.ask("a question")


@pytest.mark.parametrize("message", ["a question", "a better question"], ids=["regenerate", "edit"])
async def test_a_run_takes_anothers_place(ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, message: str) -> None:
    old = await asked(ann, stub)
    conversation = old["conversation_id"]
    new = await ann_elsewhere.ask(message, conversation, replaces=old["run_id"])
    assert (new["conversation_id"], new["response"]) == (conversation, f"you said {message}")
    assert new["run_id"] != old["run_id"]
    # The new answer owes nothing to the old one.
    assert told(stub.requests[1]) == [("user", message)]
    assert await ann.said(conversation) == [("user", message), ("assistant", f"you said {message}")]
    assert [message["id"] for message in await ann.messages(conversation)] == [3, 4]
    runs = await ann.runs(conversation)
    assert [(run["run_id"], run["replaces"], run["replaced"], run["status"]) for run in runs] == [
        (new["run_id"], old["run_id"], False, "completed"),
        (old["run_id"], None, True, "completed"),
    ]
    assert (await ann.run(old["run_id"]))["input"] == "a question"
    await ann.ask("go on", conversation)
    assert told(stub.requests[2]) == [("user", message), ("assistant", f"you said {message}"), ("user", "go on")]


async def test_until_the_new_run_has_ended_the_old_one_stands(
    ann: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    old = await asked(ann, stub)
    conversation = old["conversation_id"]
    stub.reply(Say("A new answer.", hold=hold))
    stream = ann.stream("a question", conversation, replaces=old["run_id"])
    await stream.first("TEXT_MESSAGE_CONTENT")
    assert await ann.said(conversation) == [("user", "a question"), ("assistant", "An old answer.")]
    assert (await ann.run(old["run_id"]))["replaced"] is False
    hold.set()
    await stream.end()
    assert await ann.said(conversation) == [("user", "a question"), ("assistant", "A new answer.")]


async def test_what_the_replaced_run_did_stays_and_the_model_is_told(ann: Caller, stub: OpenAIStub, gate: Gate) -> None:
    stub.reply(Call("add_task", {"title": "milk"}), Say("Added milk."))
    old = await ann.ask("add milk")
    conversation = old["conversation_id"]
    stub.reply(Call("add_task", {"title": "eggs"}), Say("Added eggs."))
    new = await ann.ask("add eggs", conversation, replaces=old["run_id"])
    assert gate.tasks(ann.user_id) == ["milk", "eggs"]
    assert len(set(gate.sent)) == 2
    stub.answer = echo
    await ann.ask("what is there?", conversation)
    # While the new run is at work, and ever after.
    for request, calls_told in ((stub.requests[2], 1), (stub.requests[4], 2)):
        calls, outputs = calls_and_outputs(request)
        assert calls == outputs
        assert len(calls) == calls_told
        spoken = told(request)
        assert "Added milk." not in [words for _, words in spoken]
        assert "add milk" not in [words for _, words in spoken]
        assert "replaced" in spoken[1][1]
    assert await ann.said(conversation) == [
        ("user", "add eggs"),
        ("assistant", "Added eggs."),
        ("user", "what is there?"),
        ("assistant", "you said what is there?"),
    ]
    assert [call["parameters"]["title"] for call in new["tool_calls"]] == ["eggs"]


async def test_an_earlier_run_can_be_replaced(ann: Caller, stub: OpenAIStub) -> None:
    old = await asked(ann, stub)
    conversation = old["conversation_id"]
    await ann.ask("go on", conversation)
    await ann.ask("edited", conversation, replaces=old["run_id"])
    assert [content for role, content in await ann.said(conversation) if role == "user"] == ["go on", "edited"]
    assert told(stub.requests[2]) == [("user", "go on"), ("assistant", "you said go on"), ("user", "edited")]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_a_run_without_an_answer_can_be_replaced(
    ann: Caller, stub: OpenAIStub, hold: asyncio.Event, end: str
) -> None:
    stub.reply(Cut(Say("One two", hold=hold)))
    stub.answer = echo
    stream = ann.stream("count")
    await stream.first("TEXT_MESSAGE_CONTENT")
    if end == "cancelled":
        await ann.cancel(stream.run_id)
    hold.set()
    await stream.end()
    assert (await ann.run(stream.run_id))["status"] == end
    await ann.ask("count again", stream.conversation_id, replaces=stream.run_id)
    old = await ann.run(stream.run_id)
    assert (old["status"], old["replaced"]) == (end, True)
    assert await ann.said(stream.conversation_id) == [("user", "count again"), ("assistant", "you said count again")]
    assert told(stub.requests[1]) == [("user", "count again")]


async def test_what_was_replaced_cannot_be_replaced_again(
    ann: Caller, stub: OpenAIStub, module_database_url: str
) -> None:
    old = await asked(ann, stub)
    conversation = old["conversation_id"]
    new = await ann.ask("edited", conversation, replaces=old["run_id"])
    before = stored(module_database_url, ann.user_id)
    problem(await ann.post("edited again", conversation, replaces=old["run_id"]), 409, "not-replaceable")
    assert stored(module_database_url, ann.user_id) == before
    await ann.ask("edited again", conversation, replaces=new["run_id"])
    assert [content for role, content in await ann.said(conversation) if role == "user"] == ["edited again"]


async def test_no_two_runs_take_one_place(
    ann: Caller, stub: OpenAIStub, module_database_url: str, hold: asyncio.Event
) -> None:
    old = await asked(ann, stub)
    conversation = old["conversation_id"]
    stub.reply(Say("One two", hold=hold))
    active = ann.stream("edited", conversation, replaces=old["run_id"])
    await active.first("TEXT_MESSAGE_CONTENT")
    before = stored(module_database_url, ann.user_id)
    for on_busy in ("enqueue", "interrupt"):
        refused = await ann.post("edited again", conversation, replaces=old["run_id"], on_busy=on_busy)
        problem(refused, 409, "not-replaceable")
    assert stored(module_database_url, ann.user_id) == before
    await ann.ask("edited again", conversation, replaces=active.run_id, on_busy="interrupt")
    assert await ann.said(conversation) == [("user", "edited again"), ("assistant", "you said edited again")]


async def test_a_run_of_another_conversation_or_of_nobody_is_not_found(
    ann: Caller, bob: Caller, stub: OpenAIStub, module_database_url: str
) -> None:
    old = await asked(ann, stub)
    other = await ann.ask("another conversation")
    foreign = await bob.ask("somebody else's")
    before = stored(module_database_url, ann.user_id)
    conversation = other["conversation_id"]
    for run_id in (old["run_id"], foreign["run_id"], "0197-no-such-run"):
        problem(await ann.post("edited", conversation, replaces=run_id), 404, "run-not-found")
    # A new conversation has no run that could be replaced.
    problem(await ann.post("edited", replaces=old["run_id"]), 404, "run-not-found")
    assert refused_field(await ann.post("edited", conversation, replaces="no run")) == "replaces"
    assert stored(module_database_url, ann.user_id) == before
    assert await ann.said(old["conversation_id"]) == [("user", "a question"), ("assistant", "An old answer.")]


async def test_what_is_not_found_is_said_before_that_the_conversation_is_busy(
    ann: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    stub.reply(Say("One two", hold=hold))
    active = ann.stream("count")
    await active.first("TEXT_MESSAGE_CONTENT")
    refused = await ann.post("edited", active.conversation_id, replaces="0197-no-such-run")
    problem(refused, 404, "run-not-found")


async def test_a_run_at_work_cannot_be_replaced_but_interrupted(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, module_database_url: str, hold: asyncio.Event
) -> None:
    stub.reply(Say("One two", hold=hold))
    stub.answer = echo
    active = ann.stream("count")
    await active.first("TEXT_MESSAGE_CONTENT")
    conversation = active.conversation_id
    before = stored(module_database_url, ann.user_id)
    problem(await ann.post("edited", conversation, replaces=active.run_id), 409, "run-active")
    enqueued = await ann.post("edited", conversation, replaces=active.run_id, on_busy="enqueue")
    problem(enqueued, 409, "not-replaceable")
    assert stored(module_database_url, ann.user_id) == before
    new = await ann_elsewhere.ask("edited", conversation, replaces=active.run_id, on_busy="interrupt")
    await active.end()
    assert new["response"] == "you said edited"
    assert await ann.said(conversation) == [("user", "edited"), ("assistant", "you said edited")]
    old = await ann.run(active.run_id)
    assert (old["status"], old["replaced"]) == ("cancelled", True)
    assert told(stub.requests[1]) == [("user", "edited")]


async def test_a_queued_run_is_replaced_by_an_interrupt(ann: Caller, stub: OpenAIStub, hold: asyncio.Event) -> None:
    stub.reply(Say("One two", hold=hold))
    stub.answer = echo
    active = ann.stream("count")
    await active.first("TEXT_MESSAGE_CONTENT")
    waiting = ann.sending("waiting", active.conversation_id, on_busy="enqueue")
    queued = await ann.begun("waiting", active.conversation_id)
    await ann.ask("edited", active.conversation_id, replaces=queued, on_busy="interrupt")
    assert answer(await waiting)["status"] == "cancelled"
    assert [content for role, content in await ann.said(active.conversation_id) if role == "user"] == [
        "count",
        "edited",
    ]
    assert [last_said(request) for request in stub.requests] == ["count", "edited"]


async def test_a_run_that_fails_takes_no_place_until_it_is_retried(ann: Caller, stub: OpenAIStub) -> None:
    old = await asked(ann, stub)
    conversation = old["conversation_id"]
    stub.reply(REFUSED)
    refused = await ann.post("edited", conversation, replaces=old["run_id"])
    failed = problem(refused, 502, "model-failed")
    assert await ann.said(conversation) == [("user", "a question"), ("assistant", "An old answer.")]
    assert (await ann.run(old["run_id"]))["replaced"] is False
    assert answer(await ann.retry(failed["run_id"]))["response"] == "you said edited"
    assert await ann.said(conversation) == [("user", "edited"), ("assistant", "you said edited")]
    assert (await ann.run(old["run_id"]))["replaced"] is True
    assert told(stub.requests[-1]) == [("user", "edited")]


async def test_a_stopped_replacement_that_is_retried_in_vain_gives_the_place_back(
    ann: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    old = await asked(ann, stub)
    conversation = old["conversation_id"]
    stub.reply(Say("One two", hold=hold))
    stream = ann.stream("edited", conversation, replaces=old["run_id"])
    await stream.first("TEXT_MESSAGE_CONTENT")
    await ann.cancel(stream.run_id)
    await stream.end()
    assert await ann.said(conversation) == [("user", "edited"), ("assistant", stream.text)]
    stub.reply(REFUSED)
    problem(await ann.retry(stream.run_id), 502, "model-failed")
    assert await ann.said(conversation) == [("user", "a question"), ("assistant", "An old answer.")]
    assert (await ann.run(old["run_id"]))["replaced"] is False
