"""History for a model: whole runs, the newest that fit the token budget."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest
from chat_api.agent.history import estimated_tokens
from chat_api.agent.turn import PastCall, PastRun, ToolCall, ToolOutcome, Usage
from chat_api.conversations import repository as conversations
from chat_api.database import Database
from chat_api.journal import repository as journal
from chat_api.journal.records import EndedCall, Entry, ResponseRecord, StoredEvent, ToolCallRecord
from chat_api.runs import repository as runs
from chat_api.runs.ending import Ender, Ending
from chat_api.runs.history import RUN_MIN_TOKENS, RUNS_PER_READ, read_history
from chat_api.runs.repository import RunRecord
from chat_api.runs.states import RunStatus
from chat_api.usage import repository as usage

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
EVERYTHING = 10**9


class Transcript:
    """One conversation of Ann's, whose runs are named by their numbers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.count = 0
        self._ender = Ender(lease_seconds=60, history_token_budget=0)

    async def add(
        self,
        *calls: PastCall,
        answer: str | None = "fine",
        status: RunStatus = "completed",
        replaces: int | None = None,
    ) -> None:
        """Add a run, to its end; one that is `running` has none."""
        self.count += 1
        run = self.run(replaces)
        async with self.database.writing() as connection:
            if self.count == 1:
                await usage.count_run(connection, "ann", 0, new_conversation=True)
                await conversations.create(connection, "ann", 1, "x", run.run_id, NOW)
            else:
                await conversations.add_run(connection, "ann", 1, run.run_id, NOW, queued=False)
            await runs.insert_run(connection, run, lease_seconds=60)
            await journal.append(connection, [entry(run, calls)])
            if status == "running":
                return
            ending = Ending(status, answer, error_type="x", error_detail="x")
            assert await self._ender.end(connection, run, ending, lambda last: [StoredEvent(1, last)], NOW)

    def run(self, replaces: int | None = None, number: int | None = None) -> RunRecord:
        """Return the newest run, or another one, as its admission wrote it."""
        number = self.count if number is None else number
        replaced = None if replaces is None else f"run-{replaces:04}"
        return RunRecord("ann", f"run-{number:04}", 1, number, "running", f"{number}", "UTC", NOW, replaces=replaced)

    async def history(
        self, token_budget: int = EVERYTHING, user_id: str = "ann", replaces: int | None = None
    ) -> list[PastRun]:
        """Read what a model would be told with the next message."""
        following = replace(self.run(replaces, self.count + 1), user_id=user_id)
        async with self.database.reading() as connection:
            return await read_history(connection, following, token_budget)


def entry(run: RunRecord, calls: Sequence[PastCall]) -> Entry:
    """Return what a run journals of its calls, response by response."""
    made = Entry(run.key)
    for ordinal in sorted({past.call.response_ordinal for past in calls}):
        made.responses.append(ResponseRecord(ordinal, "[]", Usage(), NOW))
    made.calls.extend(ToolCallRecord.of(run.run_id, PastCall(past.call, None)) for past in calls)
    made.outcomes.extend(EndedCall(past.call, past.outcome, NOW) for past in calls if past.outcome is not None)
    return made


def call(ordinal: int, index: int, result: str | None) -> PastCall:
    outcome = None if result is None else ToolOutcome(result, is_error=False)
    return PastCall(ToolCall(ordinal, index, "add_task", "{}"), outcome)


@pytest.fixture
def transcript(database: Database) -> Transcript:
    """A conversation without runs."""
    return Transcript(database)


def numbers(history: list[PastRun]) -> list[int]:
    return [int(run.message) for run in history]


async def test_a_new_conversation_has_no_history(transcript: Transcript) -> None:
    assert await transcript.history() == []


async def test_runs_come_oldest_first_over_more_than_one_read(transcript: Transcript) -> None:
    count = 2 * RUNS_PER_READ + 3
    for _ in range(count):
        await transcript.add()
    assert numbers(await transcript.history()) == list(range(1, count + 1))


async def test_exactly_one_read_full_of_runs_is_all_of_them(transcript: Transcript) -> None:
    for _ in range(RUNS_PER_READ):
        await transcript.add()
    assert numbers(await transcript.history()) == list(range(1, RUNS_PER_READ + 1))


async def test_the_newest_runs_that_fit_the_budget_are_told_whole(transcript: Transcript) -> None:
    for _ in range(5):
        await transcript.add(call(0, 0, '{"task_id":1}'), answer="fine " * RUN_MIN_TOKENS)
    one = estimated_tokens((await transcript.history())[0])
    assert one > RUN_MIN_TOKENS
    for fitting in range(6):
        assert numbers(await transcript.history(one * fitting)) == list(range(6 - fitting, 6))
        if fitting:
            assert numbers(await transcript.history(one * fitting - 1)) == list(range(7 - fitting, 6))
    assert await transcript.history(0) == []


async def test_a_run_that_does_not_fit_ends_the_history(transcript: Transcript) -> None:
    await transcript.add()
    await transcript.add(answer="long " * 1000)
    await transcript.add()
    assert numbers(await transcript.history(10 * RUN_MIN_TOKENS)) == [3]


async def test_runs_of_which_there_is_little_to_tell_end_the_search_too(transcript: Transcript) -> None:
    for _ in range(5):
        await transcript.add(status="failed", answer=None)
    assert numbers(await transcript.history(3 * RUN_MIN_TOKENS)) == [3, 4, 5]


async def test_calls_come_in_the_models_order_with_their_outcomes(transcript: Transcript) -> None:
    await transcript.add(call(1, 0, '"c"'), call(0, 1, '"b"'), call(0, 0, '"a"'))
    (run,) = await transcript.history()
    assert [past.outcome and past.outcome.result for past in run.calls] == ['"a"', '"b"', '"c"']


async def test_a_call_whose_outcome_is_unknown_is_told_as_such(transcript: Transcript) -> None:
    # What a model is sent then is the agent's: it never sees a call without an output.
    await transcript.add(call(0, 0, '"a"'), call(0, 1, None))
    (run,) = await transcript.history()
    assert [past.outcome and past.outcome.result for past in run.calls] == ['"a"', None]


async def test_how_runs_ended_is_told_with_what_they_did(transcript: Transcript) -> None:
    await transcript.add()
    await transcript.add(call(0, 0, '"a"'), status="failed", answer=None)
    await transcript.add(call(0, 0, '"b"'), status="cancelled", answer="I beg")
    assert [(run.ending, run.answer, len(run.calls)) for run in await transcript.history()] == [
        ("completed", "fine", 0),
        ("failed", "", 1),
        ("cancelled", "I beg", 1),
    ]


async def test_a_run_at_work_is_no_history(transcript: Transcript) -> None:
    await transcript.add()
    await transcript.add(status="running")
    assert numbers(await transcript.history()) == [1]


async def test_a_run_that_is_replaced_counts_as_such_with_its_successor_and_from_then_on(
    transcript: Transcript,
) -> None:
    await transcript.add(call(0, 0, '"a"'))
    endings = [run.ending for run in await transcript.history(replaces=1)]
    await transcript.add(replaces=1)
    assert endings == ["replaced"]
    assert [run.ending for run in await transcript.history()] == ["replaced", "completed"]


async def test_a_run_that_failed_to_replace_another_leaves_it_in_its_place(transcript: Transcript) -> None:
    await transcript.add()
    await transcript.add(replaces=1, status="failed", answer=None)
    assert [run.ending for run in await transcript.history()] == ["completed", "failed"]


async def test_only_what_came_before_a_run_is_its_history(transcript: Transcript) -> None:
    for _ in range(3):
        await transcript.add()
    async with transcript.database.reading() as connection:
        assert numbers(await read_history(connection, transcript.run(number=2), EVERYTHING)) == [1]


async def test_history_is_the_users_own(transcript: Transcript) -> None:
    await transcript.add()
    assert await transcript.history(user_id="bob") == []
