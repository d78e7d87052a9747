"""The times that go with what is journalled: written once, by owners alone, whatever else is in the statement."""

import datetime as dt
from dataclasses import replace

import pytest
from chat_api.agent.turn import ModelStep, PastCall, ToolCall, ToolOutcome
from chat_api.database import Database
from chat_api.journal import repository
from chat_api.journal.keys import RunKey
from chat_api.journal.records import EndedCall, Entry, ResponseRecord, ToolCallRecord
from chat_api.timeline.repository import CallTimes, ResponseTimes, read

from tests.integration.chat_api.journal.conftest import (
    ADD_MILK,
    COST,
    NewRun,
    owned_log,
    running_writer,
    set_run,
    take_over,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

DONE = ToolOutcome('{"task_id":1}', is_error=False)
REFUSED = ToolOutcome('{"error":"no such tool"}', is_error=True)
BAD = ToolCall(0, 1, "nonsense", "{}")


def at(seconds: float) -> dt.datetime:
    """Return an instant, to the microsecond."""
    return dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds, microseconds=1)


def entry(key: RunKey, response: ResponseRecord) -> Entry:
    """Return a response with one call to be sent, and one that cannot be."""
    calls = [PastCall(ADD_MILK, None), PastCall(BAD, REFUSED)]
    return Entry(key, responses=[response], calls=[ToolCallRecord.of(key.run_id, past) for past in calls])


TIMED = ResponseRecord(0, "[]", COST, at(3), at(1), at(2), at(0.5))
ENDED = EndedCall(ADD_MILK, DONE, at(6), at(5), at(4))


async def append(database: Database, *entries: Entry) -> set[RunKey]:
    """Write as one statement."""
    async with database.statement() as connection:
        return await repository.append(connection, entries)


async def stored(database: Database, key: RunKey) -> tuple[list[ResponseTimes], list[CallTimes]]:
    """Return a run's responses and calls as a timeline reads them."""
    async with database.reading() as connection:
        return (
            await read(connection, ResponseTimes, key.user_id, key.run_id),
            await read(connection, CallTimes, key.user_id, key.run_id),
        )


async def test_times_are_read_back_as_they_were_measured(database: Database, new_run: NewRun) -> None:
    key, other = await new_run(attempt=3), await new_run()
    # Beside one that has none of them.
    await append(database, entry(key, TIMED), entry(other, ResponseRecord(0, "[]", COST, at(3))))
    await append(database, Entry(key, outcomes=[ENDED]), Entry(other, outcomes=[EndedCall(ADD_MILK, DONE, at(6))]))
    [response], [milk, bad] = await stored(database, key)
    assert (response.attempt, response.asked_at, response.first_word_at) == (3, at(1), at(2))
    assert (response.created_at, response.previous_stored_at) == (at(3), at(0.5))
    assert (milk.attempt, milk.requested_at, milk.sent_at, milk.ended_at) == (3, at(3), at(5), at(6))
    assert milk.previous_stored_at == at(4)
    assert (bad.attempt, bad.sent_at, bad.ended_at, bad.previous_stored_at) == (3, None, at(3), None)
    [response], [milk, _] = await stored(database, other)
    assert (response.attempt, response.asked_at, response.first_word_at, response.previous_stored_at) == (
        *(1, None),
        *(None, None),
    )
    assert (milk.attempt, milk.sent_at, milk.previous_stored_at) == (1, None, None)


async def test_times_are_written_once(database: Database, new_run: NewRun) -> None:
    key = await new_run()
    for later in (dt.timedelta(), dt.timedelta(seconds=60)):
        await append(database, entry(key, replace(TIMED, asked_at=at(1) + later)))
        await append(database, Entry(key, outcomes=[replace(ENDED, sent_at=at(5) + later)]))
    [response], [milk, _] = await stored(database, key)
    assert (response.asked_at, milk.sent_at) == (at(1), at(5))


async def test_whoever_has_lost_the_run_writes_no_times(database: Database, new_run: NewRun) -> None:
    key = await new_run()
    await append(database, entry(key, TIMED))
    owner = await take_over(database, key)
    assert await append(database, Entry(key, outcomes=[ENDED])) == set()
    [_], [milk, _] = await stored(database, key)
    assert (milk.attempt, milk.sent_at) == (None, None)
    assert await append(database, Entry(owner, outcomes=[replace(ENDED, sent_at=at(9))])) == {owner}
    [response], [milk, _] = await stored(database, key)
    assert (response.attempt, milk.attempt, milk.sent_at) == (1, 2, at(9))


async def test_an_outcome_from_elsewhere_is_of_no_attempt(database: Database, new_run: NewRun) -> None:
    key = await new_run()
    await append(database, entry(key, TIMED))
    await set_run(database, key, status="cancelled")
    async with database.writing() as connection:
        assert await repository.settle_call(connection, key.user_id, key.run_id, EndedCall(ADD_MILK, DONE, at(6)))
    [_], [milk, _] = await stored(database, key)
    assert (milk.attempt, milk.sent_at, milk.ended_at) == (None, None, at(6))


async def test_an_owner_tells_with_each_entry_when_the_one_before_was_stored(
    database: Database, new_run: NewRun
) -> None:
    key = await new_run()
    async with running_writer(database) as writer:
        log = owned_log(writer, key)
        log.sends()
        log.text("I add it.")
        await log.responded(ModelStep(0, "[]", [PastCall(ADD_MILK, None)]), COST)
        log.sends(ADD_MILK)
        await log.call_ended(ADD_MILK, DONE)
        log.sends()
        await log.responded(ModelStep(1, "[]", ()), COST)
    [response], [milk] = await stored(database, key)
    measured = log.stopwatch.measured(dt.datetime.now(dt.UTC))
    assert measured.model is not None
    assert measured.call is None
    times = [
        *(response.asked_at, response.first_word_at, response.created_at),
        *(milk.previous_stored_at, milk.sent_at, milk.ended_at),
        *(measured.stored_at, measured.model.asked_at, measured.model.responded_at, measured.closing_at),
    ]
    assert None not in times
    assert times == sorted(time for time in times if time is not None)
    assert response.previous_stored_at is None
