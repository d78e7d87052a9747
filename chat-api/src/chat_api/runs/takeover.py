"""Going on with runs: recovery of lapsed ones, retries, and decisions. One mechanism for all three.

The run's next attempt begins with what its journal holds. What was asked and done before is replayed from there;
calls without an outcome are sent again under their effect keys.
"""

import datetime as dt
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from todo_chat_shared.effects import EFFECT_KEY_DAYS

from chat_api.agent.text import compact_json
from chat_api.agent.turn import ToolOutcome, Usage
from chat_api.conversations import repository as conversations
from chat_api.database import Connection, Database
from chat_api.journal import events
from chat_api.journal import repository as journal
from chat_api.journal.composer import Composer
from chat_api.journal.records import Decision, StoredEvent, ToolCallRecord, model_steps
from chat_api.leases import repository as leases
from chat_api.messages import repository as messages
from chat_api.problems import InvalidRequestError
from chat_api.runs import problems, repository
from chat_api.runs.ending import Ended, Ender, Ending, Started
from chat_api.runs.repository import RunRecord
from chat_api.runs.states import RETRIABLE
from chat_api.usage.service import Quotas

logger = logging.getLogger(__name__)

RECOVERIES_MAX: Final = 3
"""Takeovers in a row that may find nothing new in the journal: what kills its process every time is given up."""


@dataclass(frozen=True, slots=True)
class CallDecision:
    """What the user decided on one call."""

    tool_call_id: str
    approve: bool
    reason: str | None = None


class Takeover:
    """Takes runs over for this process."""

    def __init__(self, database: Database, quotas: Quotas, ender: Ender, *, lease_seconds: float) -> None:
        self._database = database
        self._quotas = quotas
        self._ender = ender
        self._lease_seconds = lease_seconds

    async def recover(self, run: RunRecord) -> Started | Ended | None:
        """Go on with a run whose lease has passed; None where somebody else did, or its owner is back.

        One that was taken over again and again without coming on is ended as failed.
        """
        async with self._database.writing() as connection:
            # The conversation first, as whoever ends a run does: giving this one up may begin the next one in it.
            await conversations.lock(connection, run.user_id, run.conversation_id)
            since = time.monotonic()
            taken = await leases.take_over(connection, run, self._lease_seconds, lapsed=True)
            if taken is None:
                return None
            started = await self._load(connection, taken, since)
            if _lacks_responses(started) or (taken.has_outlived_its_keys and _is_unsettled(started.calls)):
                return await self._give_up(connection, started)
            started = await _tell_outcomes(connection, started)
            entries = len(started.steps) + sum(call.result is not None for call in started.calls)
            # A run that was released in good order, which is -1, was not lost however much its journal has grown.
            comes_on = entries != taken.journal_mark and taken.recoveries >= 0
            recoveries = 1 if comes_on else taken.recoveries + 1
            if recoveries <= RECOVERIES_MAX or taken.cancel_requested:
                await leases.note_recovery(connection, taken.key, recoveries=recoveries, journal_mark=entries)
                return started
            return await self._give_up(connection, started)

    async def _give_up(self, connection: Connection, started: Started) -> Ended | None:
        run = started.run
        logger.error("run %s is given up: it was taken over in vain, or too late", run.run_id)
        composer = Composer(run.run_id, started.last_n + 1, started.message)
        composer.end_text()

        def closing(last: str) -> list[StoredEvent]:
            composer.add(last)
            return composer.events

        ending = Ending(
            "failed",
            usage=started.usage,
            error_type=problems.InterruptedProblem.type,
            error_detail=problems.INTERRUPTED_DETAIL,
            unsettled=_is_unsettled(started.calls),
        )
        return await self._ender.end(connection, run, ending, closing, dt.datetime.now(dt.UTC))

    async def retry(self, user_id: str, run_id: str) -> Started:
        """Go on with a run that failed or was stopped.

        Raises:
            RunNotFoundError: The user has no such run.
            NotRetriableError: It is neither failed nor cancelled, or not the newest of its conversation.
            RunActiveError: It was stopped while it waited for a run that is still at work.
            RateLimitedError, QuotaExceededError: The user has used up a limit.
        """
        async with self._database.writing() as connection:
            run = await _get(connection, user_id, run_id)
            conversation = await conversations.lock(connection, user_id, run.conversation_id)
            run = await _get(connection, user_id, run_id)
            if run.status not in RETRIABLE:
                raise problems.NotRetriableError(f"The run is {run.status}; one that failed or was stopped can be.")
            if run.has_outlived_its_keys:
                raise problems.NotRetriableError(f"The message is over {EFFECT_KEY_DAYS} days old. Send it again.")
            if conversation is None or conversation.last_run_id != run_id:
                raise problems.NotRetriableError("The conversation has gone on since. Send the message again.")
            active = await repository.active_run(connection, user_id, run.conversation_id)
            if active is not None:
                raise problems.RunActiveError(
                    "The conversation is still working on an earlier message. Wait for its answer.",
                    run_id=active.run_id,
                )
            await self._quotas.admit(connection, user_id, dt.datetime.now(dt.UTC))
            since = time.monotonic()
            taken = await leases.take_over(connection, run, self._lease_seconds)
            if taken is None:
                raise problems.NotRetriableError("The run has just been gone on with. Look at it again.")
            await messages.remove_pair(connection, user_id, run_id)
            if run.replaces is not None:
                # It may have taken its place when it was stopped, and it may fail now.
                await repository.mark_replaced(connection, user_id, run.replaces, replaced=False)
            started = await self._load(connection, taken, since)
            if _lacks_responses(started):
                raise problems.NotRetriableError("An earlier release began the run. Send the message again.")
            # Its end was not the end: readers from now on are not told of it. Schema 0001's code ends runs without one.
            last = await journal.last_event(connection, user_id, run_id)
            if last is not None and events.closes_run(last.data):
                await journal.retract_event(connection, user_id, run_id, last.n)
            return await _tell_outcomes(connection, started)

    async def decide(self, user_id: str, run_id: str, decisions: Sequence[CallDecision]) -> Started:
        """Go on with a run that waits for the user's decisions.

        Raises:
            RunNotFoundError: The user has no such run.
            DecidedError: It waits for none, or the time for it is over.
            InvalidRequestError: The decisions are not exactly those that it waits for.
        """
        async with self._database.writing() as connection:
            run = await _get(connection, user_id, run_id)
            await conversations.lock(connection, user_id, run.conversation_id)
            since = time.monotonic()
            taken = await leases.take_over(connection, run, self._lease_seconds, decided=True)
            if taken is None or run.status != "requires_action":
                raise problems.DecidedError("The run waits for no decision. Look at its state.")
            started = await self._load(connection, taken, since)
            return await self._decide(connection, started, _match(started.calls, decisions))

    async def expire(self, run: RunRecord) -> Started | None:
        """Deny the calls of a run that has waited too long; None where they were decided on."""
        async with self._database.writing() as connection:
            await conversations.lock(connection, run.user_id, run.conversation_id)
            since = time.monotonic()
            taken = await leases.take_over(connection, run, self._lease_seconds, decided=False)
            if taken is None:
                return None
            started = await self._load(connection, taken, since)
            denial = _denial("nobody decided in time")
            waiting = [Decision(call.response_ordinal, call.call_index, denial) for call in _waiting(started.calls)]
            return await self._decide(connection, started, waiting)

    async def _decide(self, connection: Connection, started: Started, decisions: Sequence[Decision]) -> Started:
        run = started.run
        await journal.decide(connection, run.user_id, run.run_id, decisions, dt.datetime.now(dt.UTC))
        denials = {(decision.response_ordinal, decision.call_index): decision.denial for decision in decisions}
        calls = [_decided(call, denials) for call in started.calls]
        composer = Composer(run.run_id, started.last_n + 1, None)
        composer.add(events.run_started(started.thread_id, started.wire_run_id))
        for call in calls:
            denial = denials.get((call.response_ordinal, call.call_index))
            if denial is not None:
                composer.add(events.tool_result(call.call_id, denial))
        await journal.insert_events(connection, run.user_id, run.run_id, composer.events)
        responses = await journal.responses(connection, run.user_id, run.run_id)
        return replace(started, calls=calls, steps=model_steps(responses, calls), last_n=composer.next_n - 1)

    async def _load(self, connection: Connection, run: RunRecord, since: float) -> Started:
        """Read what the next attempt begins with, in the transaction that made it the run's."""
        conversation = await conversations.lock(connection, run.user_id, run.conversation_id)
        thread_id = None if conversation is None else conversation.client_thread_id
        started = await self._ender.starting(connection, run, since, client_thread_id=thread_id)
        responses = await journal.responses(connection, run.user_id, run.run_id)
        calls = (await journal.tool_calls(connection, run.user_id, [run.run_id])).get(run.run_id, [])
        last = await journal.last_event(connection, run.user_id, run.run_id)
        journalled = sum((response.usage for response in responses), Usage())
        return replace(
            started,
            steps=model_steps(responses, calls),
            calls=calls,
            last_n=0 if last is None else last.n,
            message=await journal.last_message(connection, run.user_id, run.run_id),
            # The row has what an attempt cost that ended; one that was lost is known by its journal alone.
            usage=max(run.usage, journalled, key=lambda usage: usage.requests),
        )


async def _get(connection: Connection, user_id: str, run_id: str) -> RunRecord:
    run = await repository.get(connection, user_id, run_id)
    if run is None:
        raise problems.RunNotFoundError("You have no such run.")
    return run


async def _tell_outcomes(connection: Connection, started: Started) -> Started:
    """Append the outcomes that the run's readers are not told yet: of calls that were settled when it had ended."""
    known = {call.call_id: call.outcome for call in started.calls if call.outcome is not None}
    if not known:
        return started
    run = started.run
    told = await journal.results_told(connection, run.user_id, run.run_id)
    composer = Composer(run.run_id, started.last_n + 1, started.message)
    for name, outcome in known.items():
        if name not in told:
            composer.leave_text()
            composer.add(events.tool_result(name, outcome))
    await journal.insert_events(connection, run.user_id, run.run_id, composer.events)
    return replace(started, last_n=composer.next_n - 1, message=composer.message)


def _lacks_responses(started: Started) -> bool:
    """Tell whether calls were journalled without the responses that asked for them, as by schema 0001's code.

    Such a run cannot be replayed: its model, asked anew, would word the calls otherwise and do them once more.
    """
    return not {call.response_ordinal for call in started.calls} <= {step.ordinal for step in started.steps}


def _is_unsettled(calls: Sequence[ToolCallRecord]) -> bool:
    return any(call.is_unsettled for call in calls)


def _waiting(calls: Sequence[ToolCallRecord]) -> list[ToolCallRecord]:
    return [call for call in calls if call.awaits_approval]


def _match(calls: Sequence[ToolCallRecord], decisions: Sequence[CallDecision]) -> list[Decision]:
    """Return the decisions by call.

    Raises:
        InvalidRequestError: They are not exactly one for each call that waits.
    """
    waiting = {call.call_id: call for call in _waiting(calls)}
    given = [decision.tool_call_id for decision in decisions]
    if sorted(given) != sorted(waiting):
        wanted = ", ".join(waiting)
        detail = f"must decide once on each call that waits: {wanted}"
        raise InvalidRequestError(f"decisions: {detail}", errors=[{"field": "decisions", "detail": detail}])
    return [
        Decision(
            waiting[decision.tool_call_id].response_ordinal,
            waiting[decision.tool_call_id].call_index,
            None if decision.approve else _denial(decision.reason),
        )
        for decision in decisions
    ]


def _denial(reason: str | None) -> ToolOutcome:
    said = "The user did not allow this call" + (f": {reason}" if reason else ".")
    return ToolOutcome(compact_json({"error": said}), is_error=True)


def _decided(call: ToolCallRecord, denials: dict[tuple[int, int], ToolOutcome | None]) -> ToolCallRecord:
    place = (call.response_ordinal, call.call_index)
    if place not in denials:
        return call
    denial = denials[place]
    if denial is None:
        return replace(call, approval="approved")
    return replace(call, approval="denied", result=denial.result, is_error=True)
