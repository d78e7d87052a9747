"""Carrying runs out: each in a task of its own, which no client that goes away can stop.

No database connection is held while the model or a tool is asked.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from chat_api.agent.errors import (
    AgentError,
    ApprovalNeededError,
    ModelFailedError,
    ModelTimeoutError,
    StoppedError,
    ToolsTimeoutError,
    ToolsUnavailableError,
)
from chat_api.agent.turn import Answer, Journal, ToolCall, ToolOutcome, Turn
from chat_api.database import Database, DatabaseUnavailableError
from chat_api.journal import events
from chat_api.journal.feed import Feeds
from chat_api.journal.keys import RunKey
from chat_api.journal.log import RunLog
from chat_api.journal.problems import RunLostError
from chat_api.journal.records import ToolCallRecord
from chat_api.journal.stopwatch import Stopwatch
from chat_api.journal.writer import JournalWriter
from chat_api.leases import repository as leases_repository
from chat_api.leases.service import Leases
from chat_api.problems import InternalError, ProblemError
from chat_api.runs import problems
from chat_api.runs.closing import Closer
from chat_api.runs.ending import Ended, Ender, Ending, Started

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS: Final = 5
"""Time that runs get to end when the service stops. Their callers are waited for before; others take over the rest."""

_PROBLEMS: Final[dict[type[AgentError], type[ProblemError]]] = {
    ModelFailedError: problems.ModelFailedProblem,
    ModelTimeoutError: problems.ModelTimeoutProblem,
    ToolsUnavailableError: problems.ToolsUnavailableProblem,
    ToolsTimeoutError: problems.ToolsTimeoutProblem,
}


class Answering(Protocol):
    """What execution needs of an agent."""

    async def answer(self, turn: Turn, journal: Journal) -> Answer:
        """Run the turn to its end, or raise `AgentError`, `StoppedError` or `ApprovalNeededError`."""

    async def settle(self, user_id: str, run_id: str, call: ToolCall) -> ToolOutcome:
        """Find out what a call came to, and keep it from taking effect from then on, or raise an `AgentError`."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A run that came to its answer in this process."""

    conversation_id: int
    run_id: str
    message_id: int
    answer: str
    calls: list[ToolCallRecord]


class Executor:
    """The runs that this process carries out."""

    def __init__(
        self,
        database: Database,
        agent: Answering,
        ender: Ender,
        leases: Leases,
        writer: JournalWriter,
        feeds: Feeds,
        *,
        approval_expires_seconds: float,
    ) -> None:
        self._database = database
        self._agent = agent
        self._closer = Closer(database, ender, approval_expires_seconds)
        self._leases = leases
        self._writer = writer
        self._feeds = feeds
        self._tasks: dict[tuple[str, str], asyncio.Task[Completed | None]] = {}
        self._stopping = False

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let runs that are under way at the end of the context end, and give up those that do not."""
        try:
            yield
        finally:
            self._stopping = True
            if self._tasks:
                await asyncio.wait(self._tasks.values(), timeout=SHUTDOWN_SECONDS)
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def begin(self, started: Started) -> None:
        """Carry a run out, beside whatever else is going on."""
        place = (started.run.user_id, started.run.run_id)
        task = asyncio.create_task(self._execute(started))
        self._tasks[place] = task

        def forget(done: asyncio.Task[Completed | None]) -> None:
            if self._tasks.get(place) is done:
                del self._tasks[place]
            if not done.cancelled() and (error := done.exception()) is not None:
                logger.error("run %s met a defect", started.run.run_id, exc_info=error)

        task.add_done_callback(forget)

    def carries_out(self, user_id: str, run_id: str) -> bool:
        """Tell whether this process is at work on a run."""
        return (user_id, run_id) in self._tasks

    async def completed(self, user_id: str, run_id: str) -> Completed | None:
        """Wait for a run of this process; None where it is not one, or did not come to its answer here."""
        task = self._tasks.get((user_id, run_id))
        if task is None:
            return None
        await asyncio.wait({task})
        return None if task.cancelled() or task.exception() is not None else task.result()

    async def _execute(self, started: Started) -> Completed | None:
        run = started.run
        key = run.key
        log = RunLog(
            self._writer,
            key,
            started.last_n + 1,
            lambda: self._leases.holds(key),
            started.calls,
            started.usage,
            started.message,
        )
        if run.cancel_requested:
            log.request_stop()
        self._feeds.adopt(log)
        with self._leases.hold(key, started.leased_since):
            if started.last_n == 0:
                log.append(events.run_started(started.thread_id, started.wire_run_id))
            try:
                return await self._carry_out(started, log)
            except RunLostError:
                logger.warning("run %s is no longer this process's", run.run_id)
            except DatabaseUnavailableError:
                logger.warning("run %s is left to be taken over: the database does not answer", run.run_id)
            except asyncio.CancelledError:
                await self._release(key, log.stopwatch)
                raise
            finally:
                self._feeds.release(log)
        return None

    async def _carry_out(self, started: Started, log: RunLog) -> Completed | None:
        try:
            return await self._answer(started, log)
        except (RunLostError, DatabaseUnavailableError):
            raise
        except Exception:
            # Its end may be what cannot be written; without an answer there is less of it that could be wrong.
            logger.exception("run %s met a defect", started.run.run_id)
            detail = f"The service made a mistake. {problems.SOME_WAS_DONE}"
            await self._fail(started, log, InternalError.type, detail)
        return None

    async def _answer(self, started: Started, log: RunLog) -> Completed | None:
        run = started.run
        zone = ZoneInfo(run.timezone)
        turn = Turn(run.user_id, run.run_id, run.input, started.history, run.created_at.astimezone(zone), started.steps)
        try:
            answer = await self._agent.answer(turn, log)
        except StoppedError:
            # A run that is lost is broken off too, though nobody wants it stopped: whoever has it next goes on with it.
            log.check_lost()
            await self._cancel(started, log)
        except ApprovalNeededError:
            if not await self._closer.pause(started, log):
                await self._cancel(started, log)
        except AgentError as error:
            if log.stop_requested:
                # It may well be what the stop was for; who stops a run wants it stopped, not failed.
                await self._cancel(started, log)
                return None
            detail = f"{error} {problems.SOME_WAS_DONE}" if log.calls else str(error)
            await self._fail(started, log, _PROBLEMS[type(error)].type, detail)
        else:
            ended = await self._end(started, log, Ending("completed", answer=answer.text))
            if ended.message_id is not None:
                calls = list(log.calls.values())
                return Completed(run.conversation_id, run.run_id, ended.message_id, answer.text, calls)
        return None

    async def _fail(self, started: Started, log: RunLog, error_type: str, error_detail: str) -> None:
        # Calls without an outcome stay as they are: a retry sends them again under their keys.
        unsettled = any(call.is_unsettled for call in log.calls.values())
        ending = Ending("failed", error_type=error_type, error_detail=error_detail, unsettled=unsettled)
        await self._end(started, log, ending)

    async def _cancel(self, started: Started, log: RunLog) -> None:
        """End a run that was stopped, once it is known what its calls came to."""
        unsettled = False
        for record in [record for record in log.calls.values() if record.result is None]:
            # Settled by one who has lost the run, a call would be void that the new owner is about to send.
            log.check_lost()
            try:
                outcome = await self._agent.settle(started.run.user_id, started.run.run_id, record.call)
            except AgentError as error:
                logger.warning("run %s is stopped with a call unsettled: %s", started.run.run_id, error)
                unsettled = True
                break
            await log.call_ended(record.call, outcome)
        await self._end(started, log, Ending("cancelled", answer=log.partial_text, unsettled=unsettled))

    async def _end(self, started: Started, log: RunLog, ending: Ending) -> Ended:
        ended = await self._closer.end(started, log, ending)
        if ended.promoted is not None:
            await self._go_on(ended.promoted)
        return ended

    async def _go_on(self, promoted: Started) -> None:
        if self._stopping:
            await self._release(promoted.run.key, Stopwatch())
        else:
            self.begin(promoted)

    async def _release(self, key: RunKey, stopwatch: Stopwatch) -> None:
        """Give a run up, so that another process takes it over at once and not when its lease has passed."""
        try:
            async with self._database.statement() as connection:
                await leases_repository.release(connection, key, stopwatch.measured(dt.datetime.now(dt.UTC)))
        except DatabaseUnavailableError:
            logger.warning("run %s could not be released; its lease will pass", key.run_id)
