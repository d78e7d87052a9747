"""Runs, as endpoints ask for them."""

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chat_api.conversations import repository as conversations
from chat_api.conversations.problems import ConversationNotFoundError
from chat_api.conversations.repository import ThreadTakenError
from chat_api.database import Connection, ConnectionLostError, Database, DatabaseUnavailableError
from chat_api.journal import repository as journal
from chat_api.journal.feed import Feeds
from chat_api.journal.problems import RunLostError
from chat_api.journal.reader import RESTING
from chat_api.journal.records import ToolCallRecord
from chat_api.messages import repository as messages
from chat_api.problems import InternalError, unavailable
from chat_api.runs import problems, repository
from chat_api.runs.admission import Admission, Admitted, NewMessage
from chat_api.runs.ending import Ender, Started
from chat_api.runs.execution import Executor
from chat_api.runs.repository import RunRecord
from chat_api.runs.states import ENDED, RunStatus
from chat_api.runs.takeover import CallDecision, Takeover

logger = logging.getLogger(__name__)

ADMISSION_TRIES = 3
"""Tries to admit a message whose transaction met what a second look cannot meet."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The run that a caller waits for."""

    run_id: str
    conversation_id: int
    after: int = 0
    """Number of the event that precedes what the caller is told."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to, or what it waits for."""

    conversation_id: int
    run_id: str
    status: RunStatus
    answer: str
    message_id: int | None
    calls: Sequence[ToolCallRecord]
    approval_expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run with its tool calls."""

    run: RunRecord
    calls: Sequence[ToolCallRecord]


class RunService:
    """Runs of all users; every call names its user."""

    def __init__(
        self,
        database: Database,
        admission: Admission,
        takeover: Takeover,
        ender: Ender,
        executor: Executor,
        feeds: Feeds,
    ) -> None:
        self._database = database
        self._admission = admission
        self._takeover = takeover
        self._ender = ender
        self._executor = executor
        self._feeds = feeds

    async def send(self, user_id: str, message: NewMessage) -> Sent:
        """Take a message and let it be carried out; the same one under the same key is taken once.

        Raises:
            ProblemError: It is refused; `Admission.admit` says how. Nothing is stored then.
        """
        admitted = await self._admit(user_id, message)
        if admitted.existing is not None:
            return await self.rejoin(user_id, admitted.existing)
        if admitted.stopping is not None:
            self._feeds.wake(user_id, admitted.stopping)
        if admitted.started is not None:
            self._executor.begin(admitted.started)
        return Sent(admitted.run_id, admitted.conversation_id)

    async def _admit(self, user_id: str, message: NewMessage) -> Admitted:
        for _ in range(ADMISSION_TRIES - 1):
            try:
                return await self._admission.admit(user_id, message)
            except (ConnectionLostError, ThreadTakenError):
                # The server ended the pooled connection in this very moment, or another message has just made
                # the conversation that this one is for.
                continue
        return await self._admission.admit(user_id, message)

    async def rejoin(self, user_id: str, run: RunRecord) -> Sent:
        """Wait for a run that was sent before, and go on with it first where it has failed and can be gone on with."""
        if run.status == "failed":
            try:
                return await self.retry(user_id, run.run_id)
            except problems.NotRetriableError:
                logger.info("run %s has failed, and its conversation has gone on", run.run_id)
        return Sent(run.run_id, run.conversation_id)

    async def retry(self, user_id: str, run_id: str) -> Sent:
        """Go on with a failed or cancelled run, from where its journal ends.

        Raises:
            RunNotFoundError, NotRetriableError, RunActiveError, RateLimitedError, QuotaExceededError: It cannot go on.
        """
        started = await self._takeover.retry(user_id, run_id)
        self._executor.begin(started)
        return Sent(run_id, started.run.conversation_id)

    async def decide(self, user_id: str, run_id: str, decisions: Sequence[CallDecision]) -> Sent:
        """Go on with a run that waits for the user's decisions.

        Raises:
            RunNotFoundError, DecidedError, InvalidRequestError: Nothing was decided.
        """
        started = await self._takeover.decide(user_id, run_id, decisions)
        self._executor.begin(started)
        denied = sum(not decision.approve for decision in decisions)
        # The stream goes on with the second RUN_STARTED, which the decision has stored, and the denials' results.
        return Sent(run_id, started.run.conversation_id, after=started.last_n - denied - 1)

    async def cancel(self, user_id: str, run_id: str) -> tuple[RunDetails, bool]:
        """Stop a run; returns it, and whether there was anything to stop.

        Raises:
            RunNotFoundError: The user has no such run.
        """
        promoted: Started | None = None
        async with self._database.writing() as connection:
            run = await self._get(connection, user_id, run_id)
            await conversations.lock(connection, user_id, run.conversation_id)
            run = await self._get(connection, user_id, run_id)
            if run.status == "running":
                await repository.request_cancel(connection, run.key)
            elif run.status not in ENDED:
                now = dt.datetime.now(dt.UTC)
                ended = await self._ender.cancel_idle(connection, run, now)
                promoted = None if ended is None else ended.promoted
        self._feeds.wake(user_id, run_id)
        if promoted is not None:
            self._executor.begin(promoted)
        return await self.get(user_id, run_id), run.status not in ENDED

    async def result(self, sent: Sent, user_id: str) -> Result:
        """Wait until a run has ended, or waits for the user, and return what it came to.

        Raises:
            ModelFailedProblem, ModelTimeoutProblem, ToolsUnavailableProblem, ToolsTimeoutProblem,
            InterruptedProblem, InternalError: It failed, and is on record.
            RunLostError: It was deleted with its conversation.
        """
        here = await self._executor.completed(user_id, sent.run_id)
        if here is not None:
            return Result(here.conversation_id, here.run_id, "completed", here.answer, here.message_id, here.calls)
        named: dict[str, Any] = {"run_id": sent.run_id, "conversation_id": sent.conversation_id}
        try:
            run = None
            # Between its end and this look, somebody else may have gone on with it.
            while run is None or run.status not in RESTING:
                await self._feeds.ended(user_id, sent.run_id)
                async with self._database.reading() as connection:
                    run = await repository.get(connection, user_id, sent.run_id)
                    answers = await messages.answers(connection, user_id, [sent.run_id])
                    calls = (await journal.tool_calls(connection, user_id, [sent.run_id])).get(sent.run_id, [])
                if run is None:
                    raise RunLostError("The run was deleted with its conversation.", **named)
        except DatabaseUnavailableError as error:
            raise unavailable(
                "The database does not answer. The message is carried out when it does; send it again with the same "
                "Idempotency-Key to hear of it.",
                **named,
            ) from error
        if run.status == "failed":
            raise problems.FAILURES.get(run.error_type or "", InternalError)(run.error_detail or "", **named)
        message_id, answer = answers.get(run.run_id, (None, ""))
        return Result(run.conversation_id, run.run_id, run.status, answer, message_id, calls, run.approval_expires_at)

    async def get(self, user_id: str, run_id: str) -> RunDetails:
        """Return a run with its tool calls.

        Raises:
            RunNotFoundError: The user has no such run.
        """
        async with self._database.reading() as connection:
            run = await self._get(connection, user_id, run_id)
            calls = await journal.tool_calls(connection, user_id, [run_id])
        return RunDetails(run, calls.get(run_id, []))

    async def page(self, user_id: str, conversation_id: int, limit: int, after: int | None) -> list[RunDetails]:
        """Return runs of a conversation with their tool calls, newest first.

        Raises:
            ConversationNotFoundError: The user has no such conversation.
        """
        async with self._database.reading() as connection:
            if await conversations.get(connection, user_id, conversation_id) is None:
                raise ConversationNotFoundError(conversation_id)
            runs = await repository.page(connection, user_id, conversation_id, limit, after)
            calls = await journal.tool_calls(connection, user_id, [run.run_id for run in runs])
        return [RunDetails(run, calls.get(run.run_id, [])) for run in runs]

    async def _get(self, connection: Connection, user_id: str, run_id: str) -> RunRecord:
        run = await repository.get(connection, user_id, run_id)
        if run is None:
            raise problems.RunNotFoundError("You have no such run.")
        return run
