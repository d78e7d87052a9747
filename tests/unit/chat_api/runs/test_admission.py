"""Admission writes all that a message becomes, or nothing."""

import pytest
from chat_api.database import DatabaseUnavailableError
from chat_api.runs.problems import RunActiveError
from chat_api.runs.service import ADMISSION_TRIES

from tests.unit.chat_api.runs.processes import USER, FakeAgent, FaultyDatabase, Process


@pytest.fixture
def agent() -> FakeAgent:
    """Answers at once."""
    agent = FakeAgent()
    agent.may_answer.set()
    return agent


async def test_a_message_is_admitted_again_where_the_connection_was_dead(
    database: FaultyDatabase, agent: FakeAgent
) -> None:
    async with Process(database, agent).working() as process:
        database.faults = ["dead"] * (ADMISSION_TRIES - 1)
        done = await process.say("hello")
        assert (done.conversation_id, done.answer) == (1, "answer to hello")
        assert await process.states() == [("completed", 1, None)]


async def test_a_message_whose_commit_was_not_answered_is_not_admitted_again(
    database: FaultyDatabase, agent: FakeAgent
) -> None:
    # Without a key of the caller's, a second try would be a second message where the first was written.
    async with Process(database, agent).working() as process:
        database.faults = ["lost after"]
        with pytest.raises(DatabaseUnavailableError):
            await process.say("hello")
        assert await process.states() == [("running", 1, None)]


async def test_a_refused_message_takes_no_number(database: FaultyDatabase) -> None:
    agent = FakeAgent()
    async with Process(database, agent).working() as process:
        first = await process.send("hello")
        await agent.asked.wait()
        with pytest.raises(RunActiveError) as refused:
            await process.send("too early", 1)
        assert refused.value.extensions == {"run_id": first.run_id}
        agent.may_answer.set()
        await process.result(first)
        second = await process.say("now", 1)
        assert (await process.runs.get(USER, second.run_id)).run.number == 2
        assert (await process.say("elsewhere")).conversation_id == 2
