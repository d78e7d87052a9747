"""Writing the end of a run, or its pause, from the process that owns it, whatever the database says or does not say.

Every transaction is guarded by status and attempt, so one that follows a success changes nothing. After a connection
that was lost in COMMIT the run is read again: what stands there under one's own attempt was written.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from chat_api.conversations import repository as conversations
from chat_api.database import Connection, Database, DatabaseUnavailableError
from chat_api.journal import events
from chat_api.journal import repository as journal
from chat_api.journal.log import RunLog
from chat_api.journal.problems import RunLostError
from chat_api.journal.records import StoredEvent
from chat_api.messages import repository as messages
from chat_api.runs import repository
from chat_api.runs.ending import Closing, Ended, Ender, Ending, Started
from chat_api.runs.repository import RunRecord

PAUSE_SECONDS: Final = 0.2
"""Between two tries to write to a database that does not answer."""
CLOSING_EVENTS_MAX: Final = 1000
"""More events than a run's last transaction ever writes."""


class _NothingToEndError(Exception):
    """The run has ended or is somebody else's: rolls back what the transaction took of the conversation for its end."""


class Closer:
    """Closes the logs of this process's runs."""

    def __init__(self, database: Database, ender: Ender, approval_expires_seconds: float) -> None:
        self._database = database
        self._ender = ender
        self._approval_expires_seconds = approval_expires_seconds

    async def end(self, started: Started, log: RunLog, ending: Ending) -> Ended:
        """Write a run's end, and write it again where the database did not say whether it has.

        Every try is guarded by status and attempt, so one that follows a success changes nothing.
        """
        measured = log.stopwatch.measured(dt.datetime.now(dt.UTC))
        await log.drain()
        run = replace(started.run, status="running")
        ending = replace(ending, usage=log.usage, uncounted=log.uncounted, measured=measured)
        answer = ending.answer if ending.status == "completed" else None

        def closing(last: str) -> list[StoredEvent]:
            return log.closing(last, answer=answer)

        while True:
            try:
                ended = await self._write(run, ending, closing)
                if ended is None:
                    ended = await self._ended_before(run, ending, log)
                break
            except DatabaseUnavailableError:
                if not log.holds():
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
        log.published(ended.events)
        log.close()
        return ended

    async def _write(self, run: RunRecord, ending: Ending, closing: Closing) -> Ended | None:
        with suppress(_NothingToEndError):
            async with self._database.writing() as connection:
                ended = await self._ender.end(connection, run, ending, closing, dt.datetime.now(dt.UTC))
                if ended is None:
                    raise _NothingToEndError
                return ended
        return None

    async def _ended_before(self, run: RunRecord, ending: Ending, log: RunLog) -> Ended:
        """Return the end that an earlier try has written without hearing of it.

        A run that it promoted has an owner who does not know: it is taken over when its lease has passed.

        Raises:
            RunLostError: There is none; the run is somebody else's.
        """
        async with self._database.reading() as connection:
            stored = await repository.get(connection, run.user_id, run.run_id)
            if stored is None or (stored.attempt, stored.status) != (run.attempt, ending.status):
                raise RunLostError("The run is another process's by now.")
            answers = await messages.answers(connection, run.user_id, [run.run_id])
            last = await _events_behind(connection, log)
        return Ended(run, ending.status, answers.get(run.run_id, (None, ""))[0], last, None)

    async def pause(self, started: Started, log: RunLog) -> bool:
        """Let the run wait for the user's decision; False where it is to stop instead."""
        measured = log.stopwatch.measured(dt.datetime.now(dt.UTC))
        await log.drain()
        while True:
            try:
                async with self._database.writing() as connection:
                    # As every move of a run, so that a stop meets it either before its pause or after.
                    await conversations.lock(connection, log.key.user_id, started.run.conversation_id)
                    expires_at = await repository.pause(
                        connection, log.key, self._approval_expires_seconds, log.usage, measured
                    )
                    if expires_at is not None:
                        await journal.insert_events(
                            connection, log.key.user_id, log.key.run_id, self._interrupted(started, log, expires_at)
                        )
                async with self._database.reading() as connection:
                    stored = await repository.get(connection, log.key.user_id, log.key.run_id)
                    last = await _events_behind(connection, log)
                break
            except DatabaseUnavailableError:
                if not log.holds():
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
        if stored is None or stored.attempt != log.key.attempt:
            raise RunLostError("The run is another process's by now.")
        if stored.status == "running":
            return False
        log.published(last)
        log.close()
        return True

    def _interrupted(self, started: Started, log: RunLog, expires_at: float) -> list[StoredEvent]:
        until = dt.datetime.fromtimestamp(expires_at, dt.UTC).isoformat()
        requests = [
            events.ApprovalRequest(call.call_id, f"May the assistant call {call.tool_name}?", until)
            for call in log.calls.values()
            if call.awaits_approval
        ]
        return log.closing(events.run_finished(started.thread_id, started.wire_run_id, requests))


async def _events_behind(connection: Connection, log: RunLog) -> Sequence[StoredEvent]:
    """Return what is stored of a run behind what its log knows of."""
    name = (log.key.user_id, log.key.run_id)
    return (await journal.events_after(connection, [(*name, log.last_n)], CLOSING_EVENTS_MAX)).get(name, [])
