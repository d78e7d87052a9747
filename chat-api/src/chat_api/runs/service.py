"""The life of a run: admitted in one transaction, executed in a task of its own, ended in one transaction.

No database connection is held while the model or a tool is asked.
"""

import asyncio
import datetime as dt
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from uuid_utils import uuid7

from chat_api.agent.errors import (
    AgentError,
    ModelFailedError,
    ModelTimeoutError,
    ToolsTimeoutError,
    ToolsUnavailableError,
)
from chat_api.agent.turn import Answer, Journal, PastRun, Turn
from chat_api.conversations import repository as conversations
from chat_api.conversations.problems import ConversationNotFoundError
from chat_api.conversations.titles import title_of
from chat_api.database import Connection, ConnectionLostError, Database, DatabaseUnavailableError
from chat_api.problems import InternalError, ProblemError, unavailable
from chat_api.runs import problems, repository
from chat_api.runs.history import read_history
from chat_api.runs.journal import RunJournal
from chat_api.runs.leases import Leases
from chat_api.runs.repository import RunKey, RunRecord, ToolCallRecord

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 5
"""Time that runs whose callers are gone get to end when the service stops. Callers are waited for before."""

COMMIT_PAUSE_SECONDS = 0.5
"""Between two attempts to write an answer to a database that does not answer."""

_PROBLEMS: dict[type[AgentError], type[ProblemError]] = {
    ModelFailedError: problems.ModelFailedProblem,
    ModelTimeoutError: problems.ModelTimeoutProblem,
    ToolsUnavailableError: problems.ToolsUnavailableProblem,
    ToolsTimeoutError: problems.ToolsTimeoutProblem,
}


@dataclass(frozen=True, slots=True)
class Completed:
    """A run that came to its answer."""

    conversation_id: int
    run_id: str
    message_id: int
    answer: str
    calls: Sequence[ToolCallRecord]


@dataclass(frozen=True, slots=True)
class _Admitted:
    key: RunKey
    conversation_id: int
    message: str
    history: Sequence[PastRun]
    now: dt.datetime
    zone: ZoneInfo
    leased_since: float
    """Monotonic time before the lease was written."""


class Answering(Protocol):
    """What the service needs of an agent."""

    async def answer(self, turn: Turn, journal: Journal) -> Answer:
        """Run the turn to its end, or raise an `AgentError`."""


class RunService:
    """Runs of this process."""

    def __init__(
        self, database: Database, agent: Answering, *, lease_seconds: float, history_token_budget: int
    ) -> None:
        self._database = database
        self._agent = agent
        self._lease_seconds = lease_seconds
        self._history_token_budget = history_token_budget
        self._leases = Leases(database, lease_seconds)
        self._tasks: set[asyncio.Task[Completed]] = set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Keep runs alive for as long as the context lasts, then let those under way end."""
        async with self._leases.renewing():
            try:
                yield
            finally:
                if self._tasks:
                    await asyncio.wait(self._tasks, timeout=SHUTDOWN_SECONDS)
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self, user_id: str, message: str, conversation_id: int | None, timezone: str) -> Completed:
        """Take a message and return the run that answered it.

        The run goes on when the caller goes away.

        Raises:
            ConversationNotFoundError: The user has no such conversation.
            RunActiveError: The conversation is busy with another message.
            ModelFailedProblem, ModelTimeoutProblem, ToolsUnavailableProblem, ToolsTimeoutProblem: The run failed
                and is on record.
            RunLostError: Somebody else ended the run.
        """
        try:
            admitted = await self._admit(user_id, message, conversation_id, timezone)
        except ConnectionLostError:
            # The server ended the pooled connection in this very moment; the pool has been told and opens others.
            admitted = await self._admit(user_id, message, conversation_id, timezone)
        task = asyncio.create_task(self._execute(admitted))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def get(self, user_id: str, run_id: str) -> tuple[RunRecord, list[ToolCallRecord]]:
        """Return a run with its tool calls.

        Raises:
            RunNotFoundError: The user has no such run.
        """
        async with self._database.reading() as connection:
            run = await repository.get(connection, user_id, run_id)
            if run is None:
                raise problems.RunNotFoundError("You have no such run.")
            calls = await repository.tool_calls(connection, user_id, [run_id])
        return run, calls.get(run_id, [])

    async def page(
        self, user_id: str, conversation_id: int, limit: int, after: str | None
    ) -> list[tuple[RunRecord, list[ToolCallRecord]]]:
        """Return runs of a conversation with their tool calls, newest first.

        Raises:
            ConversationNotFoundError: The user has no such conversation.
        """
        async with self._database.reading() as connection:
            if await conversations.get(connection, user_id, conversation_id) is None:
                raise ConversationNotFoundError(conversation_id)
            runs = await repository.page(connection, user_id, conversation_id, limit, after)
            calls = await repository.tool_calls(connection, user_id, [run.run_id for run in runs])
        return [(run, calls.get(run.run_id, [])) for run in runs]

    def _forget(self, task: asyncio.Task[Completed]) -> None:
        self._tasks.discard(task)
        # The caller may be gone: what it would have been told is taken here, so that asyncio does not complain.
        if not task.cancelled():
            task.exception()

    async def _admit(self, user_id: str, message: str, conversation_id: int | None, timezone: str) -> _Admitted:
        now = dt.datetime.now(dt.UTC)
        leased_since = time.monotonic()
        key = RunKey(user_id, str(uuid7()), attempt=1)
        history: list[PastRun] = []
        async with self._database.writing() as connection:
            if conversation_id is None:
                conversation_id = await conversations.create(connection, user_id, title_of(message), key.run_id, now)
            else:
                if not await conversations.lock(connection, user_id, conversation_id):
                    raise ConversationNotFoundError(conversation_id)
                await self._make_way(connection, user_id, conversation_id, now)
                await conversations.set_last_run(connection, user_id, conversation_id, key.run_id, now)
                history = await read_history(connection, user_id, conversation_id, self._history_token_budget)
            await repository.insert_run(
                connection,
                key,
                conversation_id=conversation_id,
                message=message,
                timezone=timezone,
                now=now,
                lease_seconds=self._lease_seconds,
            )
        return _Admitted(key, conversation_id, message, history, now, ZoneInfo(timezone), leased_since)

    async def _make_way(self, connection: Connection, user_id: str, conversation_id: int, now: dt.datetime) -> None:
        """Close an active run whose process went away; refuse where one is really at work."""
        active = await repository.active_run(connection, user_id, conversation_id)
        if active is None:
            return
        key, alive = active
        if alive or not await repository.expire(
            connection, key, now, error_type=problems.INTERRUPTED_TYPE, error_detail=problems.INTERRUPTED_DETAIL
        ):
            raise problems.RunActiveError(
                "The conversation is still working on a message. Wait for its answer, then send yours again.",
                run_id=key.run_id,
            )

    async def _execute(self, run: _Admitted) -> Completed:
        journal = RunJournal(self._database, self._leases, run.key)
        turn = Turn(run.key.user_id, run.key.run_id, run.message, run.history, run.now.astimezone(run.zone))
        named: dict[str, Any] = {"run_id": run.key.run_id, "conversation_id": run.conversation_id}
        with self._leases.hold(run.key, run.leased_since):
            try:
                answer = await self._agent.answer(turn, journal)
                return await self._commit(run, journal, answer)
            except AgentError as error:
                detail = f"{error} {problems.SOME_WAS_DONE}" if journal.calls else str(error)
                problem = _PROBLEMS[type(error)](detail, **named)
                await self._fail(run.key, journal, problem.type, problem.detail)
                raise problem from error
            except problems.RunLostError:
                raise
            except DatabaseUnavailableError as error:
                with suppress(DatabaseUnavailableError):  # it may be back; if not, the lease's end closes the run
                    await self._fail(run.key, journal, problems.INTERRUPTED_TYPE, problems.INTERRUPTED_DETAIL)
                raise unavailable(f"The database does not answer. {problems.SOME_WAS_DONE}", **named) from error
            except asyncio.CancelledError:
                await self._fail(run.key, journal, problems.INTERRUPTED_TYPE, problems.INTERRUPTED_DETAIL)
                raise
            except Exception:
                logger.exception("run %s met a defect", run.key.run_id)
                await self._fail(
                    run.key, journal, InternalError.type, f"The service made a mistake. {problems.SOME_WAS_DONE}"
                )
                raise

    async def _commit(self, run: _Admitted, journal: RunJournal, answer: Answer) -> Completed:
        """Write the answer, and write it again where the database did not say whether it has.

        Every attempt is guarded by status and attempt, so one that follows a success changes nothing.
        """
        lost_answer = False
        while True:
            try:
                message_id = await self._write_answer(run, journal, answer)
                break
            except problems.RunLostError:
                if not lost_answer:
                    raise
                async with self._database.reading() as connection:
                    written = await conversations.answer_of(connection, run.key.user_id, run.key.run_id)
                if written is None:
                    raise
                message_id = written
                break
            except DatabaseUnavailableError:
                if not self._leases.holds(run.key):
                    raise
                lost_answer = True
            await asyncio.sleep(COMMIT_PAUSE_SECONDS)
        return Completed(run.conversation_id, run.key.run_id, message_id, answer.text, list(journal.calls.values()))

    async def _write_answer(self, run: _Admitted, journal: RunJournal, answer: Answer) -> int:
        now = dt.datetime.now(dt.UTC)
        async with self._database.writing() as connection:
            # The conversation first, as admission does: two transactions that lock in one order never deadlock.
            message_id = await conversations.take_message_numbers(connection, run.key.user_id, run.conversation_id, now)
            if message_id is None or not await repository.complete(connection, run.key, now, journal.usage):
                raise problems.RunLostError("The conversation was deleted, or the run ended, while it worked.")
            await conversations.insert_pair(
                connection,
                run.key.user_id,
                run.conversation_id,
                run.key.run_id,
                question=run.message,
                asked_at=run.now,
                answer=answer.text,
                answered_at=now,
                answer_id=message_id,
            )
        return message_id

    async def _fail(self, key: RunKey, journal: RunJournal, error_type: str, detail: str) -> None:
        async with self._database.writing() as connection:
            await repository.fail(
                connection,
                key,
                dt.datetime.now(dt.UTC),
                error_type=error_type,
                error_detail=detail,
                usage=journal.usage,
            )
