"""What a serving process does beside answering calls: it forgets effect keys that are old enough."""

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from todo_chat_shared.effects import EFFECT_KEY_DAYS

from mcp_todo_server.database import Database, DatabaseError, utc_now
from mcp_todo_server.upkeep.repository import delete_effects

EFFECTS_KEPT: Final = dt.timedelta(days=EFFECT_KEY_DAYS + 1)
"""Age at which an effect key is deleted: a day more than is promised, for replicas whose clocks differ."""
PAUSE_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 60.0
"""Pause after a failure."""
BATCH_ROWS: Final = 500
"""Most keys that one transaction deletes: on SQLite, calls that write wait for it."""
BATCH_SECONDS: Final = 20
"""Longest time that a batch may take."""
BATCH_PAUSE_SECONDS: Final = 0.05

logger = logging.getLogger(__name__)


class Upkeep:
    """Deletes old effect keys once an hour. Any number of processes may do so on one database."""

    def __init__(self, database: Database, *, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the database tidy, beginning at once, for as long as the context lasts."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def delete_old_effects(self) -> int:
        """Delete the keys older than `EFFECTS_KEPT`, in batches, and return how many there were."""
        before = self._clock() - EFFECTS_KEPT
        total = 0
        while True:
            async with asyncio.timeout(BATCH_SECONDS), self._database.writing() as session:
                deleted = await delete_effects(session, before, BATCH_ROWS)
            total += deleted
            if deleted < BATCH_ROWS:
                return total
            await asyncio.sleep(BATCH_PAUSE_SECONDS)

    async def _run(self) -> None:
        while True:
            pause = PAUSE_SECONDS
            try:
                deleted = await self.delete_old_effects()
            except (DatabaseError, OSError) as error:  # TimeoutError is an OSError
                logger.warning("old effect keys were not deleted: %s", type(error).__name__)
                pause = RETRY_SECONDS
            except Exception:
                logger.exception("old effect keys were not deleted")
                pause = RETRY_SECONDS
            else:
                if deleted:
                    logger.info("deleted %d effect keys older than %d days", deleted, EFFECTS_KEPT.days)
            await asyncio.sleep(pause)
