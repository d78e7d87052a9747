"""The life of a run inside its process: it has a task of its own, which neither callers nor a stop take with them."""

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from chat_api import schema
from chat_api.agent.errors import ModelFailedError
from chat_api.agent.turn import Answer, Journal, ToolCall, ToolOutcome, Turn, Usage
from chat_api.database import Database, DatabaseUnavailableError
from chat_api.runs import problems, repository
from chat_api.runs import service as service_module
from chat_api.runs.problems import ModelFailedProblem, RunActiveError, RunLostError
from chat_api.runs.service import RunService
from chat_api.upkeep.repository import close_lapsed_runs
from sqlalchemy.exc import OperationalError

NOW = dt.datetime.now(dt.UTC)
CALL = ToolCall(0, 0, "add_task", "{}")


class FakeAgent:
    """Answers when it is let, or fails."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.failure: Exception | None = None

    async def answer(self, turn: Turn, journal: Journal) -> Answer:
        """Make one call, wait, and answer."""
        journal.model_responded(Usage(1, 2, 3))
        await journal.calls_requested([CALL])
        self.asked.set()
        await self.may_answer.wait()
        await journal.call_ended(CALL, ToolOutcome('"done"', is_error=False))
        if self.failure is not None:
            raise self.failure
        return Answer(f"answer to {turn.message}")


MakeService = Callable[[FakeAgent], RunService]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A SQLite file."""
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    await schema.migrate(url)
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
def make_service(database: Database) -> MakeService:
    """Makes run services on one database."""
    return lambda agent: RunService(database, agent, lease_seconds=15, history_token_budget=1000)


async def execute(database: Database, statement: str) -> None:
    async with database.writing() as connection:
        await connection.exec_driver_sql(statement)


async def states(service: RunService) -> list[tuple[str, str | None]]:
    return [(run.status, run.error_type) for run, _ in await service.page("ann", 1, 10, None)]


async def test_a_run_goes_on_when_its_caller_is_cancelled(make_service: MakeService) -> None:
    agent = FakeAgent()
    service = make_service(agent)
    async with service.working():
        caller = asyncio.create_task(service.send("ann", "hello", None, "UTC"))
        await agent.asked.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert await states(service) == [("running", None)]
        agent.may_answer.set()
    assert await states(service) == [("completed", None)]


async def test_a_stop_waits_for_runs_under_way(make_service: MakeService) -> None:
    agent = FakeAgent()
    service = make_service(agent)
    async with service.working():
        caller = asyncio.create_task(service.send("ann", "hello", None, "UTC"))
        await agent.asked.wait()
        asyncio.get_running_loop().call_later(0.2, agent.may_answer.set)
    assert (await caller).answer == "answer to hello"


async def test_a_stop_closes_a_run_that_does_not_end(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "SHUTDOWN_SECONDS", 0.1)
    agent = FakeAgent()
    service = make_service(agent)
    async with service.working():
        caller = asyncio.create_task(service.send("ann", "hello", None, "UTC"))
        await agent.asked.wait()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await states(service) == [("failed", "interrupted")]
    agent.may_answer.set()
    async with service.working():
        assert (await service.send("ann", "again", 1, "UTC")).answer == "answer to again"


async def test_a_failed_run_keeps_its_message_and_its_calls(make_service: MakeService) -> None:
    agent = FakeAgent()
    agent.failure = ModelFailedError("The model failed to answer.")
    agent.may_answer.set()
    service = make_service(agent)
    async with service.working():
        with pytest.raises(ModelFailedProblem) as failed:
            await service.send("ann", "hello", None, "UTC")
        ((run, calls),) = await service.page("ann", 1, 10, None)
        assert failed.value.extensions == {"run_id": run.run_id, "conversation_id": 1}
        assert (run.status, run.input, run.error_type) == ("failed", "hello", "model-failed")
        assert run.error_detail == f"The model failed to answer. {problems.SOME_WAS_DONE}"
        assert (run.model_requests, run.input_tokens, run.output_tokens) == (1, 2, 3)
        assert [(call.tool_name, call.result) for call in calls] == [("add_task", '"done"')]


async def test_one_run_at_a_time_however_many_are_sent_at_once(make_service: MakeService) -> None:
    agent = FakeAgent()
    agent.may_answer.set()
    service = make_service(agent)
    async with service.working():
        await service.send("ann", "first", None, "UTC")
        agent.may_answer.clear()
        sent = [asyncio.create_task(service.send("ann", f"{n}", 1, "UTC")) for n in range(5)]
        finished = asyncio.as_completed(sent)
        for _ in range(4):
            with pytest.raises(RunActiveError):
                await next(finished)
        agent.may_answer.set()
        assert (await next(finished)).answer.startswith("answer to ")
    assert await states(service) == [("completed", None), ("completed", None)]


class ManyCalls(FakeAgent):
    """Asks for three calls in one response and sends them one after the other, as the real agent does."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    async def answer(self, turn: Turn, journal: Journal) -> Answer:
        """Make the calls."""
        calls = [ToolCall(0, index, "add_task", "{}") for index in range(3)]
        await journal.calls_requested(calls)
        for call in calls:
            journal.check_owned()
            self.sent += 1
            self.asked.set()
            await self.may_answer.wait()
            await journal.call_ended(call, ToolOutcome('"done"', is_error=False))
        return Answer("done")


async def test_a_run_that_was_closed_under_its_owner_sends_no_further_call(
    make_service: MakeService, database: Database
) -> None:
    agent = ManyCalls()
    service = make_service(agent)
    async with service.working():
        caller = asyncio.create_task(service.send("ann", "hello", None, "UTC"))
        await agent.asked.wait()
        await execute(database, "UPDATE runs SET lease_expires_at = 0")
        async with database.writing() as connection:
            assert await close_lapsed_runs(connection, NOW, error_type="interrupted", error_detail="x") == 1
        agent.may_answer.set()
        with pytest.raises(RunLostError):
            await caller
    assert agent.sent == 1
    ((_, calls),) = await service.page("ann", 1, 10, None)
    assert [call.result for call in calls] == ['"done"', None, None]


async def test_a_process_that_slept_past_its_lease_sends_nothing(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = ManyCalls()
    service = make_service(agent)
    async with service.working():
        caller = asyncio.create_task(service.send("ann", "hello", None, "UTC"))
        await agent.asked.wait()
        clock = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: clock() + 16)
        agent.may_answer.set()
        with pytest.raises(RunLostError):
            await caller
    assert agent.sent == 1


async def test_a_run_whose_process_went_away_is_closed_without_another_message(
    make_service: MakeService, database: Database
) -> None:
    agent = FakeAgent()
    agent.may_answer.set()
    service = make_service(agent)
    await service.send("ann", "hello", None, "UTC")
    await execute(database, "UPDATE runs SET status = 'running', lease_expires_at = 0")
    async with service.working():
        await asyncio.sleep(0.2)
        assert await states(service) == [("failed", "interrupted")]


@pytest.mark.parametrize("written", [False, True])
async def test_an_answer_is_written_again_where_the_database_did_not_say_whether_it_was(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    monkeypatch.setattr(service_module, "COMMIT_PAUSE_SECONDS", 0.01)
    agent = FakeAgent()
    agent.may_answer.set()
    service = make_service(agent)
    write = service._write_answer
    outages = [True, True, False]

    async def unreliable(*arguments: Any) -> int:
        if outages.pop(0):
            if written and len(outages) == 2:
                await write(*arguments)
            raise DatabaseUnavailableError
        return await write(*arguments)

    monkeypatch.setattr(service, "_write_answer", unreliable)
    async with service.working():
        done = await service.send("ann", "hello", None, "UTC")
    assert (done.answer, done.message_id) == ("answer to hello", 2)
    assert await states(service) == [("completed", None)]


async def test_a_message_is_admitted_again_where_the_connection_was_dead(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = FakeAgent()
    agent.may_answer.set()
    service = make_service(agent)
    insert = repository.insert_run
    dead = [True]

    async def insert_once_dead(*arguments: Any, **fields: Any) -> None:
        if dead:
            dead.clear()
            raise OperationalError("", {}, Exception(), connection_invalidated=True)
        await insert(*arguments, **fields)

    monkeypatch.setattr(repository, "insert_run", insert_once_dead)
    async with service.working():
        done = await service.send("ann", "hello", None, "UTC")
    assert (done.conversation_id, done.answer) == (1, "answer to hello")
    assert await states(service) == [("completed", None)]
