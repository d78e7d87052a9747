"""A reader's place in a run, and what all readers of the run in this process share."""

import asyncio
import bisect
from collections.abc import Sequence
from typing import Final, Protocol

from chat_api.database import DatabaseUnavailableError
from chat_api.journal.log import RunLog
from chat_api.journal.lookups import Look
from chat_api.journal.records import StoredEvent
from chat_api.journal.repository import RunName
from chat_api.journal.signal import Signal

POLL_SECONDS: Final = 0.1
"""Time between two looks at what other processes do to runs that are owned or followed here."""
LAST_NUMBER: Final = 2**31 - 1
"""No event has a greater number: that is what its column holds."""

RESTING: Final = ("completed", "failed", "cancelled", "requires_action")
"""States of a run in which nothing is added to its log until somebody asks for it."""


class Followed:
    """A run that is read in this process."""

    def __init__(self, log: RunLog | None) -> None:
        self.readers = 0
        self.log = log
        """The run's log while this process owns it."""
        self.changed: Final = Signal()
        """Whenever readers that have no log to wait on should look again."""
        self.start: int | None = None
        """The poll brings all events behind this number; None until there is a reader to poll for."""
        self.tail: list[StoredEvent] = []
        """The events that it has brought."""
        self.rests = False
        """Whether the run was resting before the last of them were read."""
        self.epoch = 0
        """Grows whenever what a poll has asked for is not what is wanted any more."""

    @property
    def owned_log(self) -> RunLog | None:
        """The log to read from; None where only the database knows what happens to the run."""
        return None if self.log is None or self.log.lost_ownership else self.log

    @property
    def position(self) -> int | None:
        """The number behind which the poll has to look next; None where nobody waits for it."""
        return self.tail[-1].n if self.tail else self.start

    def begin_anew(self, log: RunLog | None) -> None:
        """Let readers go on from a log in memory, or from the database."""
        self.log, self.start, self.tail, self.rests = log, None, [], False
        self.epoch += 1
        self.changed.notify()

    def goes_on(self, last_n: int) -> None:
        """Let the poll bring what comes: a reader has seen that the run does not rest, and all events to `last_n`."""
        if self.start is None or self.rests:
            self.start = last_n if self.start is None else self.start
            self.rests = False
            self.epoch += 1

    def after(self, n: int) -> list[StoredEvent]:
        """Return what the poll has brought behind a number."""
        return self.tail[bisect.bisect_right(self.tail, n, key=lambda event: event.n) :]


class Source(Protocol):
    """Where readers look when memory does not have what they need."""

    ticks: int
    """Counts spans in which readers hear from this process even if nothing happens."""

    async def look(self, name: RunName, after: int) -> Look:
        """Return a run's state and its stored events behind a number."""


class Reader:
    """One reader's place in a run."""

    def __init__(self, source: Source, name: RunName, followed: Followed, after: int) -> None:
        self._source = source
        self._name = name
        self._followed = followed
        self._n = after
        self._ticks = source.ticks
        self._log: RunLog | None = None
        """The log that is being read; a closed one is read to its end even when this process has let it go."""
        self._has_looked = False
        """Whether this reader has seen the run's state for itself: what is known here may be older than its request."""
        self._ends = False

    async def next(self) -> Sequence[StoredEvent] | None:
        """Return the next events, none where there were none for a while, or None at the end."""
        while True:
            batch, ends, changed = await self._look()
            if batch:
                self._n = max(self._n, batch[-1].n)
                self._ticks = self._source.ticks
                return batch
            if ends:
                return None
            if self._ticks != self._source.ticks:
                self._ticks = self._source.ticks
                return ()
            if changed is not None:
                await changed.wait()

    async def _look(self) -> tuple[Sequence[StoredEvent], bool, Signal | None]:
        """Return what there is, whether that is the end, and what to wait for; None where to look again at once."""
        followed = self._followed
        if self._ends:
            return (), True, None
        if followed.owned_log is not None:
            self._log = followed.owned_log
        elif self._log is not None and (self._log.lost_ownership or not self._log.is_closed):
            self._log = None
        log = self._log
        if log is not None and self._n + 1 >= log.first_n:
            self._has_looked = True
            return log.after(self._n), log.is_closed, log.changed
        if log is None and self._has_looked and followed.start is not None and self._n >= followed.start:
            return followed.after(self._n), followed.rests, followed.changed
        return await self._look_into_database(log)

    async def _look_into_database(self, log: RunLog | None) -> tuple[Sequence[StoredEvent], bool, None]:
        try:
            look = await self._source.look(self._name, self._n)
        except DatabaseUnavailableError:
            if not self._has_looked:
                raise
            await asyncio.sleep(POLL_SECONDS)
            return (), False, None
        self._has_looked = True
        if not look.is_whole:
            return look.events, False, None
        state = look.state
        # Numbers may be missing: what the run had when it was looked at has been read, whatever its last number is.
        known = log.first_n - 1 if log is not None else state.last_n if state is not None else 0
        self._n = max(self._n, known, look.events[-1].n if look.events else 0)
        if log is None and self._followed.owned_log is None:
            if state is None or state.status in RESTING:
                self._ends = True
            else:
                self._followed.goes_on(state.last_n)
        return look.events, self._ends, None
