"""A run's stored times, put together into the steps that it took. What was not measured stays unknown."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from chat_api.journal.records import Measured
from chat_api.runs.repository import RunRecord
from chat_api.runs.states import AttemptEnding, RunStatus
from chat_api.timeline.repository import AttemptRecord, CallTimes, ResponseTimes, RunTimes

Kind = Literal["queued", "attempt", "model", "tool", "journal", "commit", "approval"]
Outcome = Literal[
    # The run's status, as far as an attempt or what it committed is concerned, and whatever waits or was stopped.
    "queued",
    "running",
    "requires_action",
    "completed",
    "failed",
    "cancelled",
    # Of an attempt that another one has followed.
    "lost",
    "released",
    # Of a wait.
    "begun",
    "decided",
    # Of a model call.
    "calls",
    "answer",
    "stopped",
    # Of a tool call.
    "done",
    "refused",
    "not_sent",
    "no_outcome",
    "open",
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One step. A time that is None is not known, or not yet."""

    kind: Kind
    attempt: int | None
    began_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    outcome: Outcome | None = None
    error_type: str | None = None
    error_detail: str | None = None
    response: int | None = None
    """Which of the run's model responses it is about, counted from 0."""
    first_word_at: dt.datetime | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    call: CallTimes | None = None


@dataclass(frozen=True, slots=True)
class _Attempt:
    number: int
    began_at: dt.datetime | None = None
    paused_at: dt.datetime | None = None
    """When it came to wait for approvals. That was its end, even where the run was stopped while it waited."""
    ended_at: dt.datetime | None = None
    ending: RunStatus | AttemptEnding | None = None
    """None where nothing is known of it."""
    error_type: str | None = None
    error_detail: str | None = None
    measured: Measured | None = None

    @property
    def is_paused(self) -> bool:
        return self.ending == "requires_action" or self.paused_at is not None


def entries(
    run: RunRecord,
    times: RunTimes,
    earlier: Sequence[AttemptRecord],
    responses: Sequence[ResponseTimes],
    calls: Sequence[CallTimes],
) -> list[Entry]:
    """Return the steps of a run in the order in which they were taken."""
    attempts = _attempts(run, times, earlier)
    found: list[Entry] = []
    if times.queued_at is not None:
        first = attempts[0]
        waits = first.ending == "queued"
        never_began = first.ending == "cancelled" and first.began_at is None and not responses
        ended_at = first.ended_at if never_began else first.began_at
        outcome: Outcome = "queued" if waits else "cancelled" if never_began else "begun"
        found.append(Entry("queued", None, times.queued_at, ended_at, outcome))
        if waits or never_began:
            attempts = attempts[1:]
    steps = _steps(run, attempts, responses, calls)
    for attempt, following in zip(attempts, [*attempts[1:], None], strict=False):
        found.append(_whole(attempt))
        found += steps.get(attempt.number, ())
        found += _last_step(attempt, calls)
        found += _end(attempt, following)
    return found


def _attempts(run: RunRecord, times: RunTimes, earlier: Sequence[AttemptRecord]) -> list[_Attempt]:
    attempts = {number: _Attempt(number) for number in range(1, run.attempt)}
    for row in earlier:
        attempts[row.attempt] = _Attempt(
            row.attempt,
            row.began_at,
            row.paused_at,
            row.ended_at,
            row.ending,
            row.error_type,
            row.error_detail,
            _measured(row.measured),
        )
    # Where a release took the run over that knows nothing of times, they are those of an earlier attempt.
    is_timed = times.timed_attempt == run.attempt
    attempts[run.attempt] = _Attempt(
        run.attempt,
        times.attempt_began_at if is_timed else None,
        times.paused_at if is_timed else None,
        run.ended_at,
        run.status,
        run.error_type,
        run.error_detail,
        _measured(times.measured) if is_timed else None,
    )
    return [attempts[number] for number in sorted(attempts)]


def _measured(text: str | None) -> Measured | None:
    return None if text is None else Measured.load(text)


def _whole(attempt: _Attempt) -> Entry:
    if attempt.is_paused:
        return Entry("attempt", attempt.number, attempt.began_at, attempt.paused_at, "requires_action")
    return Entry(
        "attempt",
        attempt.number,
        attempt.began_at,
        attempt.ended_at,
        attempt.ending,
        error_type=attempt.error_type,
        error_detail=attempt.error_detail,
    )


def _steps(
    run: RunRecord, attempts: Sequence[_Attempt], responses: Sequence[ResponseTimes], calls: Sequence[CallTimes]
) -> dict[int, list[Entry]]:
    """Return the journalled steps, by the attempt in which they are shown: where that is unknown, the first."""
    rows: list[ResponseTimes | CallTimes] = sorted([*responses, *calls], key=_place)
    stored = _stored(attempts, rows)
    in_vain = {
        (sent.response_ordinal, sent.call_index)
        for attempt in attempts
        if attempt.measured is not None and (sent := attempt.measured.call) is not None
    }
    asked_in = {response.response_ordinal: response.attempt for response in responses}
    steps: dict[int, list[Entry]] = defaultdict(list)
    for row in rows:
        # Of a run that was begun once only, it is known whoever wrote it.
        number = 1 if run.attempt == 1 else row.attempt
        shown = steps[number or asked_in.get(row.response_ordinal) or attempts[0].number]
        if isinstance(row, ResponseTimes):
            shown.append(_response(row, number))
        elif row.result is not None or run.status == "running" or _place(row) not in in_vain:
            shown.append(_call(row, number))
        if _is_journalled(row):
            call = row if isinstance(row, CallTimes) else None
            handed_over = row.created_at if isinstance(row, ResponseTimes) else row.ended_at
            shown.append(
                Entry("journal", number, handed_over, stored.get(_place(row)), response=row.response_ordinal, call=call)
            )
    return steps


def _place(row: ResponseTimes | CallTimes) -> tuple[int, int]:
    return (row.response_ordinal, row.call_index if isinstance(row, CallTimes) else -1)


def _is_journalled(row: ResponseTimes | CallTimes) -> bool:
    """Tell whether a row was written, or written again, by an owner who measured: calls may come with an outcome."""
    return row.attempt is not None and not (isinstance(row, CallTimes) and _came_with_its_response(row))


def _came_with_its_response(call: CallTimes) -> bool:
    return call.ended_at == call.requested_at


def _stored(
    attempts: Sequence[_Attempt], rows: Sequence[ResponseTimes | CallTimes]
) -> dict[tuple[int, int], dt.datetime | None]:
    """Return when each journal entry was known to be stored, which is told by what its owner wrote next."""
    stored: dict[tuple[int, int], dt.datetime | None] = {}
    for attempt in attempts:
        written = [row for row in rows if row.attempt == attempt.number and _is_journalled(row)]
        stored |= {_place(row): later.previous_stored_at for row, later in pairwise(written)}
        if written and attempt.measured is not None:
            stored[_place(written[-1])] = attempt.measured.stored_at
    return stored


def _response(row: ResponseTimes, attempt: int | None) -> Entry:
    return Entry(
        "model",
        attempt,
        row.asked_at,
        row.created_at,
        "calls",
        response=row.response_ordinal,
        first_word_at=row.first_word_at,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
    )


def _call(row: CallTimes, attempt: int | None) -> Entry:
    is_closed_unsent = row.approval == "denied" or (row.approval == "pending" and row.result is not None)
    outcome: Outcome
    if row.result is None:
        outcome = "open"
    elif is_closed_unsent or (row.attempt is not None and _came_with_its_response(row)):
        outcome = "not_sent"
    else:
        outcome = "refused" if row.is_error else "done"
    return Entry("tool", attempt, row.sent_at, row.ended_at, outcome, response=row.response_ordinal, call=row)


def _last_step(attempt: _Attempt, calls: Sequence[CallTimes]) -> list[Entry]:
    """Return the attempt's last model call, or the tool call whose outcome did not come, where it has one."""
    measured = attempt.measured
    steps: list[Entry] = []
    if measured is not None and measured.model is not None:
        model = measured.model
        outcome: Outcome = "stopped"
        if attempt.ending in ("completed", "failed"):
            outcome = "answer" if attempt.ending == "completed" else "failed"
        steps.append(
            Entry(
                "model",
                attempt.number,
                model.asked_at,
                model.responded_at or measured.closing_at,
                outcome,
                first_word_at=model.first_word_at,
                input_tokens=model.input_tokens,
                output_tokens=model.output_tokens,
            )
        )
    if measured is not None and measured.call is not None:
        sent = measured.call
        steps += [
            Entry(
                "tool",
                attempt.number,
                sent.sent_at,
                measured.closing_at,
                "no_outcome",
                response=sent.response_ordinal,
                call=call,
            )
            for call in calls
            if _place(call) == (sent.response_ordinal, sent.call_index)
        ]
    return steps


def _end(attempt: _Attempt, following: _Attempt | None) -> list[Entry]:
    """Return what was committed at the end of an attempt, and the wait for the user where that is how it ended."""
    began_at = attempt.measured.closing_at if attempt.measured else None
    ends: list[Entry] = []
    if attempt.is_paused:
        ends.append(Entry("commit", attempt.number, began_at, attempt.paused_at, "requires_action"))
        is_stopped = attempt.ending == "cancelled"
        decided_at = attempt.ended_at if is_stopped else following.began_at if following else None
        outcome: Outcome = "cancelled" if is_stopped else "decided" if following else "requires_action"
        ends.append(Entry("approval", attempt.number, attempt.paused_at, decided_at, outcome))
        began_at = None
    if attempt.ending in ("completed", "failed", "cancelled"):
        ends.append(Entry("commit", attempt.number, began_at, attempt.ended_at, attempt.ending))
    return ends
