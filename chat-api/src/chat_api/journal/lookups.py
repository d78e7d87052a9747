"""Readers' own looks into the database, many of them in one statement: a thousand that come back at once are few."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from chat_api.background import background
from chat_api.database import Database
from chat_api.journal import repository
from chat_api.journal.records import RunState, StoredEvent
from chat_api.journal.repository import RunName

LOOKS_PER_READ: Final = 100
EVENTS_PER_READ: Final = 2000


@dataclass(frozen=True, slots=True)
class Look:
    """What a reader finds in the database."""

    state: RunState | None
    """The run's state before its events were read; None where there is no such run."""
    events: Sequence[StoredEvent]
    """Events behind the number that was asked for, in order."""
    is_whole: bool
    """Whether these are all that there were."""


@dataclass(frozen=True, slots=True)
class _Asked:
    name: RunName
    after: int
    answer: asyncio.Future[Look]


class Lookups:
    """Answers readers in turns. While one turn is under way, the next one gathers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: list[_Asked] = []
        self._wake = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer for as long as the context lasts."""
        try:
            async with background(self._run()):
                yield
        finally:
            for asked in self._asked:
                asked.answer.cancel()

    async def look(self, name: RunName, after: int) -> Look:
        """Return a run's state and its stored events behind a number.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        asked = _Asked(name, after, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        self._wake.set()
        return await asked.answer

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            turn, self._asked = self._asked[:LOOKS_PER_READ], self._asked[LOOKS_PER_READ:]
            if not self._asked:
                self._wake.clear()
            # Whoever went away in the meantime has cancelled its question.
            turn = [asked for asked in turn if not asked.answer.done()]
            if turn:
                await self._answer(turn)

    async def _answer(self, turn: Sequence[_Asked]) -> None:
        try:
            looks = await self._read(turn)
        except asyncio.CancelledError:
            for asked in turn:
                asked.answer.cancel()
            raise
        except Exception as error:
            # Each reader's own failure, and its caller's to handle.
            for asked in turn:
                if not asked.answer.done():
                    asked.answer.set_exception(error)
            return
        for asked, look in zip(turn, looks, strict=True):
            if not asked.answer.done():
                asked.answer.set_result(look)

    async def _read(self, turn: Sequence[_Asked]) -> list[Look]:
        first: dict[RunName, int] = {}
        for asked in turn:
            first[asked.name] = min(asked.after, first.get(asked.name, asked.after))
        async with self._database.asking() as connection:
            # In this order, so that a run which rests has no events that are not seen.
            states = await repository.states(connection, first)
            found = await repository.events_after(
                connection, [(*name, after) for name, after in first.items()], EVENTS_PER_READ
            )
        is_whole = sum(map(len, found.values())) < EVENTS_PER_READ
        return [
            Look(
                states.get(asked.name),
                [event for event in found.get(asked.name, ()) if event.n > asked.after],
                is_whole,
            )
            for asked in turn
        ]
