"""Upkeep: effect keys are known for as long as is promised, and not for ever."""

import asyncio
import datetime as dt
import logging
from typing import Any

import pytest
from mcp_todo_server import schema
from mcp_todo_server.app import http_app
from mcp_todo_server.database import Database, DatabaseError, Session
from mcp_todo_server.effects.models import EffectRow
from mcp_todo_server.settings import Settings
from mcp_todo_server.upkeep import service as upkeep
from mcp_todo_server.upkeep.repository import delete_effects
from mcp_todo_server.upkeep.service import EFFECTS_KEPT, Upkeep
from sqlalchemy import text
from sqlmodel import col, select
from todo_chat_shared.effects import EFFECT_KEY_DAYS

from tests.integration.mcp_todo_server.conftest import Todo
from tests.support.databases import NewDatabase
from tests.support.tokens import SECRET
from tests.support.waiting import until

NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)
LOGGER = "mcp_todo_server.upkeep.service"


async def keys(database: Database) -> list[str]:
    async with database.reading() as session:
        return list((await session.exec(select(EffectRow.effect_key).order_by(col(EffectRow.effect_key)))).all())


async def store(database: Database, created_at: dt.datetime, *names: str, user: str = "ann") -> None:
    async with database.writing() as session:
        session.add_all(
            EffectRow(user_id=user, effect_key=name, request_hash="h", result="{}", created_at=created_at)
            for name in names
        )


def test_keys_are_kept_for_longer_than_is_promised() -> None:
    assert dt.timedelta(days=EFFECT_KEY_DAYS) >= dt.timedelta(days=7)
    assert (EFFECTS_KEPT - dt.timedelta(days=EFFECT_KEY_DAYS)).days >= 1


async def test_a_key_is_known_until_its_time_is_over_and_a_new_one_afterwards(todo: Todo) -> None:
    replica = Upkeep(todo.database, clock=todo.clock)
    done = await todo.text("add_task", "k/0/0", title="x")
    void = await todo.heard("add_task", "k/1/0", settle=True, title="x")
    for time_passed in (EFFECTS_KEPT - dt.timedelta(seconds=1), dt.timedelta(seconds=1)):
        todo.clock.now += time_passed
        assert await replica.delete_old_effects() == 0
        assert await todo.text("add_task", "k/0/0", title="x") == done
        assert await todo.heard("add_task", "k/1/0", title="x") == void
    todo.clock.now += dt.timedelta(microseconds=1)
    assert await replica.delete_old_effects() == 2
    assert await todo.numbers(status="all") == [1]
    assert (await todo.call("add_task", "k/0/0", title="x"))["task_id"] == 2


async def test_old_keys_of_all_users_go_and_no_others(todo: Todo) -> None:
    old, young = NOW - EFFECTS_KEPT - dt.timedelta(seconds=1), NOW - dt.timedelta(days=EFFECT_KEY_DAYS)
    await store(todo.database, old, "a", "b")
    await store(todo.database, old, "a", user="bob")
    await store(todo.database, young, "c", "d")
    await store(todo.database, young, "e", user="bob")
    assert await Upkeep(todo.database, clock=todo.clock).delete_old_effects() == 3
    assert await keys(todo.database) == ["c", "d", "e"]


async def test_a_batch_takes_the_oldest_and_holds_its_limit(todo: Todo) -> None:
    for number in range(7):
        await store(todo.database, NOW + dt.timedelta(seconds=number), str(number))
    async with todo.database.writing() as session:
        assert await delete_effects(session, NOW + dt.timedelta(seconds=6), 4) == 4
    assert await keys(todo.database) == ["4", "5", "6"]


async def test_batch_follows_batch_until_none_is_left(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "BATCH_ROWS", 3)
    await store(todo.database, NOW - dt.timedelta(days=30), *(str(number) for number in range(9)))
    assert await Upkeep(todo.database, clock=todo.clock).delete_old_effects() == 9
    assert await keys(todo.database) == []


async def test_two_replicas_share_the_work(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "BATCH_ROWS", 10)
    await store(todo.database, NOW - dt.timedelta(days=30), *(str(number) for number in range(200)))
    other = Database(todo.database.engine.url.render_as_string(hide_password=False))
    replicas = [Upkeep(database, clock=todo.clock) for database in (todo.database, other)]
    assert sum(await asyncio.gather(*(replica.delete_old_effects() for replica in replicas))) == 200
    assert await keys(todo.database) == []
    await other.close()


@pytest.mark.docker
async def test_what_another_replica_is_just_deleting_is_not_waited_for(new_database: NewDatabase) -> None:
    url = new_database("postgresql")
    await schema.migrate(url)
    database = Database(url)
    await store(database, NOW - dt.timedelta(days=30), "a", "b", "c")
    async with database.writing() as first:
        assert await delete_effects(first, NOW, 2) == 2
        async with asyncio.timeout(20), database.writing() as second:
            assert await delete_effects(second, NOW, 2) == 1
    assert await keys(database) == []
    await database.close()


@pytest.mark.docker
async def test_old_keys_are_found_by_their_index(new_database: NewDatabase) -> None:
    url = new_database("postgresql")
    await schema.migrate(url)
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO effects (user_id, effect_key, request_hash, result, created_at) "
                "SELECT 'u' || n % 100, n, 'h', '{}', timestamptz '2026-01-01' + n * interval '1 minute' "
                "FROM generate_series(1, 20000) n"
            )
        )
        await connection.execute(text("ANALYZE effects"))
    plans: list[str] = []
    async with database.engine.connect() as connection:
        # The server's own record of what it did, sent along with the statement's answer.
        await connection.execute(text("LOAD 'auto_explain'"))
        await connection.execute(text("SET auto_explain.log_min_duration = 0"))
        await connection.execute(text("SET client_min_messages = log"))
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.add_notice_handler(lambda notice: plans.append(notice.message_primary))
        async with Session(bind=connection) as session:
            assert await delete_effects(session, NOW, 500) == 500
    (plan,) = [plan for plan in plans if "DELETE" in plan]
    assert "Index Scan using ix_effects_created" in plan
    await database.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upkeep without its pauses."""
    monkeypatch.setattr(upkeep, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(upkeep, "RETRY_SECONDS", 0.01)


async def test_a_served_application_keeps_its_database_tidy(todo: Todo, quick: None) -> None:
    app = http_app(Settings(better_auth_secret=SECRET), todo.database)
    old = dt.datetime.now(dt.UTC) - EFFECTS_KEPT - dt.timedelta(minutes=1)
    async with app.router.lifespan_context(app):
        for number in range(2):
            await store(todo.database, old, "old")
            await store(todo.database, old + dt.timedelta(hours=1), f"young {number}")

            async def gone() -> bool:
                return "old" not in await keys(todo.database)

            await until(gone)
    assert await keys(todo.database) == ["young 0", "young 1"]
    await store(todo.database, old, "old")
    await asyncio.sleep(0.1)
    assert "old" in await keys(todo.database), "it goes on after the application has ended"


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (DatabaseError("the database's own words"), "old effect keys were not deleted: SQLAlchemyError"),
        (TimeoutError(), "old effect keys were not deleted: TimeoutError"),
        (ZeroDivisionError("a defect"), "old effect keys were not deleted"),
    ],
)
async def test_a_failure_is_logged_and_tried_again(
    todo: Todo,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    quick: None,
    failure: Exception,
    told: str,
) -> None:
    failures = [failure, failure]

    async def fail_at_first(*arguments: Any) -> int:
        if failures:
            raise failures.pop()
        return await delete_effects(*arguments)

    monkeypatch.setattr(upkeep, "delete_effects", fail_at_first)
    await store(todo.database, NOW - dt.timedelta(days=30), "old")

    async def gone() -> bool:
        return await keys(todo.database) == []

    with caplog.at_level(logging.INFO, LOGGER):
        async with Upkeep(todo.database, clock=todo.clock).running():
            await until(gone)
            await until(lambda: said(caplog, "deleted 1 effect keys older than 8 days"))
    # Its own words: stopped in the middle of a statement, the database's library may add some.
    records = [record for record in caplog.records if record.name == LOGGER and record.levelno > logging.INFO]
    assert [record.getMessage() for record in records] == [told, told]


async def said(caplog: pytest.LogCaptureFixture, message: str) -> bool:
    return message in caplog.messages
