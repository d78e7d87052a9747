"""Stopping a run: nothing more is asked or done in its name, and what was said and done until then is kept."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.chat_api.conftest import running_chat
from tests.integration.chat_api.runs.requests.callers import Caller, answer, calling
from tests.integration.chat_api.runs.requests.conftest import echo, stored, told
from tests.integration.chat_api.runs.requests.gate import Gate
from tests.support.chat import calls_and_outputs, sent_outputs
from tests.support.databases import sqlite_database
from tests.support.openai_stub import Call, Calls, Fail, OpenAIStub, Say
from tests.support.problems import problem
from tests.support.services import Service
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADD_TWO = Calls((Call("add_task", {"title": "milk"}), Call("add_task", {"title": "eggs"})))
CLOSED_WITHIN_SECONDS = 12
"""Far above what it takes, so that a busy machine fails nothing, and far below what the model would have taken."""


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_stop_while_the_model_speaks_closes_its_request_and_keeps_its_words(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, hold: asyncio.Event, where: str
) -> None:
    stub.reply(Say("One two", hold=hold))
    stream = ann.stream("count")
    await stream.first("TEXT_MESSAGE_CONTENT")
    conversation = stream.conversation_id
    assert (await ann.run(stream.run_id))["status"] == "running"
    assert await ann.said(conversation) == []
    asked_at = time.monotonic()
    stopped = await (ann if where == "here" else ann_elsewhere).cancel(stream.run_id)
    assert (stopped.status_code, stopped.json()["run_id"]) == (202, stream.run_id)
    await until(lambda: len(stub.closed_early) == 1)
    assert stub.closed_early[0].at - asked_at < CLOSED_WITHIN_SECONDS
    await stream.end()
    assert stream.types[-2:] == ["TEXT_MESSAGE_END", "RUN_FINISHED"]
    assert stream.events[-1]["outcome"]["type"] == "cancelled"
    assert stream.text.strip() == "One"
    run = await ann.run(stream.run_id)
    assert (run["status"], run["error"]) == ("cancelled", None)
    assert run["ended_at"] is not None
    assert await ann.said(conversation) == [("user", "count"), ("assistant", stream.text)]
    assert (await ann.read(f"conversations/{conversation}"))["active_run_id"] is None
    assert len(stub.requests) == 1
    stub.answer = echo
    assert (await ann.ask("go on", conversation))["response"] == "you said go on"
    history = told(stub.requests[1])
    assert history[0] == ("user", "count")
    assert history[1][1].startswith("One")
    assert "stopped" in history[1][1]


async def test_the_caller_of_a_stopped_run_gets_its_partial_answer(
    ann: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    stub.answer = echo
    conversation = (await ann.ask("hello"))["conversation_id"]
    stub.reply(Say("One two", hold=hold))
    sent = ann.sending("count", conversation)
    run_id = await ann.begun("count", conversation)
    await ann.replay(run_id).first("TEXT_MESSAGE_CONTENT")
    await ann.cancel(run_id)
    body = answer(await sent)
    assert (body["run_id"], body["status"], body["response"].strip()) == (run_id, "cancelled", "One")
    assert body["message_id"] == 4


async def test_a_stop_before_the_first_word_leaves_an_empty_answer(
    ann: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    # A single piece of a call's arguments comes before anything that could be shown.
    stub.reply(Calls((Call("add_task", {"title": "milk"}),), hold=hold))
    stream = ann.stream("add milk")
    await until(lambda: bool(stream.ids) and len(stub.requests) == 1)
    await ann.cancel(stream.run_id)
    await stream.end()
    assert stream.types == ["RUN_STARTED", "RUN_FINISHED"]
    assert await ann.said(stream.conversation_id) == [("user", "add milk"), ("assistant", "")]
    assert (await ann.run(stream.run_id))["tool_calls"] == []


async def test_a_run_that_has_ended_is_not_stopped(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, module_database_url: str, hold: asyncio.Event
) -> None:
    stub.reply(Say("Hello."), Fail(400), Say("One two", hold=hold))
    completed = await ann.ask("hello")
    conversation = completed["conversation_id"]
    failed = problem(await ann.post("fail", conversation), 502, "model-failed")
    cancelled = ann.stream("count", conversation)
    await cancelled.first("TEXT_MESSAGE_CONTENT")
    await ann.cancel(cancelled.run_id)
    await cancelled.end()
    before = stored(module_database_url, ann.user_id)
    for run_id, status in (
        (completed["run_id"], "completed"),
        (failed["run_id"], "failed"),
        (cancelled.run_id, "cancelled"),
    ):
        for caller in (ann, ann_elsewhere):
            again = await caller.cancel(run_id)
            assert (again.status_code, again.json()) == (200, await ann.run(run_id))
            assert again.json()["status"] == status
    assert stored(module_database_url, ann.user_id) == before


async def test_a_run_of_nobody_or_of_somebody_else_is_not_found(
    ann: Caller, bob: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    stub.reply(Say("One two", hold=hold))
    stream = ann.stream("count")
    await stream.first("TEXT_MESSAGE_CONTENT")
    unknown = problem(await bob.cancel("0197-no-such-run"), 404, "run-not-found")
    foreign = problem(await bob.cancel(stream.run_id), 404, "run-not-found")
    assert {**unknown, "request_id": "", "instance": ""} == {**foreign, "request_id": "", "instance": ""}
    hold.set()
    assert (await stream.end()).text == "One two"
    assert (await ann.run(stream.run_id))["status"] == "completed"


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_stop_during_a_tool_call_waits_for_it_and_sends_no_other(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, gate: Gate, hold: asyncio.Event, where: str
) -> None:
    caller = ann if where == "here" else ann_elsewhere
    gate.hold = hold
    stub.reply(ADD_TWO)
    stream = ann.stream("add milk and eggs")
    await until(lambda: len(gate.sent) == 1)
    for _ in range(2):
        stopped = await caller.cancel(stream.run_id)
        assert (stopped.status_code, stopped.json()["status"]) == (202, "running")
    # The owner at the other replica has heard of it once its poll has come round; the call is still under way.
    await asyncio.sleep(0.3)
    assert (await ann.run(stream.run_id))["status"] == "running"
    assert gate.tasks(ann.user_id) == []
    hold.set()
    await stream.end()
    run = await ann.run(stream.run_id)
    assert run["status"] == "cancelled"
    kept, void = run["tool_calls"]
    assert (kept["result"]["title"], kept["result"]["status"]) == ("milk", "open")
    assert void["result"].keys() == {"error"}
    assert gate.tasks(ann.user_id) == ["milk"]
    assert gate.sent == [f"{stream.run_id}/0/0"]
    assert gate.settled == [f"{stream.run_id}/0/1"]
    assert len(stub.requests) == 1
    assert len(stream.of("TOOL_CALL_RESULT")) == 2
    assert stream.events[-1]["outcome"]["type"] == "cancelled"
    question, said = await ann.messages(stream.conversation_id)
    assert (question["content"], said["content"]) == ("add milk and eggs", "")
    assert said["tool_calls"] == run["tool_calls"]
    stub.answer = echo
    await ann.ask("what happened?", stream.conversation_id)
    calls, outputs = calls_and_outputs(stub.requests[1])
    assert len(calls) == 2
    assert calls == outputs
    assert [json.loads(output) for output in sent_outputs(stub.requests[1])] == [kept["result"], void["result"]]
    assert "stopped" in told(stub.requests[1])[1][1]


async def test_a_stop_between_two_rounds_keeps_what_the_first_has_said_and_done(
    ann: Caller, stub: OpenAIStub, gate: Gate, hold: asyncio.Event
) -> None:
    stub.reply(
        Calls((Call("add_task", {"title": "milk"}),), say="I add milk."),
        Say("One two", hold=hold),
    )
    stream = ann.stream("add milk")
    await stream.first("TOOL_CALL_RESULT")
    await until(lambda: len(stream.of("TEXT_MESSAGE_START")) == 2)
    await until(lambda: stream.text.strip().endswith("One"))
    await ann.cancel(stream.run_id)
    await stream.end()
    _, said = await ann.messages(stream.conversation_id)
    assert said["content"].strip().endswith("One")
    assert [call["tool_name"] for call in said["tool_calls"]] == ["add_task"]
    assert gate.tasks(ann.user_id) == ["milk"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cautious(
    todo: Service, module_stub: OpenAIStub, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """A chat-api that asks before every tool call, on a database of its own."""
    url = sqlite_database(tmp_path_factory.mktemp("cautious"))
    async with running_chat(url, todo, module_stub, TOOL_APPROVAL="always") as service:
        yield service


async def test_a_run_that_waits_for_approval_is_stopped_at_once(
    cautious: Service, gate: Gate, stub: OpenAIStub, user_id: str
) -> None:
    async with calling(cautious, user_id) as ann:
        stub.reply(Call("add_task", {"title": "milk"}))
        waiting = await ann.post("add milk")
        assert (waiting.status_code, waiting.json()["status"]) == (202, "requires_action")
        run_id, conversation = waiting.json()["run_id"], waiting.json()["conversation_id"]
        stopped = await ann.cancel(run_id)
        assert (stopped.status_code, stopped.json()["status"]) == (202, "cancelled")
        assert stopped.json()["pending_approvals"] == []
        assert stopped.json()["tool_calls"][0]["result"].keys() == {"error"}
        log = await ann.replay(run_id).end()
        assert log.events[-1]["outcome"]["type"] == "cancelled"
        assert len(log.of("TOOL_CALL_RESULT")) == 1
        assert gate.tasks(user_id) == []
        stub.answer = echo
        assert (await ann.ask("never mind", conversation))["response"] == "you said never mind"
        calls, outputs = calls_and_outputs(stub.requests[-1])
        assert len(calls) == 1
        assert calls == outputs
        assert "stopped" in sent_outputs(stub.requests[-1])[0]
        again = await ann.cancel(run_id)
        assert (again.status_code, again.json()["status"]) == (200, "cancelled")
