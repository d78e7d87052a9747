"""Leases: the sign of life that this process gives for the runs it works on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from chat_api.database import Database
from chat_api.runs import repository
from chat_api.runs.repository import RunKey

logger = logging.getLogger(__name__)


class Leases:
    """Renews the leases of this process's runs, all of them in one statement, three times per lease."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._held: set[RunKey] = set()

    @contextmanager
    def hold(self, key: RunKey) -> Iterator[None]:
        """Keep a run's lease alive for as long as the context lasts."""
        self._held.add(key)
        try:
            yield
        finally:
            self._held.discard(key)

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
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            if not self._held:
                continue
            try:
                async with self._database.writing() as connection:
                    await repository.renew_leases(connection, tuple(self._held), self._lease_seconds)
            except Exception:
                # The next beat tries again; past the lease, whoever finds the run may close it.
                logger.exception("leases were not renewed")
