"""What a timeline makes of a run's rows: each step once, in its place, and nothing that was not measured."""

import datetime as dt
from dataclasses import replace

from chat_api.journal.records import Measured, ModelTimes, SentCall
from chat_api.runs.repository import RunRecord
from chat_api.runs.states import RunStatus
from chat_api.timeline.entries import Entry, Outcome, entries
from chat_api.timeline.repository import AttemptRecord, CallTimes, ResponseTimes, RunTimes


def at(seconds: float) -> dt.datetime:
    """Return an instant, in seconds after the run was sent."""
    return dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)


RUN = RunRecord("ann", "run", 1, 1, "completed", "hello", "UTC", at(0), ended_at=at(9))
ANSWERED = Measured(at(8), at(6), ModelTimes(at(7), at(7.5), at(7.9), 20, 5))
TIMES = RunTimes(None, at(0), 1, None, ANSWERED.dump())
UNKNOWN = RunTimes(None, None, None, None, None)
RESPONSE = ResponseTimes(0, 1, at(1), None, at(2), None, 10, 3)
CALL = CallTimes(0, 0, "add_task", "{}", '{"task_id":1}', False, None, 1, at(2), at(4), at(5), at(3))


def told(found: list[Entry]) -> list[tuple[object, ...]]:
    """Return of each entry its kind, attempt, outcome, beginning and end, in seconds."""
    return [
        (entry.kind, entry.attempt, entry.outcome, *(_seconds(time) for time in (entry.began_at, entry.ended_at)))
        for entry in found
    ]


def _seconds(time: dt.datetime | None) -> float | None:
    return None if time is None else (time - at(0)).total_seconds()


def test_every_step_stands_in_its_order_and_a_write_is_timed_by_the_one_behind_it() -> None:
    assert told(entries(RUN, TIMES, [], [RESPONSE], [CALL])) == [
        ("attempt", 1, "completed", 0, 9),
        ("model", 1, "calls", 1, 2),
        ("journal", 1, None, 2, 3),
        ("tool", 1, "done", 4, 5),
        ("journal", 1, None, 5, 6),
        ("model", 1, "answer", 7, 7.9),
        ("commit", 1, "completed", 8, 9),
    ]


def test_what_the_models_calls_cost_is_told_of_each() -> None:
    models = [entry for entry in entries(RUN, TIMES, [], [RESPONSE], [CALL]) if entry.kind == "model"]
    assert [(entry.input_tokens, entry.output_tokens) for entry in models] == [(10, 3), (20, 5)]
    assert [entry.first_word_at for entry in models] == [None, at(7.5)]


def test_of_rows_without_times_nothing_is_made_up() -> None:
    response = replace(RESPONSE, attempt=None, asked_at=None)
    call = replace(CALL, attempt=None, sent_at=None, previous_stored_at=None)
    # It was begun once, so all of it is the first attempt's, whoever wrote it.
    assert told(entries(RUN, UNKNOWN, [], [response], [call])) == [
        ("attempt", 1, "completed", None, 9),
        ("model", 1, "calls", None, 2),
        ("tool", 1, "done", None, 5),
        ("commit", 1, "completed", None, 9),
    ]


def test_an_earlier_releases_takeover_leaves_the_attempts_without_times() -> None:
    run = replace(RUN, attempt=2)
    response = replace(RESPONSE, attempt=None, asked_at=None)
    # The row still has what was measured of attempt 1.
    assert told(entries(run, TIMES, [], [response], [])) == [
        ("attempt", 1, None, None, None),
        ("model", None, "calls", None, 2),
        ("attempt", 2, "completed", None, 9),
        ("commit", 2, "completed", None, 9),
    ]


def test_steps_stand_with_the_attempt_that_took_them() -> None:
    """Lost with a call under way, which the next attempt sends again."""
    run = replace(RUN, attempt=2)
    lost = AttemptRecord(1, at(0), None, at(3), "lost", None, None, None)
    call = replace(CALL, attempt=2, previous_stored_at=None)
    found = entries(run, replace(TIMES, attempt_began_at=at(3.5), timed_attempt=2), [lost], [RESPONSE], [call])
    assert told(found) == [
        ("attempt", 1, "lost", 0, 3),
        ("model", 1, "calls", 1, 2),
        # Its owner did not live to write when that was stored.
        ("journal", 1, None, 2, None),
        ("attempt", 2, "completed", 3.5, 9),
        ("tool", 2, "done", 4, 5),
        ("journal", 2, None, 5, 6),
        ("model", 2, "answer", 7, 7.9),
        ("commit", 2, "completed", 8, 9),
    ]


def test_a_call_whose_outcome_did_not_come_is_shown_with_every_attempt_that_sent_it() -> None:
    run = replace(RUN, attempt=2)
    measured = Measured(at(3.4), at(2.5), call=SentCall(0, 0, at(3)))
    failed = AttemptRecord(1, at(0), None, at(3.5), "failed", "todo-server-timeout", "No answer.", measured.dump())
    times = replace(TIMES, attempt_began_at=at(3.8), timed_attempt=2)
    found = entries(run, times, [failed], [RESPONSE], [replace(CALL, attempt=2, previous_stored_at=None)])
    assert told(found)[:6] == [
        ("attempt", 1, "failed", 0, 3.5),
        ("model", 1, "calls", 1, 2),
        ("journal", 1, None, 2, 2.5),
        ("tool", 1, "no_outcome", 3, 3.4),
        ("commit", 1, "failed", 3.4, 3.5),
        ("attempt", 2, "completed", 3.8, 9),
    ]
    assert (found[0].error_type, found[0].error_detail) == ("todo-server-timeout", "No answer.")
    assert [entry.outcome for entry in found if entry.kind == "tool"] == ["no_outcome", "done"]


def test_a_call_that_is_open_is_shown_once() -> None:
    open_call = replace(CALL, result=None, is_error=None, attempt=None, sent_at=None, ended_at=None)
    running = replace(RUN, status="running", ended_at=None)
    [shown] = [entry for entry in entries(running, TIMES, [], [RESPONSE], [open_call]) if entry.kind == "tool"]
    assert (shown.outcome, shown.began_at, shown.ended_at) == ("open", None, None)
    failed = replace(RUN, status="failed")
    times = replace(TIMES, measured=Measured(at(8), call=SentCall(0, 0, at(3))).dump())
    [shown] = [entry for entry in entries(failed, times, [], [RESPONSE], [open_call]) if entry.kind == "tool"]
    assert (shown.outcome, shown.began_at, shown.ended_at) == ("no_outcome", at(3), at(8))


def test_calls_that_were_never_sent_say_so() -> None:
    refused = replace(CALL, sent_at=None, ended_at=CALL.requested_at, is_error=True)
    denied = replace(CALL, call_index=1, approval="denied", attempt=None, sent_at=None, is_error=True)
    stopped = replace(CALL, call_index=2, approval="pending", attempt=None, sent_at=None, is_error=True)
    found = entries(RUN, TIMES, [], [RESPONSE], [refused, denied, stopped])
    assert [entry.outcome for entry in found if entry.kind == "tool"] == ["not_sent"] * 3
    # What came with its response was written with it, and the others by no owner.
    assert [entry.call for entry in found if entry.kind == "journal"] == [None]


def test_an_outcome_that_was_found_out_later_has_no_time_of_sending() -> None:
    settled = replace(CALL, attempt=None, sent_at=None, previous_stored_at=None)
    found = entries(RUN, TIMES, [], [RESPONSE], [settled])
    assert ("tool", 1, "done", None, 5) in told(found)


def test_a_wait_for_the_user_lies_between_two_attempts() -> None:
    paused = AttemptRecord(1, at(0), at(2.6), at(2.6), "requires_action", None, None, Measured(at(2.5), at(2.4)).dump())
    times = replace(TIMES, attempt_began_at=at(3.5), timed_attempt=2)
    found = entries(replace(RUN, attempt=2), times, [paused], [RESPONSE], [replace(CALL, attempt=2)])
    assert told(found)[:6] == [
        ("attempt", 1, "requires_action", 0, 2.6),
        ("model", 1, "calls", 1, 2),
        ("journal", 1, None, 2, 2.4),
        ("commit", 1, "requires_action", 2.5, 2.6),
        ("approval", 1, "decided", 2.6, 3.5),
        ("attempt", 2, "completed", 3.5, 9),
    ]


def test_a_wait_for_the_user_is_open_or_was_stopped() -> None:
    times = RunTimes(None, at(0), 1, at(2.6), Measured(at(2.5), at(2.4)).dump())
    waiting = replace(RUN, status="requires_action", ended_at=None)
    assert told(entries(waiting, times, [], [RESPONSE], []))[-2:] == [
        ("commit", 1, "requires_action", 2.5, 2.6),
        ("approval", 1, "requires_action", 2.6, None),
    ]
    assert told(entries(replace(RUN, status="cancelled"), times, [], [RESPONSE], []))[-3:] == [
        ("commit", 1, "requires_action", 2.5, 2.6),
        ("approval", 1, "cancelled", 2.6, 9),
        ("commit", 1, "cancelled", None, 9),
    ]


def test_a_queue_is_left_by_a_beginning_or_a_stop() -> None:
    queued = replace(RUN, status="queued", ended_at=None)
    waits = RunTimes(at(0), None, None, None, None)
    assert told(entries(queued, waits, [], [], [])) == [("queued", None, "queued", 0, None)]
    assert told(entries(replace(RUN, status="cancelled"), waits, [], [], [])) == [("queued", None, "cancelled", 0, 9)]
    begun = replace(TIMES, queued_at=at(0), attempt_began_at=at(0.5))
    assert told(entries(RUN, begun, [], [], []))[:2] == [
        ("queued", None, "begun", 0, 0.5),
        ("attempt", 1, "completed", 0.5, 9),
    ]
    # Stopped in the queue, and gone on with: the first attempt never was one.
    stopped = AttemptRecord(1, None, None, at(2), "cancelled", None, None, None)
    retried = RunTimes(at(0), at(3), 2, None, None)
    assert told(entries(replace(RUN, attempt=2), retried, [stopped], [], []))[:2] == [
        ("queued", None, "cancelled", 0, 2),
        ("attempt", 2, "completed", 3, 9),
    ]


def test_a_model_call_that_gave_no_answer_says_how_it_ended() -> None:
    unanswered = Measured(at(8), None, ModelTimes(at(7)))
    ends: list[tuple[RunStatus, Outcome]] = [("failed", "failed"), ("cancelled", "stopped")]
    for status, outcome in ends:
        run = replace(RUN, status=status)
        found = entries(run, replace(TIMES, measured=unanswered.dump()), [], [], [])
        assert told(found)[1] == ("model", 1, outcome, 7, 8)
    released = AttemptRecord(1, at(0), None, at(8), "released", None, None, unanswered.dump())
    found = entries(replace(RUN, attempt=2), UNKNOWN, [released], [], [])
    assert told(found)[:3] == [
        ("attempt", 1, "released", 0, 8),
        ("model", 1, "stopped", 7, 8),
        ("attempt", 2, "completed", None, 9),
    ]
