"""What a serving process does beside answering calls.

It forgets effect keys that are old enough, and finds the words of tasks that a process of the previous release wrote.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from todo_chat_shared.effects import EFFECT_KEY_DAYS

from mcp_todo_server.database import Database, DatabaseError, Session, utc_now
from mcp_todo_server.upkeep.repository import delete_effects, split_texts

EFFECTS_KEPT: Final = dt.timedelta(days=EFFECT_KEY_DAYS + 1)
"""Age at which an effect key is deleted: a day more than is promised, for replicas whose clocks differ."""
PAUSE_SECONDS: Final = 3600.0
"""Pause between two looks for old effect keys."""
WORDS_PAUSE_SECONDS: Final = 60.0
"""Pause between two looks for tasks without their words; until then a search does not find them."""
RETRY_SECONDS: Final = 60.0
"""Pause after a failure."""
BATCH_ROWS: Final = 500
"""Most rows that one transaction changes: on SQLite, calls that write wait for it."""
BATCH_SECONDS: Final = 20
"""Longest time that a batch may take."""
BATCH_PAUSE_SECONDS: Final = 0.05

logger = logging.getLogger(__name__)


class Upkeep:
    """Keeps the database tidy. Any number of processes may do so on one database."""

    def __init__(self, database: Database, *, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do so, beginning at once, for as long as the context lasts."""
        tasks = {
            asyncio.create_task(self._repeat(self._forget, PAUSE_SECONDS, "old effect keys were not deleted")),
            asyncio.create_task(self._repeat(self._split, WORDS_PAUSE_SECONDS, "tasks were not given their words")),
        }
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def delete_old_effects(self) -> int:
        """Delete the keys older than `EFFECTS_KEPT`, in batches, and return how many there were."""
        before = self._clock() - EFFECTS_KEPT
        return await self._in_batches(lambda session: delete_effects(session, before, BATCH_ROWS))

    async def split_texts(self) -> int:
        """Give the tasks that the previous release wrote their words, in batches, and return how many there were."""
        return await self._in_batches(lambda session: split_texts(session, BATCH_ROWS))

    async def _in_batches(self, change: Callable[[Session], Awaitable[int]]) -> int:
        total = 0
        while True:
            async with asyncio.timeout(BATCH_SECONDS), self._database.writing() as session:
                changed = await change(session)
            total += changed
            if changed < BATCH_ROWS:
                return total
            await asyncio.sleep(BATCH_PAUSE_SECONDS)

    async def _forget(self) -> None:
        if deleted := await self.delete_old_effects():
            logger.info("deleted %d effect keys older than %d days", deleted, EFFECTS_KEPT.days)

    async def _split(self) -> None:
        if split := await self.split_texts():
            logger.info("gave %d tasks of the previous release their words", split)

    async def _repeat(self, work: Callable[[], Awaitable[None]], pause_seconds: float, failure: str) -> None:
        while True:
            pause = pause_seconds
            try:
                await work()
            except (DatabaseError, OSError) as error:  # TimeoutError is an OSError
                logger.warning("%s: %s", failure, type(error).__name__)
                pause = RETRY_SECONDS
            except Exception:
                logger.exception(failure)
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)
