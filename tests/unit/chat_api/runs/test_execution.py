"""The life of a run inside its process: it has a task of its own, which neither callers nor a stop take with them."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from chat_api.agent.errors import ModelFailedError
from chat_api.database import Database
from chat_api.leases import service as leases_module
from chat_api.problems import InternalError
from chat_api.runs import execution, problems
from chat_api.runs.problems import ModelFailedProblem, RunActiveError

from tests.unit.chat_api.runs.processes import LEASE_SECONDS, USER, FakeAgent, Process


async def test_a_run_goes_on_when_its_caller_is_cancelled(database: Database) -> None:
    agent = FakeAgent()
    async with Process(database, agent).working() as process:
        caller = asyncio.create_task(process.say("hello"))
        await agent.asked.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert await process.states() == [("running", 1, None)]
        agent.may_answer.set()
    assert await process.states() == [("completed", 1, None)]


async def test_a_stop_waits_for_runs_under_way(database: Database) -> None:
    agent = FakeAgent()
    async with Process(database, agent).working() as process:
        caller = asyncio.create_task(process.say("hello"))
        await agent.asked.wait()
        asyncio.get_running_loop().call_later(0.2, agent.may_answer.set)
    assert (await caller).answer == "answer to hello"


async def test_a_run_that_a_stop_cuts_short_is_gone_on_with_by_the_next_process(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "SHUTDOWN_SECONDS", 0.1)
    agent = FakeAgent(calls=2)
    async with Process(database, agent).working() as process:
        sent = await process.send("hello")
        await agent.asked.wait()
    assert await process.states() == [("running", 1, None)]

    agent.may_answer.set()
    # Its lease would last for longer than this test may take: it was given up, not left to lapse.
    async with asyncio.timeout(LEASE_SECONDS / 2), Process(database, agent).working(upkeep=True) as process:
        result = await process.result(sent)
        assert (result.answer, result.message_id) == ("answer to hello", 2)
        assert [call.result for call in result.calls] == ['"done"', '"done"']
        assert await process.states() == [("completed", 2, None)]
    # The call whose outcome the first process never heard is sent again, under its own key.
    assert agent.sent == [f"{sent.run_id}/0/0", f"{sent.run_id}/0/0", f"{sent.run_id}/0/1"]


async def test_a_failed_run_keeps_its_message_and_its_calls(database: Database) -> None:
    agent = FakeAgent()
    agent.failure = ModelFailedError("The model failed to answer.")
    agent.may_answer.set()
    async with Process(database, agent).working() as process:
        with pytest.raises(ModelFailedProblem) as failed:
            await process.say("hello")
        ((run, calls),) = [(one.run, one.calls) for one in await process.runs.page(USER, 1, 10, None)]
        assert failed.value.extensions == {"run_id": run.run_id, "conversation_id": 1}
        assert (run.status, run.input, run.error_type) == ("failed", "hello", "model-failed")
        assert run.error_detail == f"The model failed to answer. {problems.SOME_WAS_DONE}"
        assert (run.model_requests, run.input_tokens, run.output_tokens) == (1, 2, 3)
        assert [(call.tool_name, call.result) for call in calls] == [("add_task", '"done"')]


async def test_a_defect_fails_the_run_and_tells_nobody_its_text(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    agent = FakeAgent()
    agent.failure = RuntimeError("at line 7")
    agent.may_answer.set()
    async with Process(database, agent).working() as process:
        with pytest.raises(InternalError) as failed:
            await process.say("hello")
        assert "at line 7" not in str(failed.value)
        assert "at line 7" in caplog.text
        assert await process.states() == [("failed", 1, "internal-error")]
        agent.failure = None
        assert (await process.say("again", 1)).answer == "answer to again"


async def test_a_run_whose_answer_cannot_be_written_fails_and_its_conversation_goes_on(database: Database) -> None:
    agent = FakeAgent()
    agent.may_answer.set()
    async with Process(database, agent).working() as process:
        async with database.writing() as connection:
            await connection.exec_driver_sql(
                "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.content = 'answer to hello' "
                "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
            )
        with pytest.raises(InternalError):
            await process.say("hello")
        assert (await process.say("again", 1)).message_id == 2
        assert await process.states() == [("completed", 1, None), ("failed", 1, "internal-error")]


async def test_one_run_at_a_time_however_many_are_sent_at_once(database: Database) -> None:
    agent = FakeAgent()
    agent.may_answer.set()
    async with Process(database, agent).working() as process:
        await process.say("first")
        agent.may_answer.clear()
        finished = asyncio.as_completed([asyncio.create_task(process.say(f"{n}", 1)) for n in range(5)])
        for _ in range(4):
            with pytest.raises(RunActiveError):
                await next(finished)
        agent.may_answer.set()
        assert (await next(finished)).answer.startswith("answer to ")
    assert await process.states() == [("completed", 1, None), ("completed", 1, None)]


async def test_an_owner_whose_run_was_taken_over_sends_nothing_and_writes_nothing(database: Database) -> None:
    agent = FakeAgent(calls=3)
    async with Process(database, agent).working() as process:
        sent = await process.send("hello")
        await agent.asked.wait()
        async with database.writing() as connection:
            await connection.exec_driver_sql("UPDATE runs SET attempt = 2")
        agent.may_answer.set()
        assert await process.executor.completed(USER, sent.run_id) is None
        run = await process.runs.get(USER, sent.run_id)
    assert len(agent.sent) == 1
    # The outcome is the new owner's to ask for: under the call's key it gets the same one.
    assert [call.result for call in run.calls] == [None, None, None]
    assert run.run.status == "running"


async def test_a_process_that_slept_past_its_lease_sends_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = FakeAgent(calls=3)
    async with Process(database, agent).working() as process:
        sent = await process.send("hello")
        await agent.asked.wait()
        awake = SimpleNamespace(monotonic=lambda: time.monotonic() + LEASE_SECONDS + 1)
        monkeypatch.setattr(leases_module, "time", awake)
        agent.may_answer.set()
        assert await process.executor.completed(USER, sent.run_id) is None
    assert len(agent.sent) == 1
