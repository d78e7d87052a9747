"""Going on with a failed or stopped run: nothing that it did is done again, and its first end was not the end."""

import asyncio
from typing import Any

import pytest

from tests.integration.chat_api.runs.requests.callers import Caller, answer
from tests.integration.chat_api.runs.requests.conftest import echo, stored, told
from tests.integration.chat_api.runs.requests.gate import Gate
from tests.support.chat import calls_and_outputs, sent_outputs
from tests.support.openai_stub import Call, Calls, Fail, OpenAIStub, Say
from tests.support.problems import problem
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADD_MILK = Call("add_task", {"title": "milk"})
REFUSED = Fail(400)
"""A refusal that the model's client does not try again."""


async def failed(ann: Caller, stub: OpenAIStub, conversation_id: int | None = None) -> dict[str, Any]:
    """Send a message whose run makes a task, then fails; returns the problem."""
    stub.reply(ADD_MILK, REFUSED)
    return problem(await ann.post("add milk", conversation_id), 502, "model-failed")


async def cancelled(ann: Caller, stub: OpenAIStub, hold: asyncio.Event, conversation_id: int | None = None) -> str:
    """Send a message whose run is stopped after its first word, and return the run."""
    stub.reply(Say("One two", hold=hold))
    stream = ann.stream("count", conversation_id)
    await stream.first("TEXT_MESSAGE_CONTENT")
    await ann.cancel(stream.run_id)
    await stream.end()
    return stream.run_id


async def test_a_failed_run_goes_on_where_it_failed(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, gate: Gate
) -> None:
    stub.answer = echo
    conversation = (await ann.ask("hello"))["conversation_id"]
    problem_told = await failed(ann, stub, conversation)
    first = await ann.run(problem_told["run_id"])
    assert (first["status"], first["attempt"]) == ("failed", 1)
    stub.reply(Say("Added."))
    body = answer(await ann_elsewhere.retry(first["run_id"]))
    assert (body["run_id"], body["conversation_id"], body["status"]) == (first["run_id"], conversation, "completed")
    assert (body["response"], body["message_id"]) == ("Added.", 4)
    run = await ann.run(first["run_id"])
    assert (run["attempt"], run["error"], run["tool_calls"]) == (2, None, first["tool_calls"])
    assert run["created_at"] == first["created_at"]
    assert gate.tasks(ann.user_id) == ["milk"]
    assert len(gate.sent) == 1
    assert await ann.said(conversation) == [
        ("user", "hello"),
        ("assistant", "you said hello"),
        ("user", "add milk"),
        ("assistant", "Added."),
    ]
    assert told(stub.requests[-1])[:2] == [("user", "hello"), ("assistant", "you said hello")]
    # The frozen "now" is the run's: the model is told the same in every attempt.
    assert stub.requests[-1]["instructions"] == stub.requests[-2]["instructions"]


async def test_a_retry_may_fail_again_and_be_retried(ann: Caller, stub: OpenAIStub, gate: Gate) -> None:
    run_id = (await failed(ann, stub))["run_id"]
    stub.reply(REFUSED)
    assert problem(await ann.retry(run_id), 502, "model-failed")["run_id"] == run_id
    stub.reply(Call("add_task", {"title": "eggs"}), Say("Both added."))
    stream = await ann.retry_stream(run_id).end()
    assert (stream.run_id, stream.text, stream.types[-1]) == (run_id, "Both added.", "RUN_FINISHED")
    assert [stream.types.count(kind) for kind in ("RUN_STARTED", "RUN_ERROR")] == [1, 0]
    assert len(stream.of("TOOL_CALL_RESULT")) == 2
    assert stream.numbers == sorted(set(stream.numbers))
    assert (await ann.run(run_id))["attempt"] == 3
    assert gate.tasks(ann.user_id) == ["milk", "eggs"]
    assert gate.sent == [f"{run_id}/0/0", f"{run_id}/1/0"]


async def test_a_stopped_runs_pair_gives_way_to_a_new_one_under_new_numbers(
    ann: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    stub.answer = echo
    conversation = (await ann.ask("hello"))["conversation_id"]
    run_id = await cancelled(ann, stub, hold, conversation)
    assert [message["id"] for message in await ann.messages(conversation)] == [1, 2, 3, 4]
    before = await ann.replay(run_id).end()
    again = asyncio.Event()
    stub.reply(Say("One two three", hold=again))
    stream = ann.retry_stream(run_id)
    await until(lambda: len(stream.of("TEXT_MESSAGE_START")) == 2 and stream.text.endswith("two"))
    # While it is at work it has no messages, as any run.
    assert [message["id"] for message in await ann.messages(conversation)] == [1, 2]
    assert (await ann.run(run_id))["ended_at"] is None
    again.set()
    await stream.end()
    assert [(message["id"], message["content"]) for message in await ann.messages(conversation)][2:] == [
        (5, "count"),
        (6, "One two three"),
    ]
    assert (await ann.ask("more", conversation))["message_id"] == 8
    # The partial words were taken back, and are not what the model goes on from.
    discarded = stream.of("CUSTOM")
    assert [event["name"] for event in discarded] == ["message_discarded"]
    assert discarded[0]["value"] == {"messageId": before.of("TEXT_MESSAGE_START")[0]["messageId"]}
    assert told(stub.requests[2]) == [("user", "hello"), ("assistant", "you said hello"), ("user", "count")]
    assert stream.ids[: len(before.ids) - 1] == before.ids[:-1]
    assert before.ids[-1] not in stream.ids
    assert stream.numbers == sorted(set(stream.numbers))
    assert [event["type"] for event in stream.events].count("RUN_FINISHED") == 1


async def test_a_call_that_a_stop_has_made_void_stays_void(
    ann: Caller, stub: OpenAIStub, gate: Gate, hold: asyncio.Event
) -> None:
    gate.hold = hold
    stub.reply(Calls((ADD_MILK, Call("add_task", {"title": "eggs"}))))
    stream = ann.stream("add milk and eggs")
    await until(lambda: len(gate.sent) == 1)
    await ann.cancel(stream.run_id)
    hold.set()
    await stream.end()
    stub.reply(Say("Milk is there, eggs are not."))
    body = answer(await ann.retry(stream.run_id))
    assert body["status"] == "completed"
    assert gate.tasks(ann.user_id) == ["milk"]
    assert gate.sent == [f"{stream.run_id}/0/0"]
    calls, outputs = calls_and_outputs(stub.requests[1])
    assert len(calls) == 2
    assert calls == outputs
    assert '"error"' in sent_outputs(stub.requests[1])[1]


async def test_a_queued_run_that_was_stopped_can_be_gone_on_with(
    ann: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    stub.reply(Say("One two", hold=hold))
    stub.answer = echo
    active = ann.stream("first")
    await active.first("TEXT_MESSAGE_CONTENT")
    waiting = ann.sending("second", active.conversation_id, on_busy="enqueue")
    run_id = await ann.begun("second", active.conversation_id)
    await ann.cancel(run_id)
    await waiting
    # Not beside the active run, though it is the conversation's newest.
    body = problem(await ann.retry(run_id), 409, "run-active")
    assert body["run_id"] == active.run_id
    assert (await ann.run(run_id))["status"] == "cancelled"
    hold.set()
    await active.end()
    assert answer(await ann.retry(run_id))["response"] == "you said second"
    log = await ann.replay(run_id).end()
    assert log.types.count("RUN_STARTED") == log.types.count("RUN_FINISHED") == 1


async def test_only_the_newest_failed_or_stopped_run_can_be_retried(
    ann: Caller, bob: Caller, stub: OpenAIStub, module_database_url: str, hold: asyncio.Event
) -> None:
    stub.answer = echo
    completed = await ann.ask("hello")
    conversation = completed["conversation_id"]
    overtaken = (await failed(ann, stub, conversation))["run_id"]
    stopped = await cancelled(ann, stub, hold, conversation)
    running = asyncio.Event()
    stub.reply(Say("One two", hold=running))
    active = ann.stream("at work", conversation)
    await active.first("TEXT_MESSAGE_CONTENT")
    waiting = ann.sending("waiting", conversation, on_busy="enqueue")
    queued = await ann.begun("waiting", conversation)
    before = stored(module_database_url, ann.user_id)
    for run_id in (completed["run_id"], overtaken, stopped, active.run_id, queued):
        problem(await ann.retry(run_id), 409, "not-retriable")
        problem(await bob.retry(run_id), 404, "run-not-found")
    problem(await ann.retry("0197-no-such-run"), 404, "run-not-found")
    assert stored(module_database_url, ann.user_id) == before
    running.set()
    await waiting


async def test_of_two_retries_at_once_one_goes_on(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    run_id = (await failed(ann, stub))["run_id"]
    stub.answer = lambda _: Say("Added it.", hold=hold)
    tasks = [asyncio.create_task(caller.retry(run_id)) for caller in [ann, ann_elsewhere] * 2]
    await until(lambda: sum(task.done() for task in tasks) == 3)
    hold.set()
    codes = sorted(response.status_code for response in await asyncio.gather(*tasks))
    assert codes == [200, 409, 409, 409]
    run = await ann.run(run_id)
    assert (run["attempt"], run["status"]) == (2, "completed")
    assert len(stub.requests) == 3


async def pending(ann: Caller, stub: OpenAIStub) -> str:
    """Send a message whose call has no outcome; returns the run."""
    stub.reply(ADD_MILK)
    body = problem(await ann.post("add milk"), 503, "todo-server-unavailable")
    run = await ann.run(body["run_id"])
    assert (run["status"], [call["result"] for call in run["tool_calls"]]) == ("failed", [None])
    return str(body["run_id"])


@pytest.mark.parametrize("arrived", [False, True], ids=["down", "answers lost"])
async def test_a_pending_call_is_sent_again_under_its_key(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, gate: Gate, arrived: bool
) -> None:
    if arrived:
        gate.loses_answers = True
    else:
        gate.is_down = True
    run_id = await pending(ann, stub)
    assert gate.tasks(ann.user_id) == (["milk"] if arrived else [])
    gate.is_down = gate.loses_answers = False
    stub.reply(Say("Added."))
    body = answer(await ann_elsewhere.retry(run_id))
    assert body["response"] == "Added."
    assert body["tool_calls"][0]["result"]["title"] == "milk"
    assert gate.tasks(ann.user_id) == ["milk"]
    assert gate.sent == [f"{run_id}/0/0"] * 2
    # The model was not asked for the call again.
    assert len(stub.requests) == 2
    calls, outputs = calls_and_outputs(stub.requests[1])
    assert len(calls) == 1
    assert calls == outputs
