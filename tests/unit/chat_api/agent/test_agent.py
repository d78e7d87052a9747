"""A turn of the agent: run, broken off, gone on with, stopped, and waiting for the user."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from agents import ModelSettings
from agents.items import TResponseStreamEvent
from agents.testing import assistant_message
from chat_api.agent.agent import Approval, TodoAgent
from chat_api.agent.errors import (
    ApprovalNeededError,
    ModelFailedError,
    StoppedError,
    ToolsTimeoutError,
    ToolsUnavailableError,
)
from chat_api.agent.history import NOT_KNOWN
from chat_api.agent.providers import ModelProvider
from chat_api.agent.turn import ModelStep, PastCall, PastRun, ToolCall, ToolOutcome, Turn
from openai.types.responses import ResponseOutputMessage, ResponseOutputRefusal

from tests.unit.chat_api.agent.fakes import (
    RUN_ID,
    MemoryJournal,
    MemoryTodo,
    Reply,
    StreamingModel,
    call,
    completed,
    delta,
    reasoning,
    tool,
)

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
OLD_RUN = "0199c0de-0000-7000-8000-00000000ef01"
TURN = Turn("ann", RUN_ID, "add milk and eggs, then show", (), NOW)
TWO_STEPS: list[Reply] = [
    [reasoning("two at once", 1), call("add_task", '{"title": "milk"}'), call("add_task", '{"title": "eggs"}')],
    [reasoning("now show", 2), assistant_message("I look."), call("list_tasks", id="fc_3", status="completed")],
    [assistant_message("Both are on your list.")],
]


def agent_of(
    model: StreamingModel, todo: MemoryTodo | None = None, approval: Approval = "never", rounds: int = 10
) -> TodoAgent:
    provider = ModelProvider(lambda _: model, ModelSettings())
    return TodoAgent(provider, todo or MemoryTodo(), max_rounds=rounds, model_timeout=5, approval=approval)


def keys(todo: MemoryTodo) -> list[str]:
    return [key.removeprefix(f"{RUN_ID}/") for _, _, key in todo.sent]


async def uninterrupted() -> tuple[StreamingModel, MemoryJournal, MemoryTodo]:
    model, journal, todo = StreamingModel(*TWO_STEPS), MemoryJournal(), MemoryTodo()
    answer = await agent_of(model, todo).answer(TURN, journal)
    assert answer.text == "Both are on your list."
    return model, journal, todo


async def test_each_call_is_journalled_then_sent_then_its_outcome_journalled() -> None:
    _, journal, todo = await uninterrupted()
    assert journal.entries == [
        ("responded", 0),
        ("ended", (0, 0)),
        ("ended", (0, 1)),
        ("responded", 1),
        ("ended", (1, 0)),
        ("responded", 2),
    ]
    assert todo.sent == [
        ("add_task", {"title": "milk"}, f"{RUN_ID}/0/0"),
        ("add_task", {"title": "eggs"}, f"{RUN_ID}/0/1"),
        ("list_tasks", {}, f"{RUN_ID}/1/0"),
    ]
    assert journal.words == "I look.Both are on your list."


def without(steps: Sequence[ModelStep], *places: tuple[int, int]) -> tuple[ModelStep, ...]:
    """Take outcomes out of a journal: the process died before they were written."""
    return tuple(
        replace(
            step,
            calls=tuple(
                replace(past, outcome=None) if (past.call.response_ordinal, past.call.call_index) in places else past
                for past in step.calls
            ),
        )
        for step in steps
    )


@pytest.mark.parametrize(
    ("steps", "lost", "sent"),
    [
        pytest.param(1, [], ["1/0"], id="after the first response's calls"),
        pytest.param(1, [(0, 1)], ["0/1", "1/0"], id="in the middle of them"),
        pytest.param(1, [(0, 0), (0, 1)], ["0/0", "0/1", "1/0"], id="before them"),
        pytest.param(2, [], [], id="after the second response's call"),
        pytest.param(2, [(1, 0)], ["1/0"], id="before it"),
    ],
)
async def test_a_run_that_was_broken_off_goes_on_as_if_it_had_not(
    steps: int, lost: list[tuple[int, int]], sent: list[str]
) -> None:
    whole, journal, _ = await uninterrupted()
    done = without(journal.done()[:steps], *lost)
    model, again, todo = StreamingModel(*TWO_STEPS[steps:]), MemoryJournal(), MemoryTodo()
    answer = await agent_of(model, todo).answer(replace(TURN, done=done), again)
    assert answer.text == "Both are on your list."
    assert model.inputs == whole.inputs[steps:]
    assert keys(todo) == sent
    assert [entry for entry in again.entries if entry[0] == "responded"] == [
        ("responded", ordinal) for ordinal in range(steps, 3)
    ]
    assert [key for key, _ in again.outcomes.items()] == [tuple(map(int, key.split("/"))) for key in sent]
    assert "I look." not in again.words or steps == 1


async def test_reasoning_is_sent_back_as_it_came() -> None:
    whole, _, _ = await uninterrupted()
    thoughts = [item for item in whole.inputs[-1] if item.get("type") == "reasoning"]
    assert [thought["encrypted_content"] for thought in thoughts] == ["secret-1", "secret-2"]
    assert thoughts[0]["summary"] == [{"type": "summary_text", "text": "two at once"}]


async def test_refused_calls_are_replayed_with_the_same_words() -> None:
    replies: list[Reply] = [
        [call("fly", '{"to": "moon"}'), call("add_task", "[]"), call("add_task")],
        [assistant_message("Done.")],
    ]
    whole, journal, todo = StreamingModel(*replies), MemoryJournal(), MemoryTodo()
    await agent_of(whole, todo).answer(TURN, journal)
    assert keys(todo) == ["0/2"]
    model, todo = StreamingModel(replies[1]), MemoryTodo()
    await agent_of(model, todo).answer(replace(TURN, done=journal.done()), MemoryJournal())
    assert model.inputs == whole.inputs[1:]
    assert todo.sent == []


async def test_rounds_are_counted_over_all_attempts() -> None:
    _, journal, _ = await uninterrupted()
    model = StreamingModel(TWO_STEPS[2])
    with pytest.raises(ModelFailedError, match="within 2 rounds"):
        await agent_of(model, rounds=2).answer(replace(TURN, done=journal.done()), MemoryJournal())
    assert model.inputs == []


async def test_a_call_whose_tool_is_no_longer_on_offer_is_sent_again_all_the_same() -> None:
    _, journal, _ = await uninterrupted()
    done = without(journal.done(), (1, 0))
    todo = MemoryTodo(tool("add_task"))
    model = StreamingModel(TWO_STEPS[2])
    await agent_of(model, todo).answer(replace(TURN, done=done), MemoryJournal())
    assert keys(todo) == ["1/0"]
    outputs = [item["output"] for item in model.inputs[0] if item.get("type") == "function_call_output"]
    assert json.loads(outputs[-1])["did"] == ["list_tasks", f"{RUN_ID}/1/0"]


@pytest.mark.parametrize("error", [ToolsUnavailableError("gone"), ToolsTimeoutError("late")])
async def test_a_call_without_an_outcome_ends_the_run_with_the_call_pending(error: Exception) -> None:
    todo, journal = MemoryTodo(), MemoryJournal()
    todo.failures[f"{RUN_ID}/0/0"] = error
    with pytest.raises(type(error), match=str(error)):
        await agent_of(StreamingModel(*TWO_STEPS), todo).answer(TURN, journal)
    assert keys(todo) == ["0/0"], "what comes after it is not sent"
    assert [past.outcome for past in journal.done()[0].calls] == [None, None]


async def test_a_stop_while_a_call_is_under_way_waits_for_its_outcome_and_sends_nothing_more() -> None:
    todo, journal = MemoryTodo(), MemoryJournal()
    todo.before = journal.stop
    with pytest.raises(StoppedError):
        await agent_of(StreamingModel(*TWO_STEPS), todo).answer(TURN, journal)
    assert keys(todo) == ["0/0"]
    assert list(journal.outcomes) == [(0, 0)]


async def test_a_stop_while_the_model_speaks_comes_out_as_it_is() -> None:
    journal = MemoryJournal()

    async def talk() -> AsyncIterator[TResponseStreamEvent]:
        yield delta("Well, ")
        await asyncio.sleep(30)

    model = StreamingModel(talk)
    running = asyncio.create_task(agent_of(model).answer(TURN, journal))
    await model.streaming.wait()
    journal.stop()
    with pytest.raises(StoppedError):
        await running
    assert (model.closed, journal.words) == (1, "Well, ")


@pytest.mark.parametrize("method", ["check_owned", "responded", "call_ended", "text"])
async def test_what_the_journal_raises_comes_out_as_it_is(method: str) -> None:
    class LostError(Exception):
        pass

    def lose(*_: Any) -> None:
        raise LostError("the run is somebody else's")

    journal = MemoryJournal()
    setattr(journal, method, lose)
    with pytest.raises(LostError):
        await agent_of(StreamingModel(*TWO_STEPS)).answer(TURN, journal)


@pytest.mark.parametrize(
    ("approval", "asked"),
    [
        ("never", []),
        ("destructive", ["delete_task", "say_nothing"]),
        ("always", ["add_task", "delete_task", "say_nothing"]),
    ],
)
async def test_which_calls_wait_for_approval(approval: Approval, asked: list[str]) -> None:
    todo = MemoryTodo(
        tool("add_task", destructive_hint=False), tool("delete_task", destructive_hint=True), tool("say_nothing")
    )
    journal = MemoryJournal()
    names = ["add_task", "delete_task", "say_nothing"]
    model = StreamingModel([call(name) for name in names], [assistant_message("Done.")])
    answering = agent_of(model, todo, approval).answer(TURN, journal)
    if asked:
        with pytest.raises(ApprovalNeededError):
            await answering
        assert todo.sent == []
    else:
        await answering
        assert len(todo.sent) == 3
    assert [past.call.tool_name for past in journal.steps[0].calls if past.awaits_approval] == asked


async def test_a_read_only_tool_is_not_destructive() -> None:
    todo = MemoryTodo(tool("list_tasks", read_only_hint=True))
    model = StreamingModel([call("list_tasks")], [assistant_message("Nothing.")])
    assert (await agent_of(model, todo, "destructive").answer(TURN, MemoryJournal())).text == "Nothing."


async def test_after_the_decision_what_was_approved_is_sent_and_what_was_denied_is_told() -> None:
    journal, todo = MemoryJournal(), MemoryTodo()
    calls: Reply = [call("delete_task", '{"task_id": 1}'), call("delete_task", '{"task_id": 2}')]
    with pytest.raises(ApprovalNeededError):
        await agent_of(StreamingModel(calls), todo, "destructive").answer(TURN, journal)
    waiting = journal.done()
    with pytest.raises(ApprovalNeededError):
        await agent_of(StreamingModel(), todo, "never").answer(replace(TURN, done=waiting), journal)
    approved, denied = waiting[0].calls
    no = ToolOutcome('{"error":"The user said no."}', is_error=True)
    decided = replace(
        waiting[0],
        calls=(replace(approved, awaits_approval=False), replace(denied, awaits_approval=False, outcome=no)),
    )
    model = StreamingModel([assistant_message("One is gone.")])
    answer = await agent_of(model, todo, "destructive").answer(replace(TURN, done=(decided,)), MemoryJournal())
    assert answer.text == "One is gone."
    assert keys(todo) == ["0/0"]
    outputs = [item["output"] for item in model.inputs[0] if item.get("type") == "function_call_output"]
    assert outputs[1] == no.result


def earlier(*outcomes: ToolOutcome | None) -> PastRun:
    calls = [
        PastCall(ToolCall(0, index, "add_task", f'{{"title":"{index}"}}'), outcome)
        for index, outcome in enumerate(outcomes)
    ]
    return PastRun(OLD_RUN, "add some", calls, "", "failed")


async def test_calls_of_earlier_runs_are_settled_before_the_model_is_asked() -> None:
    known = ToolOutcome('{"task_id":1}', is_error=False)
    turn = replace(TURN, history=(earlier(known, None),))
    model, journal, todo = StreamingModel([assistant_message("Ok.")]), MemoryJournal(), MemoryTodo()
    await agent_of(model, todo).answer(turn, journal)
    assert todo.settled_keys == [f"{OLD_RUN}/0/1"]
    ((run_id, settled, outcome),) = journal.past
    assert (run_id, settled.call_index, outcome.is_error) == (OLD_RUN, 1, True)
    outputs = [item["output"] for item in model.inputs[0] if item.get("type") == "function_call_output"]
    assert outputs == [known.result, outcome.result]


async def test_a_call_that_cannot_be_settled_is_told_as_not_known() -> None:
    turn = replace(TURN, history=(earlier(None, None), replace(earlier(None), run_id=RUN_ID[:-1] + "e")))
    model, journal, todo = StreamingModel([assistant_message("Ok.")]), MemoryJournal(), MemoryTodo()
    todo.failures[f"{OLD_RUN}/0/1"] = ToolsUnavailableError("gone")
    await agent_of(model, todo).answer(turn, journal)
    assert todo.settled_keys == [f"{OLD_RUN}/0/0", f"{OLD_RUN}/0/1"], "no further call is asked about"
    assert [settled.call_index for _, settled, _ in journal.past] == [0]
    outputs = [item["output"] for item in model.inputs[0] if item.get("type") == "function_call_output"]
    assert outputs[1:] == [NOT_KNOWN, NOT_KNOWN]


async def test_a_stopped_run_settles_nothing() -> None:
    journal, todo = MemoryJournal(), MemoryTodo()
    journal.stop()
    with pytest.raises(StoppedError):
        await agent_of(StreamingModel(), todo).answer(replace(TURN, history=(earlier(None),)), journal)
    assert todo.settled_keys == []


async def test_settle_names_the_call_by_its_place_in_its_run() -> None:
    todo = MemoryTodo()
    outcome = await agent_of(StreamingModel(), todo).settle("ann", OLD_RUN, ToolCall(2, 1, "add_task", '{"a":1}'))
    assert outcome.is_error
    assert todo.settled_keys == [f"{OLD_RUN}/2/1"]


async def test_what_the_model_refuses_is_its_answer_and_told_to_readers() -> None:
    refusal = ResponseOutputRefusal(type="refusal", refusal="I won't.")
    message = ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[refusal])

    async def refuse() -> AsyncIterator[TResponseStreamEvent]:
        for item in ("I ", "won't."):
            event = delta(item)
            event.type = "response.refusal.delta"
            yield event
        yield completed([message])

    journal = MemoryJournal()
    assert (await agent_of(StreamingModel(refuse)).answer(TURN, journal)).text == "I won't."
    assert journal.words == "I won't."


async def test_an_empty_answer_is_none() -> None:
    with pytest.raises(ModelFailedError, match="no answer"):
        await agent_of(StreamingModel([assistant_message("  ")])).answer(TURN, MemoryJournal())
