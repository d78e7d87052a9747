"""The life of a run inside its process: it has a task of its own, which neither callers nor a stop take with them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from chat_api import schema
from chat_api.agent.errors import ModelFailedError
from chat_api.agent.turn import Answer, Journal, ToolCall, ToolOutcome, Turn, Usage
from chat_api.database import Database
from chat_api.runs import service as service_module
from chat_api.runs.problems import ModelFailedProblem, RunActiveError
from chat_api.runs.service import RunService

CALL = ToolCall(0, 0, "add_task", "{}")


class FakeAgent:
    """Answers when it is let, or fails."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.failure: Exception | None = None

    async def answer(self, turn: Turn, journal: Journal) -> Answer:
        """Make one call, wait, and answer."""
        await journal.calls_requested([CALL])
        self.asked.set()
        await self.may_answer.wait()
        await journal.call_ended(CALL, ToolOutcome('"done"', is_error=False))
        if self.failure is not None:
            raise self.failure
        return Answer(f"answer to {turn.message}", Usage(1, 2, 3))


MakeService = Callable[[FakeAgent], RunService]


@pytest.fixture
async def make_service(tmp_path: Path) -> AsyncIterator[MakeService]:
    """Makes run services on one SQLite file."""
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    await schema.migrate(url)
    database = Database(url)
    yield lambda agent: RunService(database, agent, lease_seconds=15, history_token_budget=1000)
    await database.close()


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
        assert run.error_detail == "The model failed to answer."
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
