"""A run's log: what its agent writes, what its owner writes at the end, and what both hear when that cannot be."""

import asyncio
import json
from typing import Any

import pytest
from chat_api.agent.errors import StoppedError
from chat_api.agent.turn import ModelStep, PastCall, ToolCall, ToolOutcome, Usage
from chat_api.journal.events import Message
from chat_api.journal.keys import RunKey
from chat_api.journal.log import TEXT_SECONDS, UNREAD_SECONDS, JournalError, RunLog
from chat_api.journal.problems import RunLostError
from chat_api.journal.records import Entry, StoredEvent, ToolCallRecord

KEY = RunKey("ann", "0197-run", 1)
CALL = ToolCall(0, 0, "add_task", '{"title":"milk"}')
SECOND = ToolCall(0, 1, "nonsense", "{}")
DONE = ToolOutcome('{"task_id":1}', is_error=False)
REFUSED = ToolOutcome('{"error":"no such tool"}', is_error=True)
COST = Usage(1, 10, 3)
FINISHED = '{"type":"RUN_FINISHED"}'


class ManualWriter:
    """Writes when the test says so."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.settled_calls: list[tuple[str, str, ToolCall, ToolOutcome]] = []

    def gathered(self, log: RunLog, *, within: float) -> None:
        self.waits.append(within)

    async def settled(self, user_id: str, run_id: str, call: ToolCall, outcome: ToolOutcome) -> None:
        self.settled_calls.append((user_id, run_id, call, outcome))


@pytest.fixture
def writer() -> ManualWriter:
    """A writer that only listens."""
    return ManualWriter()


@pytest.fixture
def log(writer: ManualWriter) -> RunLog:
    """The log of a run that begins."""
    return RunLog(writer, KEY, 1, lambda: True)


def store(log: RunLog) -> Entry | None:
    """Write whatever is gathered."""
    entry = log.take()
    log.written()
    return entry


def types(events: list[StoredEvent]) -> list[str]:
    return [json.loads(event.data)["type"] for event in events]


def said(events: list[StoredEvent]) -> str:
    return "".join(json.loads(event.data).get("delta", "") for event in events)


async def begun(task: Any) -> "asyncio.Task[None]":
    """Let a write begin."""
    running = asyncio.create_task(task)
    await asyncio.sleep(0)
    return running


def asks(*calls: PastCall) -> ModelStep:
    return ModelStep(0, "[]", calls)


async def test_words_are_joined_and_kept_from_readers_until_they_are_stored(log: RunLog, writer: ManualWriter) -> None:
    log.text("  Hel")
    log.text("lo")
    assert log.after(0) == []
    assert types(log.take().events) == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"]  # type: ignore[union-attr]
    log.text(" you")
    assert log.after(0) == []
    log.written()
    assert said(log.after(0)) == "Hello"
    store(log)
    assert said(log.after(0)) == "Hello you"
    assert log.partial_text == "Hello you"


async def test_words_that_somebody_reads_wait_less_and_the_first_not_at_all(log: RunLog, writer: ManualWriter) -> None:
    log.text("One")
    log.is_read = True
    log.text(" two")
    store(log)
    log.text(" three")
    writing = await begun(log.responded(asks(PastCall(CALL, None)), COST))
    store(log)
    await writing
    assert writer.waits == [UNREAD_SECONDS, 0, TEXT_SECONDS, 0]


async def test_white_space_around_an_answer_is_never_sent(log: RunLog) -> None:
    log.text(" \n")
    assert log.take() is None
    for delta in ("One", " ", "\n", "two", " \n"):
        log.text(delta)
        store(log)
    assert said(log.after(0)) == "One \ntwo"
    assert types(log.closing(answer="One \ntwo")) == ["TEXT_MESSAGE_END"]


async def test_a_response_with_calls_is_one_entry_and_durable_when_it_returns(
    log: RunLog, writer: ManualWriter
) -> None:
    log.text("I add it. ")
    writing = await begun(
        log.responded(asks(PastCall(CALL, None, awaits_approval=True), PastCall(SECOND, REFUSED)), COST)
    )
    entry = log.take()
    assert entry is not None
    assert types(entry.events) == [
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        *["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"] * 2,
        "TOOL_CALL_RESULT",
    ]
    parents = [json.loads(event.data).get("parentMessageId") for event in entry.events]
    assert [parent for parent in parents if parent] == [f"{KEY.run_id}:1"] * 2
    assert [(call.call, call.outcome, call.approval) for call in entry.calls] == [
        (CALL, None, "pending"),
        (SECOND, REFUSED, None),
    ]
    await asyncio.sleep(0)
    assert not writing.done()
    assert log.calls == {}
    log.written()
    await writing
    assert list(log.calls.values()) == entry.calls
    assert log.partial_text == ""
    assert (log.usage, log.uncounted) == (COST, Usage())


async def test_an_outcome_is_journalled_once(log: RunLog) -> None:
    writing = await begun(log.responded(asks(PastCall(CALL, None)), COST))
    store(log)
    await writing
    ending = await begun(log.call_ended(CALL, DONE))
    entry = store(log)
    await ending
    assert entry is not None
    assert types(entry.events) == ["TOOL_CALL_RESULT"]
    assert [(end.call, end.outcome) for end in entry.outcomes] == [(CALL, DONE)]
    assert log.calls[0, 0].outcome == DONE
    await log.call_ended(CALL, REFUSED)
    assert log.take() is None
    assert log.calls[0, 0].outcome == DONE


async def test_a_final_response_costs_and_writes_nothing(log: RunLog) -> None:
    await log.responded(ModelStep(0, "[]", ()), COST)
    assert log.take() is None
    assert (log.usage, log.uncounted) == (COST, COST)


async def test_a_recovered_log_goes_on_where_it_ended(writer: ManualWriter) -> None:
    record = ToolCallRecord.of(KEY.run_id, PastCall(CALL, None))
    message = Message(f"{KEY.run_id}:6", "Hel", is_inherited=True)
    log = RunLog(writer, KEY, 9, lambda: True, [record], COST, message)
    assert log.partial_text == "Hel"
    assert (log.last_n, log.after(8)) == (8, [])
    log.text("Good day")
    entry = store(log)
    assert entry is not None
    assert [event.n for event in entry.events] == [9, 10, 11, 12]
    assert types(entry.events) == ["TEXT_MESSAGE_END", "CUSTOM", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"]
    ending = await begun(log.call_ended(CALL, DONE))
    store(log)
    await ending
    assert log.calls[0, 0].outcome == DONE


async def test_a_recovered_log_whose_run_is_stopped_keeps_its_words(writer: ManualWriter) -> None:
    log = RunLog(writer, KEY, 9, lambda: True, message=Message(f"{KEY.run_id}:6", "Hel", is_inherited=True))
    assert types(log.closing(FINISHED)) == ["TEXT_MESSAGE_END", "RUN_FINISHED"]


async def test_the_end_may_be_composed_again_and_otherwise(log: RunLog) -> None:
    log.text("Hel")
    store(log)
    log.text("lo")
    await log.drain()
    log.text(" you")
    assert log.take() is None
    answered = log.closing(FINISHED, answer="Hello you there")
    assert log.closing(FINISHED, answer="Hello you there") == answered
    stopped = log.closing(FINISHED)
    assert (said(answered), said(stopped)) == ("lo you there", "lo you")
    assert [event.n for event in stopped] == [3, 4, 5]
    assert types(stopped) == ["TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"]
    assert log.partial_text == "Hello you"
    log.published(stopped)
    log.close()
    assert log.after(2) == stopped
    assert log.is_closed


async def test_an_answer_that_was_never_streamed_is_written_whole(log: RunLog) -> None:
    await log.drain()
    closing = log.closing(FINISHED, answer="I will not do that.")
    assert types(closing) == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"]
    assert said(closing) == "I will not do that."


async def test_draining_waits_for_what_is_on_its_way_and_for_what_is_behind_it(log: RunLog) -> None:
    log.append('{"type":"RUN_STARTED"}')
    assert log.take() is not None
    log.append('{"type":"CUSTOM"}')
    draining = await begun(log.drain())
    with pytest.raises(RuntimeError):
        log.closing()
    log.written()
    await asyncio.sleep(0)
    assert not draining.done()
    store(log)
    await draining
    assert types(log.after(0)) == ["RUN_STARTED", "CUSTOM"]


async def test_others_events_must_be_the_next_ones(log: RunLog) -> None:
    log.published([])
    log.published([StoredEvent(1, "{}"), StoredEvent(2, "{}")])
    with pytest.raises(RuntimeError):
        log.published([StoredEvent(2, "{}")])
    log.append("{}")
    with pytest.raises(RuntimeError):
        log.published([StoredEvent(4, "{}")])


async def test_a_stop_calls_back_once(log: RunLog) -> None:
    calls: list[str] = []
    with log.on_stop(lambda: calls.append("during")):
        log.check_owned()
        log.request_stop()
        log.request_stop()
    with log.on_stop(lambda: calls.append("late")):
        pass
    with pytest.raises(StoppedError):
        log.check_owned()
    assert calls == ["during", "late"]


async def test_a_callback_whose_context_is_over_is_not_called(log: RunLog) -> None:
    calls: list[str] = []
    with log.on_stop(lambda: calls.append("over")):
        pass
    log.request_stop()
    assert calls == []


async def test_a_lost_log_tells_everybody_and_writes_nothing_more(log: RunLog) -> None:
    calls: list[str] = []
    log.append("{}")
    store(log)
    waiting = [await begun(log.responded(asks(PastCall(CALL, None)), COST))]
    assert log.take() is not None
    draining = await begun(log.drain())
    with log.on_stop(lambda: calls.append("stop")):
        log.lost()
        log.lost()
    log.written()
    for task in waiting:
        with pytest.raises(RunLostError):
            await task
    await draining
    for refused in (log.responded(asks(PastCall(CALL, None)), COST), log.call_ended(CALL, DONE)):
        with pytest.raises(RunLostError):
            await refused
    with pytest.raises(RunLostError):
        log.check_owned()
    log.text("unheard")
    assert log.take() is None
    assert calls == ["stop"]
    assert log.last_n == 1


async def test_a_lease_that_may_have_passed_forbids_to_go_on(writer: ManualWriter) -> None:
    log = RunLog(writer, KEY, 1, lambda: False)
    with pytest.raises(RunLostError):
        log.check_owned()
    assert not log.lost_ownership


async def test_what_cannot_be_stored_is_forgotten_and_the_end_is_written_behind_what_is(log: RunLog) -> None:
    log.text("Hello")
    store(log)
    writing = await begun(log.responded(asks(PastCall(CALL, None)), COST))
    log.take()
    log.failed(JournalError("it cannot be stored"))
    for failing in (writing, log.responded(ModelStep(1, "[]", ()), COST), log.call_ended(CALL, DONE)):
        with pytest.raises(JournalError):
            await failing
    with pytest.raises(JournalError):
        log.check_owned()
    await log.drain()
    closing = log.closing(FINISHED)
    assert [event.n for event in closing] == [3, 4]
    assert types(closing) == ["TEXT_MESSAGE_END", "RUN_FINISHED"]
    assert log.partial_text == "Hello"


async def test_a_waiter_that_went_away_disturbs_nobody(log: RunLog) -> None:
    writing = await begun(log.responded(asks(PastCall(CALL, None)), COST))
    log.take()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    log.written()
    assert log.last_n == 3
    log.lost()


async def test_an_earlier_runs_outcome_is_passed_on(log: RunLog, writer: ManualWriter) -> None:
    await log.settled("earlier", CALL, DONE)
    assert writer.settled_calls == [(KEY.user_id, "earlier", CALL, DONE)]
