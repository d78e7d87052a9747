"""Quotas by a clock that the test turns."""

import datetime as dt
import uuid

import pytest
from chat_api.agent.turn import Usage
from chat_api.database import Connection, Database
from chat_api.usage import repository
from chat_api.usage.service import QuotaExceededError, Quotas, RateLimitedError

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def ann() -> str:
    """A user whom no other test knows."""
    return f"ann-{uuid.uuid4().hex}"


def limits(database: Database, runs: int = 2, tokens: int | None = None) -> Quotas:
    """Return quotas of so many runs a minute and tokens a day."""
    return Quotas(database, runs_per_minute=runs, tokens_per_day=tokens)


async def admit(database: Database, quotas: Quotas, user_id: str, now: dt.datetime, *, new: bool = False) -> int:
    """Count a run in a transaction of its own."""
    async with database.writing() as connection:
        return await quotas.admit(connection, user_id, now, new_conversation=new)


async def spend(database: Database, user_id: str, day: dt.date, usage: Usage) -> None:
    """Charge a user."""
    async with database.writing() as connection:
        await repository.add(connection, user_id, day, usage)


async def in_minute(database: Database, user_id: str, now: dt.datetime) -> int:
    """Return the count of runs of a minute."""
    async with database.reading() as connection:
        return await repository.runs_in_minute(connection, user_id, int(now.timestamp()) // 60)


async def of_day(connection: Connection, user_id: str, day: dt.date) -> Usage:
    """Return what a user's day has cost."""
    return await repository.of_day(connection, user_id, day)


@pytest.mark.parametrize(
    ("at", "seconds"),
    [(NOON, 60), (NOON + 30 * SECOND, 30), (NOON + 59 * SECOND, 1), (NOON + dt.timedelta(seconds=59.9), 1)],
)
async def test_the_run_over_the_limit_is_refused_until_the_minute_ends(
    database: Database, ann: str, at: dt.datetime, seconds: int
) -> None:
    quotas = limits(database)
    for _ in range(2):
        await admit(database, quotas, ann, NOON)
    with pytest.raises(RateLimitedError) as refused:
        await admit(database, quotas, ann, at)
    asked = int((refused.value.headers or {})["Retry-After"])
    # Rounded up: who comes back after just so long is in the next minute.
    assert seconds <= asked <= seconds + 1
    assert at + asked * SECOND >= NOON + MINUTE
    assert await in_minute(database, ann, at) == 2
    await admit(database, quotas, ann, NOON + MINUTE)
    assert await in_minute(database, ann, NOON + MINUTE) == 1


async def test_a_refused_run_is_not_counted(database: Database, ann: str) -> None:
    quotas = limits(database)
    for _ in range(2):
        await admit(database, quotas, ann, NOON)
    for _ in range(3):
        with pytest.raises(RateLimitedError):
            await admit(database, quotas, ann, NOON, new=True)
    assert await in_minute(database, ann, NOON) == 2
    # Nor is a conversation that was to begin with it: numbers have no gaps that nobody asked for.
    assert await admit(database, quotas, ann, NOON + MINUTE, new=True) == 1


async def test_users_are_counted_apart(database: Database, ann: str) -> None:
    quotas = limits(database, runs=1)
    await admit(database, quotas, ann, NOON)
    await admit(database, quotas, f"{ann}-bob", NOON)
    with pytest.raises(RateLimitedError):
        await admit(database, quotas, ann, NOON)


async def test_a_clock_that_is_behind_does_not_begin_the_count_anew(database: Database, ann: str) -> None:
    quotas = limits(database)
    await admit(database, quotas, ann, NOON)
    await admit(database, quotas, ann, NOON - MINUTE)
    for now in (NOON, NOON - MINUTE):
        with pytest.raises(RateLimitedError):
            await admit(database, quotas, ann, now)


async def test_conversations_are_numbered_from_one_for_each_user(database: Database, ann: str) -> None:
    quotas = limits(database, runs=100)
    assert [await admit(database, quotas, ann, NOON, new=new) for new in (True, False, True, True, False)] == [
        1,
        1,
        2,
        3,
        3,
    ]
    assert await admit(database, quotas, f"{ann}-bob", NOON, new=True) == 1


async def test_the_days_tokens_are_input_and_output_together(database: Database, ann: str) -> None:
    quotas = limits(database, runs=100, tokens=100)
    await spend(database, ann, NOON.date(), Usage(1, 60, 39))
    await admit(database, quotas, ann, NOON)
    await spend(database, ann, NOON.date(), Usage(1, 0, 1))
    with pytest.raises(QuotaExceededError) as refused:
        await admit(database, quotas, ann, NOON)
    assert 12 * 3600 <= int((refused.value.headers or {})["Retry-After"]) <= 12 * 3600 + 1
    assert await in_minute(database, ann, NOON) == 1
    # Midnight is UTC's.
    with pytest.raises(QuotaExceededError):
        await admit(database, quotas, ann, NOON.replace(hour=23, minute=59, second=59))
    await admit(database, quotas, ann, NOON + dt.timedelta(hours=12))


async def test_what_one_day_has_cost_adds_up_and_other_days_stay(database: Database, ann: str) -> None:
    yesterday = NOON.date() - dt.timedelta(days=1)
    for usage in (Usage(1, 10, 3), Usage(2, 20, 4)):
        await spend(database, ann, NOON.date(), usage)
    await spend(database, ann, yesterday, Usage(1, 1, 1))
    async with database.reading() as connection:
        assert await of_day(connection, ann, NOON.date()) == Usage(3, 30, 7)
        assert await of_day(connection, ann, yesterday) == Usage(1, 1, 1)
        assert await of_day(connection, f"{ann}-bob", NOON.date()) == Usage()


async def test_without_a_limit_no_cost_refuses_anything(database: Database, ann: str) -> None:
    await spend(database, ann, NOON.date(), Usage(1, 10**12, 10**12))
    await admit(database, limits(database), ann, NOON)
