"""Appending to runs' logs: for owners alone, whole, and safe to repeat."""

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from chat_api.agent.turn import ToolCall, ToolOutcome, Usage
from chat_api.database import Database
from chat_api.journal import repository
from chat_api.journal.keys import RunKey
from chat_api.journal.records import (
    Decision,
    EndedCall,
    Entry,
    ResponseRecord,
    StoredEvent,
    ToolCallRecord,
    model_steps,
)
from chat_api.schema import migrate
from psycopg import sql

from tests.integration.chat_api.journal.conftest import (
    ADD_MILK,
    COST,
    NOW,
    WAIT_SECONDS,
    NewRun,
    charged,
    insert_run,
    set_run,
    set_run_in,
    stored_calls,
    stored_events,
    take_over,
)
from tests.support.databases import NewDatabase

pytestmark = pytest.mark.asyncio(loop_scope="module")

DONE = ToolOutcome('{"task_id":1}', is_error=False)
REFUSED = ToolOutcome('{"error":"no such tool"}', is_error=True)


def record(key: RunKey, call: ToolCall, outcome: ToolOutcome | None = None, **columns: Any) -> ToolCallRecord:
    return ToolCallRecord(
        key.run_id,
        call.response_ordinal,
        call.call_index,
        call.tool_name,
        call.arguments,
        outcome.result if outcome else None,
        outcome.is_error if outcome else None,
        **columns,
    )


def response(key: RunKey, *calls: ToolCallRecord, first_n: int = 1, at: dt.datetime = NOW) -> Entry:
    """A model response with its calls and one event."""
    ordinal = calls[0].response_ordinal
    return Entry(
        key,
        events=[StoredEvent(first_n, f'{{"n":"{first_n} \\"quoted\\" ü"}}')],
        responses=[ResponseRecord(ordinal, '[{"type":"reasoning","text":"a\\\\b, {c}"}]', COST, at)],
        calls=list(calls),
    )


async def append(database: Database, *entries: Entry) -> set[RunKey]:
    async with database.statement() as connection:
        return await repository.append(connection, entries)


async def test_an_entry_is_read_back_as_it_was_written(database: Database, new_run: NewRun) -> None:
    key = await new_run()
    bad = ToolCall(0, 1, "nonsense", "{}")
    calls = [record(key, ADD_MILK, approval="pending"), record(key, bad, REFUSED)]
    entry = response(key, *calls)
    assert await append(database, entry) == {key}
    assert await stored_events(database, key) == entry.events
    assert await stored_calls(database, key) == calls
    async with database.reading() as connection:
        stored = await repository.responses(connection, key.user_id, key.run_id)
        assert stored == entry.responses
        assert await repository.open_calls(connection, key.user_id, key.run_id) == calls[:1]
    (step,) = model_steps(stored, calls)
    assert [(past.call, past.outcome, past.awaits_approval) for past in step.calls] == [
        (ADD_MILK, None, True),
        (bad, REFUSED, False),
    ]


async def test_an_outcome_is_written_once(database: Database, new_run: NewRun) -> None:
    key = await new_run()
    await append(database, response(key, record(key, ADD_MILK)))
    ended = Entry(key, events=[StoredEvent(2, "{}")], outcomes=[EndedCall(ADD_MILK, DONE, NOW)])
    assert await append(database, ended) == {key}
    other = Entry(key, outcomes=[EndedCall(ADD_MILK, REFUSED, NOW)])
    assert await append(database, other) == {key}
    assert await stored_calls(database, key) == [record(key, ADD_MILK, DONE)]


@pytest.mark.parametrize(
    "columns",
    [
        {"attempt": 2},
        {"status": "completed"},
        {"status": "failed"},
        {"status": "cancelled"},
        {"status": "requires_action"},
        {"status": "queued"},
    ],
)
async def test_nothing_is_written_for_whoever_owns_the_run_no_more(
    database: Database, new_run: NewRun, columns: dict[str, Any]
) -> None:
    lost, kept = await new_run(), await new_run()
    await append(database, response(lost, record(lost, ADD_MILK)))
    await set_run(database, lost, **columns)
    late = response(lost, record(lost, ToolCall(1, 0, "add_task", "{}")), first_n=2)
    late.outcomes.append(EndedCall(ADD_MILK, DONE, NOW))
    assert await append(database, late, response(kept, record(kept, ADD_MILK))) == {kept}
    assert [event.n for event in await stored_events(database, lost)] == [1]
    assert await stored_calls(database, lost) == [record(lost, ADD_MILK)]
    assert len(await stored_events(database, kept)) == 1
    assert await charged(database, lost.user_id) == COST + COST


async def test_a_run_of_the_same_name_of_another_user_is_not_touched(
    database: Database, new_run: NewRun, other_user: str
) -> None:
    key = await new_run()
    others = await new_run(other_user, run_id=key.run_id)
    assert await append(database, response(key, record(key, ADD_MILK))) == {key}
    assert await stored_events(database, others) == []
    assert await stored_calls(database, others) == []
    assert await charged(database, other_user) == Usage()


async def test_repeats_change_nothing_not_even_the_days_usage(database: Database, new_run: NewRun) -> None:
    first, second = await new_run(), await new_run()
    entries = [response(first, record(first, ADD_MILK)), response(second, record(second, ADD_MILK))]
    for _ in range(3):
        assert await append(database, *entries) == {first, second}
    # What gathered since then comes with the repeat.
    grown = replace(entries[0], events=[*entries[0].events, StoredEvent(2, "{}")])
    assert await append(database, grown) == {first}
    assert [event.n for event in await stored_events(database, first)] == [1, 2]
    assert len(await stored_calls(database, first)) == 1
    assert await charged(database, first.user_id) == COST + COST


async def test_usage_counts_for_the_day_of_the_response_in_utc(
    database: Database, new_run: NewRun, user_id: str
) -> None:
    key = await new_run()
    late = dt.datetime(2026, 3, 1, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    await append(database, response(key, record(key, ADD_MILK), at=late))
    async with database.reading() as connection:
        rows = await connection.exec_driver_sql(
            f"SELECT CAST(day AS text), model_requests FROM daily_usage WHERE user_id = '{user_id}'"  # noqa: S608
        )
        assert [tuple(row) for row in rows] == [("2026-03-02", 1)]


async def test_whatever_is_missing_makes_the_whole_statement_fail(database: Database, new_run: NewRun) -> None:
    good, bad = await new_run(), await new_run()
    poison = Entry(bad, events=[StoredEvent(1, "{}"), StoredEvent(None, "{}")])  # type: ignore[arg-type]
    with pytest.raises(Exception, match=r"(?i)null"):
        await append(database, response(good, record(good, ADD_MILK)), poison)
    assert await stored_events(database, good) == []
    assert await stored_events(database, bad) == []
    assert await charged(database, good.user_id) == Usage()


@pytest.mark.docker
async def test_a_claim_waits_for_an_append_and_sees_it(new_database: NewDatabase, user_id: str) -> None:
    """The append's lock: a new owner reads a journal to which the old one adds nothing any more."""
    url = new_database("postgresql")
    await migrate(url)
    database = Database(url)
    try:
        key = await insert_run(database, user_id)
        async with await psycopg.AsyncConnection.connect(url) as slow:
            # Holds the append up between its lock and its commit, because only one of the two can have the number.
            await slow.execute(
                "INSERT INTO run_events (user_id, run_id, n, data) VALUES (%s, %s, 1, '')", (key.user_id, key.run_id)
            )
            appending = asyncio.create_task(append(database, response(key, record(key, ADD_MILK))))
            await _blocked(url, "INSERT INTO run_events")
            claiming = asyncio.create_task(take_over(database, key))
            await _blocked(url, "UPDATE runs")
            await slow.rollback()
        assert await appending == {key}
        taken = await claiming
        assert len(await stored_events(database, key)) == 1
        assert await append(database, Entry(key, events=[StoredEvent(2, "{}")])) == set()
        assert await append(database, Entry(taken, events=[StoredEvent(2, "{}")])) == {taken}
    finally:
        await database.close()


async def _blocked(url: str, statement: str) -> None:
    """Wait until a statement waits for a lock."""
    query = sql.SQL(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE {} AND datname = "
        "current_database()"
    ).format(sql.Literal(f"%{statement}%"))
    async with asyncio.timeout(WAIT_SECONDS), await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while (await (await connection.execute(query)).fetchone()) == (0,):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_writers_and_heartbeats_never_wait_for_each_other_in_a_circle(
    migrated_url: str, database: Database, new_run: NewRun
) -> None:
    """Whatever order runs have gathered in, their rows are locked in key order, as heartbeats and claims do it."""
    keys = sorted([await new_run() for _ in range(20)], key=lambda key: key.run_id)
    other = Database(migrated_url)

    async def write(through: Database, first: int) -> None:
        for n in range(first, first + 15):
            entries = [Entry(key, events=[StoredEvent(n, "{}")]) for key in reversed(keys)]
            assert await append(through, *entries) == set(keys)

    async def beat() -> None:
        for _ in range(15):
            async with other.writing() as connection:
                for key in keys:
                    await set_run_in(connection, key, lease_expires_at=1.0)

    try:
        await asyncio.gather(write(database, 1), write(other, 101), beat())
    finally:
        await other.close()
    assert len(await stored_events(database, keys[0])) == 30


async def test_decisions_are_made_once(database: Database, new_run: NewRun) -> None:
    key = await new_run()
    second = ToolCall(0, 1, "delete_task", '{"task_id":1}')
    third = ToolCall(0, 2, "list_tasks", "{}")
    calls = [record(key, ADD_MILK, approval="pending"), record(key, second, approval="pending"), record(key, third)]
    await append(database, response(key, *calls))
    decisions = [Decision(0, 0, None), Decision(0, 1, REFUSED), Decision(0, 2, REFUSED)]
    for changed in (2, 0):
        async with database.writing() as connection:
            assert await repository.decide(connection, key.user_id, key.run_id, decisions, NOW) == changed
    assert await stored_calls(database, key) == [
        record(key, ADD_MILK, approval="approved"),
        record(key, second, REFUSED, approval="denied"),
        record(key, third),
    ]


async def test_a_call_of_an_ended_run_is_settled_once(database: Database, new_run: NewRun) -> None:
    key = await new_run()
    await append(database, response(key, record(key, ADD_MILK)))
    await set_run(database, key, status="failed")
    for outcome, settled in ((DONE, True), (REFUSED, False)):
        async with database.statement() as connection:
            end = EndedCall(ADD_MILK, outcome, NOW)
            assert await repository.settle_call(connection, key.user_id, key.run_id, end) is settled
    assert await stored_calls(database, key) == [record(key, ADD_MILK, DONE)]


async def test_events_of_many_runs_are_read_at_once_and_in_pages(
    database: Database, new_run: NewRun, other_user: str
) -> None:
    first, second = await new_run(), await new_run(other_user)
    await append(
        database, *(Entry(key, events=[StoredEvent(n, f'"{n}"') for n in (1, 2, 5)]) for key in (first, second))
    )
    names = [(key.user_id, key.run_id) for key in (first, second)]
    stranger = (other_user, first.run_id)
    async with database.asking() as connection:
        found = await repository.events_after(connection, [(*names[0], 1), (*names[1], 2), (*stranger, 0)], 10)
        assert {name: [event.n for event in events] for name, events in found.items()} == {
            names[0]: [2, 5],
            names[1]: [5],
        }
        page = await repository.events_after(connection, [(*names[0], 0)], 2)
        assert page == {names[0]: [StoredEvent(1, '"1"'), StoredEvent(2, '"2"')]}
        states = await repository.states(connection, [*names, stranger])
    assert {
        name: (state.status, state.attempt, state.cancel_requested, state.last_n) for name, state in states.items()
    } == dict.fromkeys(names, ("running", 1, False, 5))


async def test_an_event_that_is_taken_back_is_shown_no_more_and_keeps_its_number(
    database: Database, new_run: NewRun
) -> None:
    key = await new_run()
    async with database.writing() as connection:
        assert await repository.last_event(connection, key.user_id, key.run_id) is None
        await repository.insert_events(connection, key.user_id, key.run_id, [])
        await repository.insert_events(
            connection, key.user_id, key.run_id, [StoredEvent(1, '"a"'), StoredEvent(2, '"b"')]
        )
        assert await repository.last_event(connection, key.user_id, key.run_id) == StoredEvent(2, '"b"')
        await repository.retract_event(connection, key.user_id, key.run_id, 2)
        name = (key.user_id, key.run_id)
        assert await repository.events_after(connection, [(*name, 0)], 9) == {name: [StoredEvent(1, '"a"')]}
        last = await repository.last_event(connection, *name)
        assert last is not None
        assert last.n == 2
