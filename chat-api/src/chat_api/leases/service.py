"""Leases: the sign of life that this process gives for the runs it works on."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from chat_api.background import background
from chat_api.database import Database, DatabaseUnavailableError
from chat_api.journal.keys import RunKey
from chat_api.leases import repository

logger = logging.getLogger(__name__)

BEATS_PER_LEASE: Final = 3
"""How often a lease is renewed while it runs: two beats may fail before it is lost."""


class Leases:
    """Renews the leases of this process's runs, all of them in one statement."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self.seconds: Final = lease_seconds
        self._renewed: dict[RunKey, float] = {}
        """When each run's lease was last written, by this process's monotonic clock, read before the statement."""

    @contextmanager
    def hold(self, key: RunKey, since: float) -> Iterator[None]:
        """Keep a run's lease alive for as long as the context lasts; it was written after `since` (monotonic)."""
        self._renewed[key] = since
        try:
            yield
        finally:
            del self._renewed[key]

    def holds(self, key: RunKey) -> bool:
        """Tell whether the run's lease cannot have passed yet.

        A process that was paused finds out here, by its own clock, before it does anything in the run's name.
        """
        renewed = self._renewed.get(key)
        return renewed is not None and time.monotonic() - renewed < self.seconds

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[None]:
        """Run the heartbeat for as long as the context lasts."""
        async with background(self._beat()):
            yield

    async def _beat(self) -> None:
        beat = self.seconds / BEATS_PER_LEASE
        while True:
            pause = beat
            try:
                async with asyncio.timeout(beat):
                    await self._renew()
            except (DatabaseUnavailableError, TimeoutError) as error:
                logger.warning("leases were not renewed: %s", type(error.__cause__ or error).__name__)
                pause = beat / 10
            except Exception:
                logger.exception("leases were not renewed")
            await asyncio.sleep(pause)

    async def _renew(self) -> None:
        keys = list(self._renewed)
        if not keys:
            return
        now = time.monotonic()
        async with self._database.statement() as connection:
            renewed = await repository.renew_leases(connection, keys, self.seconds)
        for key in renewed & self._renewed.keys():
            self._renewed[key] = now
