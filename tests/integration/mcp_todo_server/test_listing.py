"""list_tasks: filters, orders and pages, on each kind of database."""

import datetime as dt
from typing import Any

import pytest
from mcp_todo_server.users.models import UserRow

from tests.integration.mcp_todo_server.conftest import Refused, Todo


async def add(todo: Todo, *tasks: dict[str, Any]) -> None:
    for task in tasks:
        await todo.call("add_task", **task)
        todo.clock.now += dt.timedelta(seconds=1)


async def test_an_empty_list_tells_the_day_and_the_zone(todo: Todo) -> None:
    assert await todo.call("list_tasks") == {"tasks": [], "today": "2026-11-23", "timezone": "UTC"}


async def test_today_is_the_users_own(todo: Todo) -> None:
    async with todo.database.writing() as session:
        session.add(UserRow(user_id="ann", timezone="Pacific/Auckland"))
    todo.clock.now = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
    page = await todo.call("list_tasks")
    assert (page["today"], page["timezone"]) == ("2026-11-24", "Pacific/Auckland")


async def test_status_chooses_open_tasks_unless_told_otherwise(todo: Todo) -> None:
    await add(todo, {"title": "open"}, {"title": "done"}, {"title": "gone"})
    await todo.call("complete_task", task_id=2)
    await todo.call("delete_task", task_id=3)
    assert await todo.numbers() == [1]
    assert await todo.numbers(status="completed") == [2]
    assert await todo.numbers(status="deleted") == [3]
    assert await todo.numbers(status="all") == [1, 2, 3]


async def test_tag_and_priority_choose(todo: Todo) -> None:
    await add(
        todo,
        {"title": "a", "tags": ["Home"], "priority": "high"},
        {"title": "b", "tags": ["work", "home"]},
        {"title": "c", "tags": ["homework"]},
    )
    assert await todo.numbers(tag="HOME") == [1, 2]
    assert await todo.numbers(tag="home", priority="high") == [1]
    assert await todo.numbers(priority="normal") == [2, 3]


async def test_due_days_are_bounds_that_do_not_count_themselves(todo: Todo) -> None:
    await add(
        todo,
        {"title": "1", "due": "2026-12-23"},
        {"title": "2", "due": "2026-12-24"},
        {"title": "3", "due": "2026-12-25"},
        {"title": "4", "due_at": "2026-12-23T23:59:59Z"},
        {"title": "5", "due_at": "2026-12-24T00:00:00Z"},
        {"title": "6", "due_at": "2026-12-25T00:00:00Z"},
        {"title": "7"},
    )
    assert await todo.numbers(due_before="2026-12-24") == [1, 4]
    assert await todo.numbers(due_after="2026-12-24") == [3, 6]
    assert await todo.numbers(due_after="2026-12-23", due_before="2026-12-25") == [2, 5]


async def test_due_days_are_those_of_the_users_zone(todo: Todo) -> None:
    async with todo.database.writing() as session:
        session.add(UserRow(user_id="ann", timezone="America/New_York"))
    await add(todo, {"title": "1", "due_at": "2026-12-24T03:00:00Z"}, {"title": "2", "due": "2026-12-24"})
    assert await todo.numbers(due_before="2026-12-24") == [1]
    todo.clock.now = dt.datetime(2026, 12, 25, 4, 59, tzinfo=dt.UTC)
    assert await todo.numbers(overdue=True) == [1]
    todo.clock.now = dt.datetime(2026, 12, 25, 5, 0, tzinfo=dt.UTC)
    assert await todo.numbers(overdue=True) == [1, 2]


async def test_an_updated_due_day_is_the_one_that_counts(todo: Todo) -> None:
    await add(todo, {"title": "1", "due": "2026-12-01"}, {"title": "2"}, {"title": "3", "due": "2026-12-01"})
    await todo.call("update_task", task_id=1, due="2026-12-31")
    await todo.call("update_task", task_id=2, due_at="2026-12-02T10:00:00Z")
    await todo.call("update_task", task_id=3, due="")
    assert await todo.numbers(due_before="2026-12-24") == [2]
    assert await todo.numbers(sort="due") == [2, 1, 3]


async def test_overdue_is_open_and_past_its_day_or_time(todo: Todo) -> None:
    await add(
        todo,
        {"title": "1", "due": "2026-11-22"},
        {"title": "2", "due": "2026-11-23"},
        {"title": "3", "due_at": "2026-11-23T09:00:00Z"},
        {"title": "4", "due_at": "2026-11-23T23:00:00Z"},
        {"title": "5", "due": "2026-11-01"},
        {"title": "6"},
    )
    await todo.call("complete_task", task_id=5)
    assert await todo.numbers(overdue=True) == [1, 3]
    assert await todo.numbers(overdue=True, status="all") == [1, 3]
    assert await todo.numbers(overdue=False) == [1, 2, 3, 4, 6]


ORDERS = {
    "created": [1, 2, 3, 4, 5, 6],
    "newest": [6, 5, 4, 3, 2, 1],
    "due": [4, 2, 6, 1, 3, 5],
    "priority": [3, 6, 1, 4, 5, 2],
    "updated": [1, 6, 5, 4, 3, 2],
}


@pytest.mark.parametrize("sort", ORDERS)
async def test_pages_of_any_size_give_each_task_once_and_in_order(todo: Todo, sort: str) -> None:
    await add(
        todo,
        {"title": "1"},
        {"title": "2", "due": "2026-12-24", "priority": "low"},
        {"title": "3", "priority": "urgent"},
        {"title": "4", "due_at": "2026-12-24T10:00:00Z"},
        {"title": "5"},
        {"title": "6", "due": "2026-12-24", "priority": "high"},
    )
    await todo.call("update_task", task_id=1, title="one")
    for limit in (1, 2, 5, 6, 100):
        numbers: list[int] = []
        cursor = None
        while True:
            page = await todo.call("list_tasks", sort=sort, limit=limit, cursor=cursor)
            assert len(page["tasks"]) <= limit
            numbers += [task["task_id"] for task in page["tasks"]]
            assert len(numbers) <= 6, numbers
            cursor = page.get("next_cursor")
            if cursor is None:
                break
        assert numbers == ORDERS[sort], limit


async def test_a_task_added_or_removed_between_pages_shifts_nothing(todo: Todo) -> None:
    await add(todo, *({"title": str(n)} for n in range(1, 7)))
    first = await todo.call("list_tasks", limit=3)
    await todo.call("delete_task", task_id=1)
    await add(todo, {"title": "7"})
    assert await todo.numbers(limit=3, cursor=first["next_cursor"]) == [4, 5, 6]


async def test_fifty_tasks_to_a_page_unless_told_otherwise(todo: Todo) -> None:
    await add(todo, *({"title": str(n)} for n in range(51)))
    page = await todo.call("list_tasks")
    assert len(page["tasks"]) == 50
    assert await todo.numbers(cursor=page["next_cursor"]) == [51]


async def test_a_cursor_of_another_user_shows_nothing_of_theirs(todo: Todo) -> None:
    await add(todo, {"title": "1"}, {"title": "2"})
    cursor = (await todo.call("list_tasks", limit=1))["next_cursor"]
    assert await todo.of("bob").numbers(limit=1, cursor=cursor) == []


async def test_a_cursor_that_is_none_is_refused(todo: Todo) -> None:
    with pytest.raises(Refused, match="cursor is not a next_cursor of this list"):
        await todo.call("list_tasks", cursor="bm90IGEgY3Vyc29y")
