"""The one writer of a process: whatever its runs' logs have gathered while it wrote goes into the next statement."""

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from chat_api.agent.turn import ToolCall, ToolOutcome
from chat_api.background import background
from chat_api.database import Database, DatabaseUnavailableError
from chat_api.journal import repository
from chat_api.journal.keys import RunKey
from chat_api.journal.log import JournalError, RunLog
from chat_api.journal.records import EndedCall, Entry

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 0.2
"""Pause before a statement is sent again to a database that did not answer."""


class JournalWriter:
    """Stores what logs gather, and tells them. A log has one entry on its way at most."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dirty: dict[RunLog, None] = {}
        """Logs that have something to write, in the order in which they said so."""
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        """When `_timer` fires, by the loop's clock; uvloop's own handle does not always know."""
        self._written_at = 0.0
        """When something was last sent to the database, by the loop's clock."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write for as long as the context lasts. Logs that are not drained before its end are lost."""
        try:
            async with background(self._run()):
                yield
        finally:
            self._cancel_timer()
            for log in self._dirty:
                log.lost()

    def gathered(self, log: RunLog, *, within: float) -> None:
        """Hear that a log has something to write, and for how many seconds that can wait."""
        self._dirty[log] = None
        if within == 0:
            self._wake.set()
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._written_at + within)
        if self._timer is None or due < self._due:
            self._cancel_timer()
            self._due = due
            self._timer = loop.call_at(due, self._text_due)

    async def settled(self, user_id: str, run_id: str, call: ToolCall, outcome: ToolOutcome) -> None:
        """Write the outcome of a call of a run which has ended, where it has none.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        async with self._database.statement() as connection:
            await repository.settle_call(connection, user_id, run_id, EndedCall(call, outcome, dt.datetime.now(dt.UTC)))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _text_due(self) -> None:
        self._timer = None
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            # All that it was set for is taken now. Left alone, it would cut the next group short.
            self._cancel_timer()
            self._written_at = asyncio.get_running_loop().time()
            dirty, self._dirty = self._dirty, {}
            batch = {log: entry for log in dirty if (entry := log.take()) is not None}
            if batch:
                try:
                    await self._write(batch)
                except asyncio.CancelledError:
                    for log in batch:
                        log.lost()
                    raise

    async def _write(self, batch: Mapping[RunLog, Entry]) -> None:
        """Store entries, however often the database has to be asked, and tell their logs what became of them."""
        while batch:
            try:
                owned = await self._append(list(batch.values()))
            except DatabaseUnavailableError as error:
                logger.warning("the journal was not written: %s", type(error.__cause__ or error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                # A lease that passed while the database was away means that somebody else may have the run by now.
                for log in [log for log in batch if not log.holds()]:
                    log.lost()
                batch = {log: entry for log, entry in batch.items() if not log.lost_ownership}
            except Exception as error:
                await self._write_apart(batch, error)
                return
            else:
                for log in batch:
                    if log.key in owned:
                        log.written()
                    else:
                        log.lost()
                return

    async def _append(self, entries: Sequence[Entry]) -> set[RunKey]:
        # What it returns counts only once the context was left without an error: that is when it is committed.
        async with self._database.statement() as connection:
            return await repository.append(connection, entries)

    async def _write_apart(self, batch: Mapping[RunLog, Entry], error: Exception) -> None:
        """Store each entry by itself, because one of them made the statement fail: the others' runs go on."""
        if len(batch) > 1:
            for log, entry in batch.items():
                await self._write({log: entry})
            return
        for log in batch:
            # Its first line alone: what follows quotes the row, which is the user's words.
            reason = str(getattr(error, "orig", error)).partition("\n")[0]
            logger.error("the journal of run %s cannot be written: %s", log.key.run_id, reason)
            log.failed(JournalError(f"the journal cannot be written: {reason}"))
