"""What an owner measures: each step's own times, and the write before it."""

import datetime as dt

import pytest
from chat_api.agent.turn import ModelStep, ToolCall, ToolOutcome, Usage
from chat_api.journal import stopwatch
from chat_api.journal.records import Measured, ModelTimes, SentCall
from chat_api.journal.stopwatch import Stopwatch

CALL, OTHER = ToolCall(0, 0, "add_task", "{}"), ToolCall(0, 1, "add_task", "{}")
DONE = ToolOutcome("{}", is_error=False)
STEP = ModelStep(0, "[]", ())


def at(second: int) -> dt.datetime:
    """Return what the clock says when it is read for the `second`th time."""
    return dt.datetime(2026, 3, 1, 12, 0, second, tzinfo=dt.UTC)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    """A stopwatch whose clock goes on by a second each time that it is read, beginning at 1."""
    reads = iter(range(1, 60))
    monkeypatch.setattr(stopwatch, "_now", lambda: at(next(reads)))
    return Stopwatch()


def test_a_response_tells_when_it_was_asked_for_and_the_next_entry_when_it_was_stored(watch: Stopwatch) -> None:
    watch.sends(None)
    watch.speaks()
    watch.speaks()
    response = watch.response(STEP, Usage(1, 2, 3))
    assert (response.asked_at, response.first_word_at, response.created_at) == (at(1), at(2), at(3))
    assert response.previous_stored_at is None
    watch.stored()
    watch.sends(CALL)
    ended = watch.outcome(CALL, DONE)
    assert (ended.previous_stored_at, ended.sent_at, ended.at) == (at(4), at(5), at(6))
    watch.stored()
    assert watch.measured(at(50)) == Measured(at(50), at(7))


def test_a_call_that_was_not_sent_has_no_time_of_sending(watch: Stopwatch) -> None:
    watch.sends(CALL)
    assert watch.outcome(OTHER, DONE).sent_at is None
    watch.stored()
    assert watch.outcome(CALL, DONE).sent_at is None


def test_the_last_step_is_the_model_call_or_the_tool_call_that_the_journal_does_not_have(watch: Stopwatch) -> None:
    assert watch.measured(at(50)) == Measured(at(50))
    watch.sends(None)
    assert watch.measured(at(50)) == Measured(at(50), model=ModelTimes(at(1)))
    watch.answered(Usage(1, 20, 5))
    assert watch.measured(at(50)) == Measured(at(50), model=ModelTimes(at(1), None, at(2), 20, 5))
    watch.stored()
    watch.sends(CALL)
    assert watch.measured(at(50)) == Measured(at(50), at(3), call=SentCall(0, 0, at(4)))


def test_what_comes_before_anything_was_asked_for_is_not_measured(watch: Stopwatch) -> None:
    watch.speaks()
    watch.answered(Usage(1, 2, 3))
    assert watch.measured(at(50)) == Measured(at(50))


def test_what_was_measured_passes_through_a_text() -> None:
    whole = Measured(at(9), at(8), ModelTimes(at(1), at(2), at(3), 20, 5), SentCall(1, 2, at(7)))
    for measured in (whole, Measured(at(9))):
        assert Measured.load(measured.dump()) == measured
