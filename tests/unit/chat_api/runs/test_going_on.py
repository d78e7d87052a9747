"""What a run that goes on has to keep to: its numbers, its keys, and what was journalled of it."""

import asyncio
import datetime as dt
import json

import pytest
from chat_api.agent.errors import ModelFailedError, StoppedError
from chat_api.agent.turn import Answer, Journal, ModelStep, PastCall, Turn, Usage
from chat_api.database import Database
from chat_api.journal.log import RunLog
from chat_api.problems import ProblemError
from chat_api.runs.ending import Ender
from chat_api.runs.problems import InterruptedProblem, ModelFailedProblem, NotRetriableError
from chat_api.runs.service import Sent
from chat_api.runs.takeover import Takeover
from chat_api.upkeep import service as upkeep
from chat_api.usage.service import Quotas

from tests.unit.chat_api.runs.processes import LEASE_SECONDS, USER, FakeAgent, Process

FAILURE = ModelFailedError("The model failed to answer.")


class BrokenOffAgent(FakeAgent):
    """Says something, and ends as the real one does when its model's stream is closed."""

    log: RunLog

    async def answer(self, turn: Turn, journal: Journal) -> Answer:
        """Speak until the journal says stop."""
        assert isinstance(journal, RunLog)
        self.log = journal
        broken_off = asyncio.Event()
        journal.text("some words")
        with journal.on_stop(broken_off.set):
            self.asked.set()
            await broken_off.wait()
        raise StoppedError


class UnheardAgent(FakeAgent):
    """Never hears what its calls came to."""

    async def answer(self, turn: Turn, journal: Journal) -> Answer:
        """Ask for the calls, and fail where they have no outcome yet."""
        if not turn.done:
            step = ModelStep(0, "[]", [PastCall(call, None) for call in self.calls])
            await journal.responded(step, Usage(1, 2, 3))
            raise FAILURE
        return Answer("fine")


async def sql(database: Database, statement: str) -> list[tuple[object, ...]]:
    """Run a statement behind the service's back."""
    async with database.writing() as connection:
        result = await connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []


def takeover_of(database: Database) -> Takeover:
    """Return what takes runs over for a process that does nothing with them."""
    quotas = Quotas(database, runs_per_minute=1000, tokens_per_day=None)
    ender = Ender(lease_seconds=LEASE_SECONDS, history_token_budget=1000)
    return Takeover(database, quotas, ender, lease_seconds=LEASE_SECONDS)


async def failed_run(database: Database, agent: FakeAgent) -> Sent:
    """Let a run fail behind a call, and return it."""
    agent.failure = FAILURE
    agent.may_answer.set()
    async with Process(database, agent).working() as process:
        sent = await process.send("hello")
        with pytest.raises(ModelFailedProblem):
            await process.result(sent)
    agent.failure = None
    return sent


async def test_an_event_that_a_retry_takes_back_keeps_its_number_even_if_the_retry_is_lost_at_once(
    database: Database,
) -> None:
    agent = FakeAgent()
    sent = await failed_run(database, agent)
    before = await sql(database, "SELECT n, data FROM run_events ORDER BY n")
    assert json.loads(str(before[-1][1]))["type"] == "RUN_ERROR"
    # The process dies between the retry's COMMIT and the first event that follows it.
    await takeover_of(database).retry(USER, sent.run_id)
    await sql(database, "UPDATE runs SET lease_expires_at = 0")
    async with Process(database, agent).working(upkeep=True) as process:
        assert (await process.result(sent)).answer == "answer to hello"
        streamed = [event async for batch in process.feeds.follow(USER, sent.run_id, 0) for event in batch]
        # Who has seen the failure asks for what is behind it.
        seen = int(str(before[-1][0]))
        behind = [event async for batch in process.feeds.follow(USER, sent.run_id, seen) for event in batch]
    assert behind == [event for event in streamed if event.n > seen]
    assert [event.n for event in streamed if event.n <= seen] == list(range(1, seen))
    assert "RUN_ERROR" not in {json.loads(event.data)["type"] for event in streamed}
    assert [json.loads(event.data)["type"] for event in behind][-1] == "RUN_FINISHED"
    assert "TEXT_MESSAGE_START" in {json.loads(event.data)["type"] for event in behind}


async def test_a_run_whose_model_was_broken_off_because_it_was_lost_is_not_stopped(database: Database) -> None:
    """As where the database was away for longer than the lease, and is back before the run's task has ended."""
    agent = BrokenOffAgent()
    async with Process(database, agent).working() as process:
        sent = await process.send("hello")
        await agent.asked.wait()
        agent.log.lost()
        assert await process.executor.completed(USER, sent.run_id) is None
        assert await process.states() == [("running", 1, None)]
    await sql(database, "UPDATE runs SET lease_expires_at = 0")
    answering = FakeAgent()
    answering.may_answer.set()
    async with Process(database, answering).working(upkeep=True) as process:
        assert (await process.result(sent)).answer == "answer to hello"


async def test_calls_that_an_earlier_release_journalled_without_their_responses_are_not_asked_for_anew(
    database: Database,
) -> None:
    agent = FakeAgent()
    sent = await failed_run(database, agent)
    await sql(database, "DELETE FROM model_responses")
    async with Process(database, agent).working() as process:
        with pytest.raises(NotRetriableError):
            await process.runs.retry(USER, sent.run_id)
        assert await process.states() == [("failed", 1, "model-failed")]
        assert (await process.say("again", 1)).answer == "answer to again"

    await sql(database, f"UPDATE conversations SET last_run_id = '{sent.run_id}'")  # noqa: S608
    await sql(
        database,
        "UPDATE runs SET status = 'running', ended_at = NULL, error_type = NULL, lease_expires_at = 0 "  # noqa: S608
        f"WHERE run_id = '{sent.run_id}'",
    )
    asked = list(agent.sent)
    async with Process(database, agent).working(upkeep=True) as process:
        with pytest.raises(InterruptedProblem):
            await process.result(sent)
        assert (await process.say("once more", 1)).answer == "answer to once more"
    assert [key for key in agent.sent[len(asked) :] if key.startswith(sent.run_id)] == []


async def test_a_retry_takes_nothing_back_but_the_end(database: Database) -> None:
    """An earlier release's sweep, in a rolling upgrade, ends lapsed runs without telling their readers."""
    agent = FakeAgent()
    sent = await failed_run(database, agent)
    await sql(database, "DELETE FROM run_events WHERE data LIKE '%RUN_ERROR%'")
    async with Process(database, agent).working() as process:
        await process.result(await process.runs.retry(USER, sent.run_id))
        streamed = [event async for batch in process.feeds.follow(USER, sent.run_id, 0) for event in batch]
    assert [json.loads(event.data)["type"] for event in streamed] == [
        "RUN_STARTED",
        *("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT"),
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"),
    ]


@pytest.mark.parametrize("lost", [False, True])
async def test_what_a_call_came_to_that_was_settled_after_the_end_is_told_when_the_run_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    monkeypatch.setattr(upkeep, "SETTLE_SECONDS", 0.02)
    monkeypatch.setattr(upkeep, "SETTLE_FAILED_AFTER", dt.timedelta())
    agent = UnheardAgent(calls=2)
    sent = await failed_run(database, agent)
    assert await sql(database, "SELECT unsettled FROM runs") == [(1,)]
    async with Process(database, agent).working(upkeep=True):
        for _ in range(500):
            if await sql(database, "SELECT unsettled FROM runs") == [(0,)]:
                break
            await asyncio.sleep(0.02)
    if lost:
        await takeover_of(database).retry(USER, sent.run_id)
        await sql(database, "UPDATE runs SET lease_expires_at = 0")
    async with Process(database, agent).working(upkeep=True) as process:
        await process.result(sent if lost else await process.runs.retry(USER, sent.run_id))
        calls = (await process.runs.get(USER, sent.run_id)).calls
        streamed = [event async for batch in process.feeds.follow(USER, sent.run_id, 0) for event in batch]
    told = [json.loads(event.data) for event in streamed]
    results = [(event["toolCallId"], event["content"]) for event in told if event["type"] == "TOOL_CALL_RESULT"]
    assert results == [(call.call_id, call.result) for call in calls]
    assert results == [(call.call_id, '{"error":"void"}') for call in calls]


@pytest.mark.parametrize(("age", "settled"), [(dt.timedelta(hours=1), True), (dt.timedelta(days=8), False)])
async def test_calls_are_settled_only_as_long_as_the_todo_server_knows_their_keys(
    database: Database, monkeypatch: pytest.MonkeyPatch, age: dt.timedelta, settled: bool
) -> None:
    """A todo server that has forgotten a call calls it void, though it may have been carried out."""
    monkeypatch.setattr(upkeep, "SETTLE_SECONDS", 0.02)
    agent = FakeAgent()
    sent = await failed_run(database, agent)
    begun = (dt.datetime.now(dt.UTC) - age).replace(tzinfo=None).isoformat(" ")
    await sql(database, "UPDATE tool_calls SET result = NULL, is_error = NULL")
    await sql(database, f"UPDATE runs SET unsettled = true, created_at = '{begun}', ended_at = '{begun}'")  # noqa: S608
    async with Process(database, agent).working(upkeep=True) as process:
        for _ in range(500 if settled else 100):
            (call,) = (await process.runs.get(USER, sent.run_id)).calls
            if call.result is not None:
                break
            await asyncio.sleep(0.01)
        assert (call.result is not None) is settled
        histories: list[bool] = []

        async def answer(turn: Turn, journal: Journal) -> Answer:
            histories.extend(past.can_be_settled for past in turn.history)
            return Answer("fine")

        monkeypatch.setattr(agent, "answer", answer)
        await process.say("and now?", 1)
    assert histories == [settled]


async def test_a_caller_who_looks_when_somebody_has_just_gone_on_with_the_run_waits_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = FakeAgent()
    sent = await failed_run(database, agent)
    async with Process(database, agent).working() as process:
        ended = process.feeds.ended

        async def ended_and_retried(user_id: str, run_id: str) -> None:
            monkeypatch.setattr(process.feeds, "ended", ended)
            await ended(user_id, run_id)
            await takeover_of(database).retry(user_id, run_id)
            asyncio.get_running_loop().call_later(0.2, retried.set)

        retried = asyncio.Event()
        monkeypatch.setattr(process.feeds, "ended", ended_and_retried)
        waiting = asyncio.create_task(process.result(sent))
        await retried.wait()
        assert not waiting.done()
        await sql(database, "UPDATE runs SET status = 'failed', error_type = 'model-failed', error_detail = 'no'")
        with pytest.raises(ProblemError):
            await waiting
