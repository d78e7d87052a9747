"""The states of a run: the database makes each move that the table allows, and no other."""

import datetime as dt
import itertools
import uuid
from collections.abc import Awaitable, Callable

import pytest
from chat_api.agent.turn import Usage
from chat_api.conversations import repository as conversations
from chat_api.database import Connection, Database
from chat_api.leases import repository as leases
from chat_api.runs import repository
from chat_api.runs.repository import RUNS, RunRecord
from chat_api.runs.states import ACTIVE, ENDED, MOVES, RETRIABLE, RunStatus, sources
from chat_api.usage import repository as usage
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
LEASE_SECONDS = 15.0
STATES: tuple[RunStatus, ...] = tuple(MOVES)

Change = Callable[[Connection, RunRecord], Awaitable[object]]
"""Tries one move; what it returns is true where the move was made."""


async def start(connection: Connection, run: RunRecord) -> object:
    """As promotion does."""
    return await leases.start(connection, run.key, LEASE_SECONDS)


async def take_over(connection: Connection, run: RunRecord) -> object:
    """As a retry and a decision do."""
    return await leases.take_over(connection, run, LEASE_SECONDS)


async def pause(connection: Connection, run: RunRecord) -> object:
    """As a run does that waits for the user."""
    return await repository.pause(connection, run.key, 60, Usage()) is not None


def end(status: RunStatus) -> Change:
    """As the end of a run does."""

    async def ended(connection: Connection, run: RunRecord) -> object:
        return await repository.end(connection, run.key, status, NOW, Usage(1, 2, 3))

    return ended


WAYS: dict[RunStatus, tuple[Change, ...]] = {
    "running": (start, take_over),
    "requires_action": (pause,),
    "completed": (end("completed"),),
    "failed": (end("failed"),),
    "cancelled": (end("cancelled"),),
}
"""All that ever moves a run to a state. Nothing moves one to `queued`, in which runs only begin."""


async def run_in(connection: Connection, status: RunStatus) -> RunRecord:
    """Store a run in some state, in a conversation of its own."""
    user_id, run_id = f"user-{uuid.uuid4().hex}", str(uuid.uuid4())
    await usage.count_run(connection, user_id, 1, new_conversation=True)
    await conversations.create(connection, user_id, 1, "", run_id, NOW)
    run = RunRecord(user_id, run_id, 1, 1, "running", "hello", "UTC", NOW)
    await repository.insert_run(connection, run, LEASE_SECONDS)
    await connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(status=status))
    stored = await repository.get(connection, user_id, run_id)
    assert stored is not None
    assert stored.status == status
    return stored


@pytest.mark.parametrize(("source", "target"), list(itertools.product(STATES, WAYS)))
async def test_a_run_makes_the_moves_of_the_table_and_no_other(
    database: Database, source: RunStatus, target: RunStatus
) -> None:
    made: list[bool] = []
    for way in WAYS[target]:
        async with database.writing() as connection:
            run = await run_in(connection, source)
            made.append(bool(await way(connection, run)))
            after = await repository.get(connection, run.user_id, run.run_id)
        assert after is not None
        assert after.status == (target if made[-1] else source)
        if not made[-1]:
            # What is refused changes nothing at all.
            assert after == run
    assert any(made) is (target in MOVES[source])


@pytest.mark.parametrize("source", STATES)
@pytest.mark.parametrize("target", list(WAYS))
async def test_whoever_is_not_the_owner_any_more_makes_no_move(
    database: Database, source: RunStatus, target: RunStatus
) -> None:
    for way in WAYS[target]:
        async with database.writing() as connection:
            run = await run_in(connection, source)
            await connection.execute(update(RUNS).where(RUNS.c.run_id == run.run_id).values(attempt=2))
            assert not await way(connection, run)
            after = await repository.get(connection, run.user_id, run.run_id)
        assert after is not None
        assert after.status == source


async def test_a_run_that_is_to_stop_does_not_wait_for_the_user(database: Database) -> None:
    async with database.writing() as connection:
        run = await run_in(connection, "running")
        assert await repository.request_cancel(connection, run.key)
        assert not await pause(connection, run)


@pytest.mark.parametrize("status", [status for status in STATES if status != "running"])
async def test_only_a_running_run_is_asked_to_stop(database: Database, status: RunStatus) -> None:
    async with database.writing() as connection:
        run = await run_in(connection, status)
        assert not await repository.request_cancel(connection, run.key)
        assert await repository.get(connection, run.user_id, run.run_id) == run


async def test_a_run_that_goes_on_forgets_its_end(database: Database) -> None:
    async with database.writing() as connection:
        run = await run_in(connection, "running")
        assert await repository.request_cancel(connection, run.key)
        assert await repository.end(
            connection, run.key, "failed", NOW, Usage(1, 2, 3), error_type="model-failed", error_detail="It failed."
        )
        failed = await repository.get(connection, run.user_id, run.run_id)
        assert failed is not None
        assert (failed.ended_at, failed.error_type) == (NOW, "model-failed")
        taken = await leases.take_over(connection, failed, LEASE_SECONDS)
    assert taken is not None
    assert (taken.attempt, taken.status) == (2, "running")
    assert (taken.ended_at, taken.error_type, taken.error_detail, taken.cancel_requested) == (None, None, None, False)
    # What it has cost stays.
    assert taken.usage == Usage(1, 2, 3)


@pytest.mark.parametrize("second", ACTIVE)
async def test_a_conversation_has_one_active_run(database: Database, second: RunStatus) -> None:
    async with database.writing() as connection:
        run = await run_in(connection, "running")
        later = RunRecord(run.user_id, str(uuid.uuid4()), 1, 2, "queued", "hello", "UTC", NOW)
        await repository.insert_run(connection, later, LEASE_SECONDS)
    become_active = update(RUNS).where(RUNS.c.run_id == later.run_id).values(status=second)
    with pytest.raises(IntegrityError):
        async with database.writing() as connection:
            await connection.execute(become_active)


async def test_runs_begin_queued_or_running_and_nothing_leads_back_to_the_queue() -> None:
    assert sources("queued") == ()
    assert all(target in MOVES for targets in MOVES.values() for target in targets)


async def test_every_state_leads_to_one_in_which_a_run_rests() -> None:
    for status in STATES:
        reached, front = {status}, {status}
        while front:
            front = {target for one in front for target in MOVES[one]} - reached
            reached |= front
        assert reached & set(ENDED)


async def test_what_rests_is_final_or_can_be_retried() -> None:
    assert set(STATES) == {*ACTIVE, *ENDED, "queued"}
    assert set(RETRIABLE) == {"failed", "cancelled"}
    assert MOVES["completed"] == frozenset()
    assert set(sources("running")) == {"queued", "requires_action", *RETRIABLE}
