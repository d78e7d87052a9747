"""The end of a run: what is written in the one transaction that moves it to a state in which it rests.

The conversation's row is locked first, as admission does, and the run's second: transactions that lock in one order
never wait for each other in a circle. With the end, the oldest run that waits in the conversation begins.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from chat_api.agent.text import compact_json
from chat_api.agent.turn import ModelStep, PastRun, ToolOutcome, Usage
from chat_api.conversations import repository as conversations
from chat_api.database import Connection
from chat_api.journal import events
from chat_api.journal import repository as journal
from chat_api.journal.composer import Composer
from chat_api.journal.events import Message
from chat_api.journal.records import EndedCall, Measured, StoredEvent, ToolCallRecord
from chat_api.leases import repository as leases
from chat_api.messages import repository as messages
from chat_api.runs import repository
from chat_api.runs.history import read_history
from chat_api.runs.repository import RunRecord
from chat_api.runs.states import ACTIVE, RunStatus
from chat_api.usage import repository as usage_repository

NOT_SENT: Final = ToolOutcome(compact_json({"error": "The run was stopped before this call was sent."}), is_error=True)
"""What comes of calls that were never sent and never will be."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends."""

    status: RunStatus
    answer: str | None = None
    """The assistant's words: all of a completed run's, those that came of a cancelled one's. None: no messages."""
    usage: Usage = field(default_factory=Usage)
    """Over all the run's model calls."""
    uncounted: Usage = field(default_factory=Usage)
    """What of `usage` the user's day has not been charged with."""
    error_type: str | None = None
    error_detail: str | None = None
    unsettled: bool = False
    """Whether a call is without its outcome."""
    measured: Measured | None = None
    """What its owner has measured of that end; None where it has none."""


@dataclass(frozen=True, slots=True)
class Started:
    """A run that this process is to carry out, with all that its execution begins with."""

    run: RunRecord
    history: Sequence[PastRun]
    leased_since: float
    """Monotonic time before the lease was written."""
    client_thread_id: str | None = None
    steps: Sequence[ModelStep] = ()
    """What earlier attempts have journalled."""
    calls: Sequence[ToolCallRecord] = ()
    last_n: int = 0
    """Number of the last event that is stored."""
    message: Message | None = None
    """The text message that the stored events end with."""
    usage: Usage = field(default_factory=Usage)

    @property
    def thread_id(self) -> str:
        """The conversation, as AG-UI names it."""
        return self.client_thread_id or str(self.run.conversation_id)

    @property
    def wire_run_id(self) -> str:
        """The run, as AG-UI names it."""
        return self.run.client_run_id or self.run.run_id


Closing = Callable[[str], Sequence[StoredEvent]]
"""Given the data of a run's last event, returns all events that are still to be stored, that one included."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What the end of a run wrote."""

    run: RunRecord
    status: RunStatus
    message_id: int | None
    """The answer's number."""
    events: Sequence[StoredEvent]
    promoted: Started | None
    """The conversation's next run, which this process is to carry out now."""


class Ender:
    """Ends runs, within transactions of the caller's."""

    def __init__(self, *, lease_seconds: float, history_token_budget: int) -> None:
        self._lease_seconds = lease_seconds
        self._history_token_budget = history_token_budget

    async def end(
        self, connection: Connection, run: RunRecord, ending: Ending, closing: Closing, now: dt.datetime
    ) -> Ended | None:
        """End a run; None, and nothing is written, where it is not the caller's any more."""
        user_id, run_id = run.user_id, run.run_id
        taken = 0 if ending.answer is None else 2
        conversation = await conversations.end_run(connection, user_id, run.conversation_id, now, messages=taken)
        if conversation is None:
            return None
        ended = await repository.end(
            connection,
            run.key,
            ending.status,
            now,
            ending.usage,
            error_type=ending.error_type,
            error_detail=ending.error_detail,
            unsettled=ending.unsettled,
            measured=ending.measured,
        )
        if not ended:
            return None
        message_id = None
        if ending.answer is not None:
            message_id = conversation.last_message_id
            await messages.insert_pair(
                connection,
                user_id,
                run.conversation_id,
                run_id,
                question=run.input,
                asked_at=run.created_at,
                answer=ending.answer,
                answered_at=now,
                answer_id=message_id,
            )
            if run.replaces is not None and ending.answer:
                # One that was stopped before it said anything has nothing to put in that place.
                await repository.mark_replaced(connection, user_id, run.replaces)
        last = closing(_last_event(run, ending, conversation.client_thread_id, message_id))
        await journal.insert_events(connection, user_id, run_id, last)
        if ending.uncounted != Usage():
            await usage_repository.add(connection, user_id, now.date(), ending.uncounted)
        promoted = None
        if run.status not in ACTIVE:
            pass  # the conversation goes on with its active run
        elif conversation.deleted_at is not None:
            await conversations.remove(connection, user_id, run.conversation_id)
        elif conversation.queued_runs:
            promoted = await self.promote(connection, user_id, run.conversation_id, conversation.client_thread_id)
        return Ended(run, ending.status, message_id, last, promoted)

    async def cancel_idle(self, connection: Connection, run: RunRecord, now: dt.datetime) -> Ended | None:
        """Cancel a run that nobody works on, since it is queued or waits for approvals.

        The caller has locked the conversation.
        """
        last = await journal.last_event(connection, run.user_id, run.run_id)
        composer = Composer(run.run_id, 1 if last is None else last.n + 1, None)
        conversation = await conversations.lock(connection, run.user_id, run.conversation_id)
        # An interruption has closed the stream of a run that waits: AG-UI takes nothing more before it is opened anew.
        composer.add(_first_event(run, conversation.client_thread_id if conversation else None))
        if run.status == "queued":
            await conversations.count_queued(connection, run.user_id, run.conversation_id, -1)
        for record in await journal.open_calls(connection, run.user_id, run.run_id):
            await journal.settle_call(connection, run.user_id, run.run_id, EndedCall(record.call, NOT_SENT, now))
            composer.add(events.tool_result(record.call_id, NOT_SENT))

        def closing(last: str) -> list[StoredEvent]:
            composer.add(last)
            return composer.events

        return await self.end(connection, run, Ending("cancelled", answer="", usage=run.usage), closing, now)

    async def promote(
        self, connection: Connection, user_id: str, conversation_id: int, client_thread_id: str | None
    ) -> Started | None:
        """Begin the oldest run that waits in a conversation that the caller has locked."""
        queued = await repository.queued_runs(connection, user_id, conversation_id)
        since = time.monotonic()
        if not queued or not await leases.start(connection, queued[0].key, self._lease_seconds):
            return None
        await conversations.count_queued(connection, user_id, conversation_id, -1)
        run = replace(queued[0], status="running")
        return await self.starting(connection, run, since, client_thread_id=client_thread_id)

    async def starting(
        self, connection: Connection, run: RunRecord, leased_since: float, *, client_thread_id: str | None
    ) -> Started:
        """Return a run that begins, with its history, which is read in the transaction that begins it."""
        history = await read_history(connection, run, self._history_token_budget)
        return Started(run, history, leased_since, client_thread_id)


def _first_event(run: RunRecord, client_thread_id: str | None) -> str:
    return events.run_started(client_thread_id or str(run.conversation_id), run.client_run_id or run.run_id)


def _last_event(run: RunRecord, ending: Ending, client_thread_id: str | None, message_id: int | None) -> str:
    if ending.status == "failed":
        return events.run_error(ending.error_detail or "", ending.error_type or "", usage=ending.usage)
    return events.run_finished(
        client_thread_id or str(run.conversation_id),
        run.client_run_id or run.run_id,
        "success" if ending.status == "completed" else "cancelled",
        result={"conversation_id": run.conversation_id, "run_id": run.run_id, "message_id": message_id},
        usage=ending.usage,
    )
