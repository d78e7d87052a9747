"""History for a model: whole runs, the newest that fit the token budget."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from chat_api import schema
from chat_api.agent.history import estimated_tokens
from chat_api.agent.turn import PastRun, Usage
from chat_api.conversations import repository as conversations
from chat_api.database import Database
from chat_api.runs import repository as runs
from chat_api.runs.history import RUNS_PER_READ, read_history
from chat_api.runs.repository import RunKey, ToolCallRecord

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
EVERYTHING = 10**9


class Transcript:
    """One conversation on a SQLite file."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def begin(self) -> None:
        """Make the conversation."""
        async with self.database.writing() as connection:
            assert await conversations.create(connection, "ann", "x", "none", NOW) == 1

    async def add(self, number: int, *calls: ToolCallRecord, answer: str | None = "fine") -> None:
        """Add a run; without an answer, one that failed."""
        key = RunKey("ann", f"run-{number:04}", 1)
        async with self.database.writing() as connection:
            await runs.insert_run(
                connection, key, conversation_id=1, message=f"{number}", timezone="UTC", now=NOW, lease_seconds=60
            )
            await runs.insert_calls(connection, key, calls, NOW)
            for call in calls:
                if call.result is not None:
                    await runs.end_call(connection, key, call, NOW)
            if answer is None:
                await runs.fail(connection, key, NOW, error_type="x", error_detail="x", usage=Usage())
                return
            answer_id = await conversations.take_message_numbers(connection, "ann", 1, NOW)
            assert answer_id is not None
            pair: dict[str, Any] = {"question": f"{number}", "asked_at": NOW, "answer": answer, "answered_at": NOW}
            await conversations.insert_pair(connection, "ann", 1, key.run_id, **pair, answer_id=answer_id)
            await runs.complete(connection, key, NOW, Usage())

    async def history(self, token_budget: int = EVERYTHING, user_id: str = "ann") -> list[PastRun]:
        """Read what a model would be told."""
        async with self.database.reading() as connection:
            return await read_history(connection, user_id, 1, token_budget)


def call(number: int, ordinal: int, index: int, result: str | None) -> ToolCallRecord:
    return ToolCallRecord(
        f"run-{number:04}", ordinal, index, "add_task", "{}", result, None if result is None else False
    )


@pytest.fixture
async def transcript(tmp_path: Path) -> AsyncIterator[Transcript]:
    """An empty conversation."""
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    await schema.migrate(url)
    database = Database(url)
    made = Transcript(database)
    await made.begin()
    yield made
    await database.close()


def numbers(history: list[PastRun]) -> list[int]:
    return [int(run.message) for run in history]


async def test_a_new_conversation_has_no_history(transcript: Transcript) -> None:
    assert await transcript.history() == []


async def test_runs_come_oldest_first_over_more_than_one_read(transcript: Transcript) -> None:
    count = 2 * RUNS_PER_READ + 3
    for number in range(count):
        await transcript.add(number)
    assert numbers(await transcript.history()) == list(range(count))


async def test_exactly_one_read_full_of_runs_is_all_of_them(transcript: Transcript) -> None:
    for number in range(RUNS_PER_READ):
        await transcript.add(number)
    assert numbers(await transcript.history()) == list(range(RUNS_PER_READ))


async def test_the_newest_runs_that_fit_the_budget_are_told_whole(transcript: Transcript) -> None:
    for number in range(10, 15):
        await transcript.add(number, call(number, 0, 0, '{"task_id":1}'))
    one = estimated_tokens((await transcript.history())[0])
    for fitting in range(6):
        assert numbers(await transcript.history(one * fitting)) == list(range(15 - fitting, 15))
        if fitting:
            assert numbers(await transcript.history(one * fitting - 1)) == list(range(16 - fitting, 15))
    assert await transcript.history(0) == []


async def test_a_run_that_does_not_fit_ends_the_history(transcript: Transcript) -> None:
    await transcript.add(1)
    await transcript.add(2, answer="long " * 1000)
    await transcript.add(3)
    small = estimated_tokens((await transcript.history())[0])
    assert numbers(await transcript.history(10 * small)) == [3]


async def test_calls_come_in_the_models_order_with_their_outcomes(transcript: Transcript) -> None:
    await transcript.add(1, call(1, 1, 0, '"c"'), call(1, 0, 1, '"b"'), call(1, 0, 0, '"a"'))
    (run,) = await transcript.history()
    assert [past.outcome.result for past in run.calls] == ['"a"', '"b"', '"c"']


async def test_a_call_without_an_outcome_is_left_out(transcript: Transcript) -> None:
    await transcript.add(1, call(1, 0, 0, '"a"'), call(1, 0, 1, None))
    (run,) = await transcript.history()
    assert [past.call.call_index for past in run.calls] == [0]


async def test_failed_runs_are_left_out(transcript: Transcript) -> None:
    await transcript.add(1)
    await transcript.add(2, call(2, 0, 0, '"a"'), answer=None)
    await transcript.add(3)
    assert numbers(await transcript.history()) == [1, 3]


async def test_history_is_the_users_own(transcript: Transcript) -> None:
    await transcript.add(1)
    assert await transcript.history(user_id="bob") == []
