"""What tests of runs put in the place of the agent, of a process, and of a database that fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Literal

from chat_api.agent.turn import (
    Answer,
    Journal,
    ModelStep,
    PastCall,
    ToolCall,
    ToolOutcome,
    Turn,
    Usage,
    effect_key,
)
from chat_api.database import Connection, ConnectionLostError, Database, DatabaseUnavailableError
from chat_api.journal.feed import Feeds
from chat_api.journal.writer import JournalWriter
from chat_api.leases.service import Leases
from chat_api.runs.admission import Admission, NewMessage
from chat_api.runs.ending import Ender
from chat_api.runs.execution import Executor
from chat_api.runs.service import Result, RunService, Sent
from chat_api.runs.takeover import Takeover
from chat_api.upkeep.service import Upkeep
from chat_api.usage.service import Quotas

LEASE_SECONDS: Final = 15.0
USER: Final = "ann"

Fault = Literal["dead", "lost before", "lost after"]
"""A connection found dead, a COMMIT that never arrived, and one whose answer was lost."""


class FaultyDatabase(Database):
    """Its next writing transactions meet the faults given, one each."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.faults: list[Fault] = []

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """Write, unless a fault is next."""
        fault = self.faults.pop(0) if self.faults else None
        if fault == "dead":
            raise ConnectionLostError
        async with super().writing() as connection:
            yield connection
            if fault == "lost before":
                raise DatabaseUnavailableError
        if fault == "lost after":
            raise DatabaseUnavailableError


class FakeAgent:
    """Makes its calls one after the other when it is let, and then answers or fails. Replays as the real one does."""

    def __init__(self, calls: int = 1) -> None:
        self.calls = [ToolCall(0, index, "add_task", "{}") for index in range(calls)]
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.failure: Exception | None = None
        self.sent: list[str] = []
        """Effect keys of the calls that were sent."""
        self.before_end: Callable[[], object] = lambda: None

    async def answer(self, turn: Turn, journal: Journal) -> Answer:
        """Carry the turn out."""
        if not turn.done:
            step = ModelStep(0, "[]", [PastCall(call, None) for call in self.calls])
            await journal.responded(step, Usage(1, 2, 3))
        known = {past.call for step in turn.done for past in step.calls if past.outcome is not None}
        for call in self.calls:
            if call in known:
                continue
            journal.check_owned()
            self.sent.append(effect_key(turn.run_id, call))
            self.asked.set()
            await self.may_answer.wait()
            await journal.call_ended(call, ToolOutcome('"done"', is_error=False))
        self.before_end()
        if self.failure is not None:
            raise self.failure
        return Answer(f"answer to {turn.message}")

    async def settle(self, user_id: str, run_id: str, call: ToolCall) -> ToolOutcome:
        """Say that nothing was done."""
        return ToolOutcome('{"error":"void"}', is_error=True)


class Process:
    """What carries runs out in one process of the service."""

    def __init__(self, database: Database, agent: FakeAgent) -> None:
        quotas = Quotas(database, runs_per_minute=1000, tokens_per_day=None)
        ender = Ender(lease_seconds=LEASE_SECONDS, history_token_budget=1000)
        takeover = Takeover(database, quotas, ender, lease_seconds=LEASE_SECONDS)
        admission = Admission(database, quotas, ender, lease_seconds=LEASE_SECONDS)
        self.leases = Leases(database, LEASE_SECONDS)
        self._writer, self.feeds = JournalWriter(database), Feeds(database)
        self.executor = Executor(
            database, agent, ender, self.leases, self._writer, self.feeds, approval_expires_seconds=60
        )
        self._upkeep = Upkeep(database, takeover, ender, self.executor, agent)
        self.runs = RunService(database, admission, takeover, ender, self.executor, self.feeds)

    @asynccontextmanager
    async def working(self, *, upkeep: bool = False) -> AsyncIterator["Process"]:
        """Let the process live as long as the context; without `upkeep`, it looks after its own runs alone."""
        parts = [self.leases.renewing(), self._writer.running(), self.feeds.running(), self.executor.working()]
        async with AsyncExitStack() as stack:
            for part in [*parts, self._upkeep.running()] if upkeep else parts:
                await stack.enter_async_context(part)
            yield self

    async def send(self, message: str, conversation_id: int | None = None) -> Sent:
        """Send a message, and do not wait for what comes of it."""
        return await self.runs.send(USER, NewMessage(message, conversation_id))

    async def result(self, sent: Sent) -> Result:
        """Wait for what came of a message."""
        return await self.runs.result(sent, USER)

    async def say(self, message: str, conversation_id: int | None = None) -> Result:
        """Send a message and wait for what comes of it."""
        return await self.result(await self.send(message, conversation_id))

    async def states(self, conversation_id: int = 1) -> Sequence[tuple[str, int, str | None]]:
        """Return status, attempt and error of a conversation's runs, newest first."""
        page = await self.runs.page(USER, conversation_id, 100, None)
        return [(found.run.status, found.run.attempt, found.run.error_type) for found in page]
