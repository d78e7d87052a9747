"""The rules of a run around each response of its model."""

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import openai
import pytest
from agents import FunctionTool, ModelResponse, ModelSettings, ModelTracing
from agents.items import TResponseOutputItem, TResponseStreamEvent
from agents.testing import assistant_message
from chat_api.agent.errors import ApprovalNeededError, ModelFailedError, ModelTimeoutError, StoppedError
from chat_api.agent.model import RunModel
from chat_api.agent.turn import ModelStep, PastCall, ToolCall, Turn, Usage
from openai.types.responses import (
    ResponseCompletedEvent,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
)

from tests.unit.chat_api.agent.fakes import (
    RUN_ID,
    MemoryJournal,
    Reply,
    StreamingModel,
    call,
    completed,
    delta,
    reasoning,
)

KEY = "sk-a-key-of-these-tests"
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
USAGE = type("Reported", (), {"input_tokens": 11, "output_tokens": 7})()


async def no_tool(*_: Any) -> str:
    raise AssertionError("the model calls no tool by itself")


TOOLS = [FunctionTool(name, "", {"type": "object"}, no_tool) for name in ("add_task", "list_tasks")]


def run_model(
    *replies: Reply, journal: MemoryJournal | None = None, timeout: float = 5, done: tuple[ModelStep, ...] = ()
) -> RunModel:
    turn = Turn("ann", RUN_ID, "hello", (), NOW, done)
    return RunModel(StreamingModel(*replies), turn, journal or MemoryJournal(), timeout)


async def ask(model: RunModel) -> ModelResponse:
    return await model.get_response(
        None, "hello", ModelSettings(), list(TOOLS), None, [], ModelTracing.DISABLED,
        previous_response_id=None, conversation_id=None, prompt=None,
    )  # fmt: skip


async def answered(*replies: Reply) -> tuple[list[list[TResponseOutputItem]], RunModel, MemoryJournal]:
    journal = MemoryJournal()
    model = run_model(*replies, journal=journal)
    return [(await ask(model)).output for _ in replies], model, journal


def streaming(*events: TResponseStreamEvent | Exception | float) -> Callable[[], AsyncIterator[TResponseStreamEvent]]:
    """Stream events, raise exceptions, and dawdle for so many seconds."""

    async def stream() -> AsyncIterator[TResponseStreamEvent]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            if isinstance(event, float):
                await asyncio.sleep(event)
            else:
                yield event

    return stream


async def test_calls_get_the_runs_ids_whatever_the_providers_are() -> None:
    outputs, model, journal = await answered(
        [call("add_task", call_id=""), call("add_task", call_id="")],
        [call("list_tasks", call_id="")],
    )
    ids = [item.call_id for output in outputs for item in output if isinstance(item, ResponseFunctionToolCall)]
    assert len(set(ids)) == 3
    assert list(model.calls) == ids
    calls = [past.call for step in journal.steps for past in step.calls]
    assert [(one.response_ordinal, one.call_index) for one in calls] == [(0, 0), (0, 1), (1, 0)]
    journalled = [item["call_id"] for step in journal.steps for item in json.loads(step.items)]
    assert journalled == ids


async def test_calls_are_journalled_before_the_response_is_handed_on() -> None:
    class Refusing(MemoryJournal):
        async def responded(self, step: ModelStep, usage: Usage) -> None:
            raise LookupError("the run is somebody else's")

    with pytest.raises(LookupError):
        await ask(run_model([call("add_task")], journal=Refusing()))
    _, _, journal = await answered([call("add_task", '{ "title" : "milk" }')])
    (step,) = journal.steps
    assert step.calls == [PastCall(ToolCall(0, 0, "add_task", '{"title":"milk"}'), None)]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ("", "{}"),
        ("  ", "{}"),
        ('{"a": "b\\u0000c"}', '{"a":"bc"}'),
        ('{"a": "\\ud800"}', '{"a":"�"}'),
        ('{"a": 1, "a": 2}', '{"a":2}'),
    ],
)
async def test_arguments_are_made_one_clean_json_object(arguments: str, sent: str) -> None:
    outputs, model, _ = await answered([call("add_task", arguments)])
    item = outputs[0][0]
    assert isinstance(item, ResponseFunctionToolCall)
    assert item.arguments == sent
    assert model.calls[item.call_id].arguments == sent
    assert model.outcomes == {}


@pytest.mark.parametrize(
    "arguments",
    ["{broken", "[1]", '"text"', "null", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', "[" * 5000, '{"a":' * 5000],
)
async def test_arguments_that_are_no_object_are_refused_and_the_refusal_is_journalled(arguments: str) -> None:
    outputs, model, journal = await answered([call("add_task", arguments)])
    item = outputs[0][0]
    assert isinstance(item, ResponseFunctionToolCall)
    assert item.arguments == "{}"
    refusal = model.outcomes[item.call_id]
    assert refusal.is_error
    assert "must be one JSON object" in json.loads(refusal.result)["error"]
    assert len(refusal.result) < 1000
    assert [past.outcome for past in journal.steps[0].calls] == [refusal]


async def test_an_unknown_tool_is_refused_by_name() -> None:
    outputs, model, journal = await answered([call("fly\x00_away", '{"to": "moon"}'), call("add_task")])
    names = [item.name for item in outputs[0] if isinstance(item, ResponseFunctionToolCall)]
    assert names == ["fly__away", "add_task"]
    (refusal,) = model.outcomes.values()
    assert json.loads(refusal.result) == {"error": "Tool 'fly_away' not found."}
    first, second = journal.steps[0].calls
    assert (first.call.tool_name, first.outcome) == ("fly__away", refusal)
    assert (second.call.tool_name, second.outcome) == ("add_task", None)
    assert first.call.arguments == '{"to":"moon"}'


async def test_texts_are_made_fit_for_storage() -> None:
    outputs, _, journal = await answered([assistant_message("a\x00b \ud800")])
    assert outputs[0][0].model_dump()["content"][0]["text"] == "ab �"
    assert journal.steps == []


async def test_items_are_journalled_as_they_came_reasoning_included() -> None:
    thought = reasoning("first look", 1)
    _, _, journal = await answered([thought, call("list_tasks", id="fc_1", status="completed")])
    items = json.loads(journal.steps[0].items)
    assert items[0] == {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "first look"}],
        "encrypted_content": "secret-1",
        "provider_data": {"model": "m", "nested": [1]},
    }
    assert (items[1]["name"], items[1]["id"]) == ("list_tasks", "fc_1")


async def test_what_cannot_be_stored_is_cleaned_from_the_journal_and_from_what_goes_on() -> None:
    outputs, _, journal = await answered([reasoning("a\x00b\ud83d", 1), call("list_tasks")])
    text = journal.steps[0].items
    assert "\x00" not in text
    assert "u0000" not in text
    assert text.encode()
    assert [item.model_dump(exclude_unset=True) for item in outputs[0]] == json.loads(text)
    assert json.loads(text)[0]["summary"][0]["text"] == "ab�"


async def test_words_are_told_as_they_come_and_the_cost_is_counted_once() -> None:
    told: list[str] = []

    class Listening(MemoryJournal):
        def text(self, delta: str) -> None:
            told.append(delta)

    journal = Listening()
    end = completed([assistant_message("Milk \U0001f600 is on it.")], usage=USAGE)
    pieces = [delta(piece) for piece in ("Milk ", "\ud83d", "\ude00", " is\x00 on it.")]
    await ask(run_model(streaming(*pieces, end), journal=journal))
    assert told == ["Milk ", "\U0001f600", " is on it."]
    assert journal.usage == Usage(1, 11, 7)


async def test_words_that_came_in_no_pieces_are_told_at_the_end() -> None:
    journal = MemoryJournal()
    await ask(run_model(streaming(completed([assistant_message("All at once.")])), journal=journal))
    assert journal.words == "All at once."
    assert journal.usage == Usage(1)


async def test_items_that_only_came_by_themselves_are_the_response() -> None:
    done = ResponseOutputItemDoneEvent.construct(
        type="response.output_item.done", item=call("add_task"), output_index=0, sequence_number=0
    )
    outputs, _, journal = await answered(streaming(done, completed([])))
    assert [item.type for item in outputs[0]] == ["function_call"]
    assert len(journal.steps) == 1


async def test_a_slow_model_times_out_and_its_stream_is_closed() -> None:
    inner = StreamingModel(streaming(delta("Well, "), 30.0))
    model = RunModel(inner, Turn("ann", RUN_ID, "hello", (), NOW), MemoryJournal(), 0.05)
    with pytest.raises(ModelTimeoutError, match="did not answer in time"):
        await ask(model)
    assert inner.closed == 1


@pytest.mark.parametrize("events", [[], [delta("half an ans")]], ids=["nothing", "half"])
async def test_a_stream_that_ends_before_its_response_is_the_models_failure(
    events: list[TResponseStreamEvent], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelFailedError, match="failed to answer"):
        await ask(run_model(streaming(*events)))
    assert RUN_ID in caplog.text


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ResponseFailedEvent.construct(type="response.failed", response=None), "failed to answer"),
        (
            ResponseFailedEvent.construct(
                type="response.failed", response={"error": {"code": "rate_limit_exceeded", "message": KEY}}
            ),
            "limiting",
        ),
        (ResponseIncompleteEvent.construct(type="response.incomplete", response={}), "failed to answer"),
        (ResponseErrorEvent.construct(type="error", code="server_error", message=KEY), "failed to answer"),
    ],
)
async def test_a_response_that_breaks_off_is_the_models_failure(
    event: TResponseStreamEvent, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelFailedError, match=words) as failed:
        await ask(run_model(streaming(delta("half"), event)))
    assert KEY not in f"{failed.value}{caplog.text}"


async def test_what_a_broken_off_response_cost_is_counted() -> None:
    journal = MemoryJournal()
    broken = ResponseIncompleteEvent.construct(type="response.incomplete", response={"usage": vars(type(USAGE))})
    broken.response.usage = USAGE
    with pytest.raises(ModelFailedError):
        await ask(run_model(streaming(broken), journal=journal))
    assert (journal.usage, journal.steps) == (Usage(1, 11, 7), [])


@pytest.mark.parametrize("end", [ConnectionResetError("late"), 30.0], ids=["a lost connection", "an open end"])
async def test_how_a_stream_ends_behind_its_response_changes_nothing(
    end: Exception | float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_api.agent.stream.TAIL_SECONDS", 0.01)
    outputs, _, _ = await answered(streaming(completed([assistant_message("Done.")]), end))
    assert len(outputs[0]) == 1


async def test_a_stop_ends_the_request_at_once() -> None:
    journal = MemoryJournal()
    inner = StreamingModel(streaming(delta("Let me "), 30.0))
    model = RunModel(inner, Turn("ann", RUN_ID, "hello", (), NOW), journal, 60)
    asking = asyncio.create_task(ask(model))
    await inner.streaming.wait()
    journal.stop()
    with pytest.raises(StoppedError):
        async with asyncio.timeout(5):
            await asking
    assert inner.closed == 1
    assert (journal.words, journal.entries) == ("Let me ", [])


async def test_a_stopped_run_asks_no_model() -> None:
    journal = MemoryJournal()
    journal.stop()
    inner = StreamingModel([assistant_message("no")])
    with pytest.raises(StoppedError):
        await ask(RunModel(inner, Turn("ann", RUN_ID, "hello", (), NOW), journal, 5))
    assert inner.inputs == []


async def test_a_stop_between_the_check_and_the_stream_is_not_missed() -> None:
    class StoppedJustNow(MemoryJournal):
        def check_owned(self) -> None:
            self.stopped = True

    with pytest.raises(StoppedError):
        await ask(run_model(streaming(delta("a"), 30.0), journal=StoppedJustNow()))


async def test_a_response_that_was_complete_when_the_stop_came_is_journalled() -> None:
    journal = MemoryJournal()

    async def stop_behind_the_end() -> AsyncIterator[TResponseStreamEvent]:
        yield completed([call("add_task")])
        journal.stop()
        await asyncio.sleep(30)

    await ask(run_model(stop_behind_the_end, journal=journal))
    assert len(journal.steps) == 1


async def test_a_cancelled_task_closes_the_stream() -> None:
    inner = StreamingModel(streaming(delta("a"), 30.0))
    model = RunModel(inner, Turn("ann", RUN_ID, "hello", (), NOW), MemoryJournal(), 60)
    asking = asyncio.create_task(ask(model))
    await inner.streaming.wait()
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    assert inner.closed == 1


async def test_what_the_journal_raises_is_not_the_models_failure() -> None:
    class Full(MemoryJournal):
        def text(self, delta: str) -> None:
            raise ValueError("no more room")

    with pytest.raises(ValueError, match="no more room"):
        await ask(run_model([assistant_message("hello")], journal=Full()))


async def test_journalled_responses_are_given_again_and_the_places_go_on() -> None:
    outputs, _, journal = await answered(
        [reasoning("hm", 1), call("add_task", '{"title": "milk"}'), call("fly")], [call("list_tasks")]
    )
    again = MemoryJournal()
    model = run_model([call("add_task")], journal=again, done=journal.done())
    replayed = [(await ask(model)).output for _ in range(3)]
    for first, second in zip(outputs, replayed, strict=False):
        assert [type(item) for item in second] == [type(item) for item in first]
        assert [item.model_dump(exclude_unset=True) for item in second] == [
            item.model_dump(exclude_unset=True) for item in first
        ]
    assert again.entries == [("responded", 2)]
    assert len(model.calls) == 4
    assert [json.loads(outcome.result) for outcome in model.outcomes.values()] == [{"error": "Tool 'fly' not found."}]


async def test_a_response_whose_call_needs_approval_is_journalled_and_goes_no_further() -> None:
    journal = MemoryJournal()
    turn = Turn("ann", RUN_ID, "hello", (), NOW)
    replies = [call("list_tasks"), call("add_task"), call("add_task", "[]")]
    with pytest.raises(ApprovalNeededError):
        await ask(RunModel(StreamingModel(replies), turn, journal, 5, ask_first={"add_task"}))
    waiting = [past.awaits_approval for past in journal.steps[0].calls]
    assert waiting == [False, True, False], "what is refused anyway needs nobody's approval"
    with pytest.raises(ApprovalNeededError):
        await ask(run_model(done=journal.done()))


REQUEST = httpx2.Request("POST", "https://model.invalid/v1/responses")


def status_error(kind: Callable[..., openai.APIStatusError], status: int) -> openai.APIStatusError:
    return kind(f"Incorrect key {KEY}", response=httpx2.Response(status, request=REQUEST), body=None)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (status_error(openai.AuthenticationError, 401), "credentials"),
        (status_error(openai.PermissionDeniedError, 403), "credentials"),
        (status_error(openai.RateLimitError, 429), "limiting"),
        (status_error(openai.InternalServerError, 500), "failed to answer"),
        (openai.APIConnectionError(message=KEY, request=REQUEST), "cannot be reached"),
        (KeyError(KEY), "failed to answer"),
    ],
)
async def test_a_models_failure_is_told_without_its_text(
    error: Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelFailedError) as failed:
        await ask(run_model(error))
    assert words in str(failed.value)
    assert failed.value.__cause__ is None
    assert KEY not in f"{failed.value}{caplog.text}"
    assert RUN_ID in caplog.text


async def test_the_clients_own_time_out_is_one() -> None:
    with pytest.raises(ModelTimeoutError):
        await ask(run_model(openai.APITimeoutError(REQUEST)))


def call_without_arguments() -> TResponseOutputItem:
    broken = ResponseFunctionToolCall(type="function_call", name="add_task", arguments="", call_id="1")
    broken.__dict__["arguments"] = None
    return broken


@pytest.mark.parametrize(
    "event",
    [
        completed([call_without_arguments()], usage=USAGE),
        completed([ResponseOutputMessage.construct(type="message", content=None)]),
        completed([], usage={"input_tokens": "many"}),
        completed(7),
        ResponseCompletedEvent.construct(type="response.completed", response=None),
        delta(None),
        delta(7),
        delta(["a"]),
    ],
)
async def test_an_answer_of_the_wrong_shape_is_the_models_failure(event: TResponseStreamEvent) -> None:
    with pytest.raises(ModelFailedError, match="cannot be used"):
        await ask(run_model(streaming(event)))


async def test_an_unusable_answer_is_counted_all_the_same() -> None:
    journal = MemoryJournal()
    with pytest.raises(ModelFailedError, match="cannot be used"):
        await ask(run_model(streaming(completed([call_without_arguments()], usage=USAGE)), journal=journal))
    assert (journal.usage, journal.steps) == (Usage(1, 11, 7), [])
