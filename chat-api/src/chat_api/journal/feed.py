"""Readers of runs: fed from memory where this process owns the run, else by one poll for all of them together."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from chat_api.background import background, whole
from chat_api.database import Connection, Database, DatabaseUnavailableError
from chat_api.journal import repository
from chat_api.journal.log import RunLog
from chat_api.journal.lookups import EVENTS_PER_READ, Look, Lookups
from chat_api.journal.reader import LAST_NUMBER, POLL_SECONDS, RESTING, Followed, Reader
from chat_api.journal.records import RunState, StoredEvent
from chat_api.journal.repository import RunName

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 15.0
"""After this long without an event, a reader is told that there is none."""


class Feeds:
    """The runs that this process owns, and those that are read in it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._logs: dict[RunName, RunLog] = {}
        self._followed: dict[RunName, Followed] = {}
        self._lookups = Lookups(database)
        self._busy = asyncio.Event()
        self.ticks = 0
        """Counts spans of `IDLE_SECONDS` while anything is owned or read."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look at what other processes do for as long as the context lasts."""
        async with background(self._run()), self._lookups.running():
            yield

    def adopt(self, log: RunLog) -> None:
        """Feed readers from the log of a run that this process owns from now on."""
        name = (log.key.user_id, log.key.run_id)
        earlier = self._logs.get(name)
        self._logs[name] = log
        self._busy.set()
        if earlier is not None:
            earlier.lost()
        if name in self._followed:
            log.is_read = True
            self._followed[name].begin_anew(log)

    def release(self, log: RunLog) -> None:
        """Feed no new readers from a log. Those that are reading it read it to its end.

        One that was not closed is lost: somebody else may write what follows.
        """
        if not log.is_closed:
            log.lost()
        name = (log.key.user_id, log.key.run_id)
        if self._logs.get(name) is log:
            del self._logs[name]
            if name in self._followed:
                self._followed[name].begin_anew(None)
        log.changed.notify()

    def wake(self, user_id: str, run_id: str) -> None:
        """Stop a run at once whose cancellation this process has just written, if it is the owner."""
        log = self._logs.get((user_id, run_id))
        if log is not None:
            log.request_stop()

    async def follow(self, user_id: str, run_id: str, after: int) -> AsyncGenerator[Sequence[StoredEvent]]:
        """Yield the run's events behind number `after` as they are stored, until the run rests and all were yielded.

        Numbers grow and may have gaps. An empty batch says that nothing has come for a while (`IDLE_SECONDS`).

        Raises:
            DatabaseUnavailableError: The database does not answer, at the beginning; later on it is waited for.
        """
        with self._reading((user_id, run_id)) as followed:
            reader = Reader(self, (user_id, run_id), followed, after)
            while (batch := await reader.next()) is not None:
                yield batch

    async def ended(self, user_id: str, run_id: str) -> None:
        """Return when the run rests.

        Raises:
            DatabaseUnavailableError: The database does not answer, at the beginning; later on it is waited for.
        """
        with self._reading((user_id, run_id)) as followed:
            reader = Reader(self, (user_id, run_id), followed, LAST_NUMBER)
            while await reader.next() is not None:
                pass

    async def look(self, name: RunName, after: int) -> Look:
        """Return a run's state and its stored events behind a number.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        return await self._lookups.look(name, after)

    @contextmanager
    def _reading(self, name: RunName) -> Iterator[Followed]:
        followed = self._followed.get(name)
        if followed is None:
            log = self._logs.get(name)
            if log is not None:
                log.is_read = True
            followed = self._followed[name] = Followed(log)
        followed.readers += 1
        self._busy.set()
        try:
            yield followed
        finally:
            followed.readers -= 1
            if followed.readers == 0:
                del self._followed[name]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_tick = 0.0
        while True:
            if not self._logs and not self._followed:
                self._busy.clear()
                await self._busy.wait()
                next_tick = loop.time() + IDLE_SECONDS
            await asyncio.sleep(POLL_SECONDS)
            try:
                await whole(self._poll())
            except DatabaseUnavailableError as error:
                logger.warning("runs of other processes were not read: %s", type(error.__cause__ or error).__name__)
            except Exception:
                logger.exception("runs of other processes were not read")
            if loop.time() >= next_tick:
                next_tick = loop.time() + IDLE_SECONDS
                self._tick()

    def _tick(self) -> None:
        self.ticks += 1
        for followed in self._followed.values():
            followed.changed.notify()
            if followed.log is not None:
                followed.log.changed.notify()

    async def _poll(self) -> None:
        logs = {name: log for name, log in self._logs.items() if not log.is_ending and not log.lost_ownership}
        positions = {
            name: position
            for name, followed in self._followed.items()
            if followed.owned_log is None and (position := followed.position) is not None
        }
        polled = {name: (self._followed[name], self._followed[name].epoch) for name in positions}
        if not logs and not polled:
            return
        async with self._database.asking() as connection:
            states = await repository.states(connection, {*logs, *polled})
            found = await _all_after(connection, positions)
        for name, log in logs.items():
            _heed(log, states.get(name))
        for name, (followed, epoch) in polled.items():
            if followed.epoch == epoch:
                state = states.get(name)
                followed.tail.extend(found.get(name, ()))
                followed.rests = state is None or state.status in RESTING
                if followed.rests or name in found:
                    followed.changed.notify()


async def _all_after(connection: Connection, positions: dict[RunName, int]) -> dict[RunName, list[StoredEvent]]:
    found: dict[RunName, list[StoredEvent]] = {}
    while positions:
        asked = [(*name, after) for name, after in positions.items()]
        page = await repository.events_after(connection, asked, EVENTS_PER_READ)
        for name, stored in page.items():
            found.setdefault(name, []).extend(stored)
            positions[name] = stored[-1].n
        if sum(map(len, page.values())) < EVENTS_PER_READ:
            break
    return found


def _heed(log: RunLog, state: RunState | None) -> None:
    """Let a log hear what was done to its run elsewhere, unless its owner is just ending it."""
    if log.is_ending:
        return
    if state is None or state.status != "running" or state.attempt != log.key.attempt:
        log.lost()
    elif state.cancel_requested:
        log.request_stop()
