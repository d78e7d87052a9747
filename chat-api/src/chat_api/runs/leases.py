"""Leases: the sign of life that this process gives for the runs it works on."""

import asyncio
import datetime as dt
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from chat_api.database import Database, DatabaseUnavailableError
from chat_api.runs import problems, repository
from chat_api.runs.repository import RunKey
from chat_api.upkeep.repository import close_lapsed_runs

logger = logging.getLogger(__name__)


class Leases:
    """Renews the leases of this process's runs, all of them in one statement, three times per lease.

    It also closes the runs of processes that renew theirs no more.
    """

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
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
        return renewed is not None and time.monotonic() - renewed < self._lease_seconds

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[None]:
        """Run the heartbeat for as long as the context lasts."""
        heartbeat = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)

    async def _beat(self) -> None:
        beat = self._lease_seconds / 3
        while True:
            pause = beat
            try:
                async with asyncio.timeout(beat):
                    await self._renew()
                    await self._close_lapsed()
            except (DatabaseUnavailableError, TimeoutError) as error:
                logger.warning("leases were not renewed: %s", type(error.__cause__ or error).__name__)
                pause = beat / 10
            except Exception:
                logger.exception("leases were not renewed")
            await asyncio.sleep(pause)

    async def _renew(self) -> None:
        keys = [key for key in self._renewed if self.holds(key)]
        if not keys:
            return
        now = time.monotonic()
        async with self._database.statement() as connection:
            await repository.renew_leases(connection, keys, self._lease_seconds)
        for key in keys:
            if key in self._renewed:
                self._renewed[key] = now

    async def _close_lapsed(self) -> None:
        async with self._database.statement() as connection:
            closed = await close_lapsed_runs(
                connection,
                dt.datetime.now(dt.UTC),
                error_type=problems.INTERRUPTED_TYPE,
                error_detail=problems.INTERRUPTED_DETAIL,
            )
        if closed:
            logger.warning("closed %d runs whose processes went away", closed)
