"""Runs that are gone on with: what the next attempt finds, and what cannot be gone on with."""

import pytest
from chat_api.agent.errors import ModelFailedError
from chat_api.database import Database
from chat_api.runs.admission import NewMessage
from chat_api.runs.problems import NotRetriableError, RunActiveError

from tests.unit.chat_api.runs.processes import USER, FakeAgent, Process


async def test_a_retry_goes_on_where_the_failed_attempt_ended(database: Database) -> None:
    agent = FakeAgent(calls=2)
    agent.may_answer.set()
    agent.failure = ModelFailedError("The model failed to answer.")
    async with Process(database, agent).working() as process:
        failed = await process.send("hello")
        assert await process.executor.completed(USER, failed.run_id) is None
        agent.failure = None
        result = await process.result(await process.runs.retry(USER, failed.run_id))
        assert (result.run_id, result.answer) == (failed.run_id, "answer to hello")
        assert await process.states() == [("completed", 2, None)]
        with pytest.raises(NotRetriableError):
            await process.runs.retry(USER, failed.run_id)
    assert agent.sent == [f"{failed.run_id}/0/0", f"{failed.run_id}/0/1"]


async def test_a_queued_run_that_was_stopped_is_not_retried_beside_the_one_at_work(database: Database) -> None:
    agent = FakeAgent()
    async with Process(database, agent).working() as process:
        first = await process.send("first")
        await agent.asked.wait()
        queued = await process.runs.send(USER, NewMessage("second", 1, on_busy="enqueue"))
        await process.runs.cancel(USER, queued.run_id)
        with pytest.raises(RunActiveError):
            await process.runs.retry(USER, queued.run_id)
        agent.may_answer.set()
        await process.result(first)
        assert (await process.result(await process.runs.retry(USER, queued.run_id))).answer == "answer to second"
