"""The feed of changes by itself: what it asks of the database, and what it keeps for those who read slowly."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest
from mcp_todo_server.changes.service import ChangeFeed, Subscription
from mcp_todo_server.database import Database
from mcp_todo_server.tasks.edits import Edits
from mcp_todo_server.tasks.schemas import TaskRef
from mcp_todo_server.users.models import UserRow
from sqlalchemy import event

from tests.integration.mcp_todo_server.conftest import Refused, Todo

TASKS, TODAY = "todo://tasks", "todo://today"


@pytest.fixture
async def feed(todo: Todo) -> ChangeFeed:
    """A feed that looks when it is told to."""
    return ChangeFeed(todo.database, clock=todo.clock)


@contextmanager
def queries(database: Database) -> Iterator[list[str]]:
    """Collect the statements that reach the database."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)


def told(subscription: Subscription) -> asyncio.Task[list[str] | None]:
    return asyncio.ensure_future(subscription.changed())


async def now_told(subscription: Subscription) -> list[str] | None:
    """Return what is told without waiting; an empty list for nothing."""
    try:
        async with asyncio.timeout(0.05):
            return await subscription.changed()
    except TimeoutError:
        return []


async def test_a_thousand_subscribers_cost_one_query(todo: Todo, feed: ChangeFeed) -> None:
    users = [f"user-{number}" for number in range(1000)]
    async with AsyncExitStack() as stack:
        subscriptions = {
            user: await stack.enter_async_context(feed.subscribed(user, [TASKS, f"{TASKS}/1"])) for user in users
        }
        with queries(todo.database) as statements:
            await feed.look()
        assert len(statements) == 1
        for user in users[:3]:
            await todo.of(user).call("add_task", title="x")
        with queries(todo.database) as statements:
            await feed.look()
        assert len(statements) == 2
        for user in users[:3]:
            assert sorted(await now_told(subscriptions[user]) or ()) == [TASKS, f"{TASKS}/1"]
        for user in users[3:10]:
            assert await now_told(subscriptions[user]) == []


async def test_nothing_is_asked_while_nobody_listens(todo: Todo) -> None:
    feed = ChangeFeed(todo.database)
    with queries(todo.database) as statements:
        async with feed.running():
            await asyncio.sleep(1.2)
            assert statements == []
            async with feed.subscribed("ann", [TASKS]):
                await asyncio.sleep(1.2)
            assert statements
            await asyncio.sleep(0.1)
            asked = len(statements)
            await asyncio.sleep(1.2)
            assert len(statements) <= asked + 1


async def test_a_slow_reader_finds_each_resource_once(todo: Todo, feed: ChangeFeed) -> None:
    async with feed.subscribed("ann", [TASKS, TODAY, f"{TASKS}/1"]) as subscription:
        for number in range(20):
            await todo.call("add_task", title=str(number))
            await feed.look()
        assert sorted(await subscription.changed() or ()) == [TASKS, f"{TASKS}/1", TODAY]
        assert await now_told(subscription) == []


async def test_what_changed_before_subscribing_is_not_told(todo: Todo, feed: ChangeFeed) -> None:
    await todo.call("add_task", title="x")
    async with feed.subscribed("ann", [TASKS, TODAY, f"{TASKS}/1"]) as subscription:
        await feed.look()
        assert await now_told(subscription) == []


async def test_a_new_day_changes_what_is_due_today_and_nothing_else(todo: Todo, feed: ChangeFeed) -> None:
    await todo.call("set_timezone", timezone="America/New_York")
    todo.clock.now = dt.datetime(2026, 11, 24, 4, 59, tzinfo=dt.UTC)
    async with feed.subscribed("ann", [TASKS, TODAY]) as subscription:
        await feed.look()
        assert await now_told(subscription) == []
        todo.clock.now += dt.timedelta(minutes=1)
        await feed.look()
        assert await now_told(subscription) == [TODAY]
        await feed.look()
        assert await now_told(subscription) == []


async def test_a_refused_call_tells_nothing(todo: Todo, feed: ChangeFeed) -> None:
    await todo.call("add_task", title="x")
    async with feed.subscribed("ann", [TASKS, f"{TASKS}/1"]) as subscription:
        assert (await todo.heard("complete_task", task_id=2)).startswith("refused")
        assert (await todo.heard("update_task", task_id=1, title="y", expected_version=7)).startswith("refused")
        await feed.look()
        assert await now_told(subscription) == []


async def test_a_zone_that_is_unknown_here_ends_its_users_subscriptions_alone(todo: Todo, feed: ChangeFeed) -> None:
    async with AsyncExitStack() as stack:
        users = ("bob", "ann", "eve")
        subscriptions = {user: await stack.enter_async_context(feed.subscribed(user, [TASKS])) for user in users}
        for user in users:
            await todo.of(user).call("add_task", title="x")
        async with todo.database.writing() as session:
            row = await session.get(UserRow, "ann")
            assert row is not None
            row.timezone = "Mars/Olympus"
        await feed.look()
        assert {user: await now_told(each) for user, each in subscriptions.items()} == {
            "bob": [TASKS],
            "ann": None,
            "eve": [TASKS],
        }


@pytest.fixture
async def closing(todo: Todo) -> AsyncIterator[ChangeFeed]:
    """A feed that runs, for a test that ends it."""
    feed = ChangeFeed(todo.database)
    async with feed.running():
        yield feed


async def test_a_closed_feed_ends_every_subscription_present_and_future(closing: ChangeFeed) -> None:
    async with closing.subscribed("ann", [TASKS]) as subscription:
        waiting = told(subscription)
        await asyncio.sleep(0)
        closing.close()
        assert await asyncio.wait_for(waiting, 20) is None
    async with closing.subscribed("ann", [TASKS]) as late:
        assert await asyncio.wait_for(late.changed(), 20) is None


async def test_transactions_of_several_changes_never_wait_for_each_other_in_a_circle(todo: Todo) -> None:
    for title in ("one", "two"):
        await todo.call("add_task", title=title)

    async with todo.database.writing() as session:
        edits = Edits(session, "ann", todo.clock())
        await edits.complete(TaskRef(task_id=1))
        # It waits here, and must not hold task 2 while it does.
        meanwhile = asyncio.create_task(todo.call("complete_task", task_id=2))
        await asyncio.sleep(0.3)
        await edits.delete(TaskRef(task_id=2))
    with pytest.raises(Refused, match="deleted"):
        await meanwhile
