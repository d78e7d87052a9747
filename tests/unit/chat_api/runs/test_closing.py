"""The end of a run is written once, whatever the database says or does not say about it."""

import asyncio

import pytest
from chat_api.runs import closing

from tests.unit.chat_api.runs.processes import USER, FakeAgent, Fault, FaultyDatabase, Process


@pytest.mark.parametrize(
    "faults",
    [
        ["lost before"],
        ["lost after"],
        ["dead", "lost before", "lost after"],
        ["lost after", "dead"],
    ],
    ids=" then ".join,
)
async def test_an_answer_is_written_again_where_the_database_did_not_say_whether_it_was(
    database: FaultyDatabase, monkeypatch: pytest.MonkeyPatch, faults: list[Fault]
) -> None:
    monkeypatch.setattr(closing, "PAUSE_SECONDS", 0.01)
    agent = FakeAgent()
    agent.may_answer.set()
    async with Process(database, agent).working() as process:
        agent.before_end = lambda: database.faults.extend(faults)
        first = await process.say("hello")
        assert database.faults == []
        assert (first.answer, first.message_id) == ("answer to hello", 2)
        agent.before_end = lambda: None
        # The numbers that the tries in vain had taken are not lost.
        assert (await process.say("again", 1)).message_id == 4
        assert await process.states() == [("completed", 1, None), ("completed", 1, None)]
        stored = await process.runs.get(USER, first.run_id)
    assert (stored.run.model_requests, stored.run.input_tokens, stored.run.output_tokens) == (1, 2, 3)


async def test_a_run_whose_end_was_written_unheard_has_each_event_once(
    database: FaultyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "PAUSE_SECONDS", 0.01)
    agent = FakeAgent()
    async with Process(database, agent).working() as process:
        agent.before_end = lambda: database.faults.append("lost after")
        sent = await process.send("hello")
        await agent.asked.wait()
        live = asyncio.create_task(read(process, sent.run_id))
        agent.may_answer.set()
        assert (await process.result(sent)).status == "completed"
        assert await live == await read(process, sent.run_id)
        assert ['"RUN_FINISHED"' in data for _, data in await live] == [False] * (len(await live) - 1) + [True]


async def test_an_end_that_cannot_be_written_while_the_lease_lasts_is_left_to_others(
    database: FaultyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "PAUSE_SECONDS", 0.01)
    agent = FakeAgent()
    agent.may_answer.set()

    def take_away() -> None:
        database.faults = ["lost before", "dead", "lost before"]
        # The lease passes with the last of them.
        monkeypatch.setattr(process.leases, "holds", lambda _key: bool(database.faults))

    async with Process(database, agent).working() as process:
        agent.before_end = take_away
        sent = await process.send("hello")
        assert await process.executor.completed(USER, sent.run_id) is None
        assert await process.states() == [("running", 1, None)]


async def read(process: Process, run_id: str) -> list[tuple[int, str]]:
    """Return number and text of a run's events."""
    return [(n, data) async for batch in process.feeds.follow(USER, run_id, 0) for n, data in batch]
