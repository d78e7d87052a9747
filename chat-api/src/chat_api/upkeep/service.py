"""What goes on beside the requests: taking over what others left behind, and deleting what is kept long enough."""

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Final

from todo_chat_shared.effects import EFFECT_KEY_DAYS

from chat_api.agent.errors import AgentError
from chat_api.background import background, whole
from chat_api.conversations import repository as conversations
from chat_api.database import Connection, Database, DatabaseUnavailableError
from chat_api.journal import repository as journal
from chat_api.journal.records import EndedCall
from chat_api.runs import repository as runs
from chat_api.runs.ending import Ended, Ender, Started
from chat_api.runs.execution import Answering, Executor
from chat_api.runs.repository import RunRecord
from chat_api.runs.takeover import Takeover
from chat_api.upkeep import repository

logger = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 0.5
"""Between two looks for runs to take over: what their recovery takes beyond the lease."""
SETTLE_SECONDS: Final = 5.0
"""Between two tries to settle what was left open."""
SETTLE_FAILED_AFTER: Final = dt.timedelta(minutes=1)
"""Time in which a run that failed can be retried with its unanswered calls as they are."""
SETTLED_WITHIN: Final = dt.timedelta(days=EFFECT_KEY_DAYS)
"""Age of a run up to which its calls can be settled: a todo server that has forgotten a call would call it void."""
PURGE_SECONDS: Final = 60.0
"""Between two rounds of deleting."""
EVENTS_KEPT: Final = dt.timedelta(days=7)
"""Time for which a run's events can be read after its end."""
KEYS_KEPT: Final = dt.timedelta(days=7)
"""Time for which an idempotency key stands for its run."""


class Upkeep:
    """The sweeps of this process. Any number of processes may sweep at once."""

    def __init__(
        self, database: Database, takeover: Takeover, ender: Ender, executor: Executor, agent: Answering
    ) -> None:
        self._database = database
        self._takeover = takeover
        self._ender = ender
        self._executor = executor
        self._agent = agent

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweep for as long as the context lasts."""
        async with background(
            _every(SWEEP_SECONDS, self._sweep),
            _every(SETTLE_SECONDS, self._settle),
            _every(PURGE_SECONDS, self._purge),
        ):
            yield

    async def _sweep(self) -> None:
        async with self._database.asking() as connection:
            lapsed = await repository.lapsed_runs(connection)
            expired = await repository.expired_approvals(connection)
            queued = await repository.left_behind(connection)
        for run in lapsed:
            # One of this very process's was only renewed late; its heartbeat sees to it.
            if not self._executor.carries_out(run.user_id, run.run_id):
                await self._take(run, self._takeover.recover, logging.WARNING, "is taken over")
        for run in expired:
            await self._take(run, self._takeover.expire, logging.INFO, "goes on without the user's decision")
        for run in queued:
            await self._take(run, self._promote, logging.INFO, "begins, which nobody saw to")

    async def _take(
        self,
        run: RunRecord,
        take: Callable[[RunRecord], Awaitable[Started | Ended | None]],
        level: int,
        what: str,
    ) -> None:
        """Take one run; one that cannot be taken keeps no other from it."""
        try:
            taken = await take(run)
        except DatabaseUnavailableError:
            raise
        except Exception:
            logger.exception("run %s could not be taken over", run.run_id)
            return
        if isinstance(taken, Ended):
            taken, level, what = taken.promoted, logging.INFO, "begins"
        if taken is not None:
            logger.log(level, "run %s %s (attempt %d)", taken.run.run_id, what, taken.run.attempt)
            self._executor.begin(taken)

    async def _promote(self, run: RunRecord) -> Started | None:
        async with self._database.writing() as connection:
            conversation = await conversations.lock(connection, run.user_id, run.conversation_id)
            if conversation is None or await runs.active_run(connection, run.user_id, run.conversation_id) is not None:
                return None
            return await self._ender.promote(
                connection, run.user_id, run.conversation_id, conversation.client_thread_id
            )

    async def _settle(self) -> None:
        now = dt.datetime.now(dt.UTC)
        async with self._database.asking() as connection:
            unsettled = await repository.unsettled_runs(
                connection, begun_after=now - SETTLED_WITHIN, failed_before=now - SETTLE_FAILED_AFTER
            )
        for run in unsettled:
            try:
                await self._settle_run(run)
            except DatabaseUnavailableError:
                raise
            except Exception:
                logger.exception("run %s could not be settled", run.run_id)

    async def _settle_run(self, run: RunRecord) -> None:
        """Find out what a run's last calls came to, and keep them from taking effect from now on."""
        async with self._database.reading() as connection:
            calls = await journal.open_calls(connection, run.user_id, run.run_id)
        try:
            for record in calls:
                outcome = await self._agent.settle(run.user_id, run.run_id, record.call)
                async with self._database.writing() as connection:
                    end = EndedCall(record.call, outcome, dt.datetime.now(dt.UTC))
                    await journal.settle_call(connection, run.user_id, run.run_id, end)
        except AgentError as error:
            logger.warning("run %s stays unsettled: %s", run.run_id, error)
            return
        async with self._database.statement() as connection:
            await runs.settled(connection, run.key)

    async def _purge(self) -> None:
        now = dt.datetime.now(dt.UTC)
        await self._all(lambda connection: repository.purge_events(connection, now - EVENTS_KEPT))
        await self._all(lambda connection: repository.purge_idempotency_keys(connection, now - KEYS_KEPT))

    async def _all(self, delete_some: Callable[[Connection], Awaitable[bool]]) -> None:
        more = True
        while more:
            async with self._database.writing() as connection:
                more = await delete_some(connection)


async def _every(seconds: float, work: Callable[[], Coroutine[object, object, None]]) -> None:
    while True:
        try:
            await whole(work())
        except DatabaseUnavailableError as error:
            logger.warning("upkeep waits for the database: %s", type(error.__cause__).__name__)
        except Exception:
            logger.exception("upkeep met a defect")
        await asyncio.sleep(seconds)
