"""The order that a user gives by hand, on each kind of database."""

import random

import pytest
from mcp_todo_server.tasks import order
from mcp_todo_server.tasks.models import TaskRow
from sqlmodel import col, select

from tests.integration.mcp_todo_server.conftest import Refused, Todo


async def add(todo: Todo, count: int) -> None:
    for _ in range(count):
        await todo.call("add_task", title="x")


async def listed(todo: Todo, **filters: str) -> list[int]:
    """All numbers in the manual order, read in small pages."""
    numbers: list[int] = []
    cursor = None
    while True:
        page = await todo.call("list_tasks", sort="manual", limit=2, cursor=cursor, **filters)
        numbers += [task["task_id"] for task in page["tasks"]]
        cursor = page.get("next_cursor")
        if cursor is None:
            return numbers


async def test_tasks_that_nobody_moved_stand_in_the_order_in_which_they_were_added(todo: Todo) -> None:
    await add(todo, 5)
    assert await listed(todo) == [1, 2, 3, 4, 5]


async def test_a_task_is_moved_before_another_or_to_the_end_and_new_ones_come_last(todo: Todo) -> None:
    await add(todo, 5)
    await todo.call("update_task", task_id=4, before=2)
    assert await listed(todo) == [1, 4, 2, 3, 5]
    await todo.call("update_task", task_id=5, before=1)
    assert await listed(todo) == [5, 1, 4, 2, 3]
    await todo.call("update_task", task_id=5, before=0)
    assert await listed(todo) == [1, 4, 2, 3, 5]
    await add(todo, 2)
    assert await listed(todo) == [1, 4, 2, 3, 5, 6, 7]
    await todo.call("update_task", task_id=1, before=7)
    assert await listed(todo) == [4, 2, 3, 5, 6, 1, 7]


async def test_a_move_is_a_new_version_of_the_moved_task_alone(todo: Todo) -> None:
    await add(todo, 3)
    moved = await todo.call("update_task", task_id=3, before=1, title="y")
    assert (moved["version"], moved["title"]) == (2, "y")
    assert (await todo.call("update_task", task_id=3, before=1))["version"] == 2
    assert (await todo.call("update_task", task_id=2, before=0))["version"] == 1
    assert [(await todo.call("get_task", task_id=task_id))["version"] for task_id in (1, 2, 3)] == [1, 1, 2]


async def test_tasks_of_any_status_keep_their_places_among_the_others(todo: Todo) -> None:
    await add(todo, 5)
    await todo.call("complete_task", task_id=2)
    await todo.call("update_task", task_id=5, before=1)
    await todo.call("delete_task", task_id=3)
    assert await listed(todo) == [5, 1, 4]
    assert await listed(todo, status="all") == [5, 1, 2, 3, 4]
    await todo.call("restore_task", task_id=3)
    await todo.call("reopen_task", task_id=2)
    assert await listed(todo) == [5, 1, 2, 3, 4]


async def test_a_move_to_nowhere_is_refused_and_changes_nothing(todo: Todo) -> None:
    await add(todo, 2)
    with pytest.raises(Refused, match=r"^before 7 does not exist; list_tasks"):
        await todo.call("update_task", task_id=1, before=7, title="y")
    with pytest.raises(Refused, match=r"^before must be the number of another task, or 0"):
        await todo.call("update_task", task_id=1, before=1, title="y")
    with pytest.raises(Refused, match=r"^before must be a task's whole number, such as 3, or 0"):
        await todo.call("update_task", task_id=1, before=-1)
    assert (await todo.call("get_task", task_id=1))["version"] == 1
    assert await listed(todo) == [1, 2]


async def test_another_users_tasks_stay_where_they_are(todo: Todo) -> None:
    bob = todo.of("bob")
    await add(todo, 3)
    await add(bob, 3)
    await todo.call("update_task", task_id=3, before=1)
    assert await listed(bob) == [1, 2, 3]
    assert await listed(todo) == [3, 1, 2]


@pytest.mark.parametrize("gap", [order.GAP, 2])
async def test_any_number_of_moves_to_the_same_place_keeps_the_order(
    todo: Todo, monkeypatch: pytest.MonkeyPatch, gap: int
) -> None:
    """With gaps that are used up at once the tasks are spread anew all the time, and nobody sees it."""
    monkeypatch.setattr(order, "GAP", gap)
    monkeypatch.setattr(order, "_ROOMY", min(gap, order._ROOMY))
    monkeypatch.setattr(order, "_SPREAD_FIRST", 2)
    await add(todo, 12)
    expected = list(range(1, 13))
    choose = random.Random(4)  # noqa: S311 - an order, not a secret
    for step in range(60):
        task_id = choose.randint(1, 12)
        before = choose.choice([0, 7, 7, 7, choose.randint(1, 12)])
        if task_id == before:
            continue
        await todo.call("update_task", task_id=task_id, before=before)
        expected.remove(task_id)
        expected.insert(expected.index(before) if before else len(expected), task_id)
        assert await listed(todo) == expected, step


async def test_a_used_up_gap_is_widened_by_moving_a_few_neighbours(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "GAP", 2**20)
    await add(todo, 60)
    await todo.call("update_task", task_id=60, before=30)
    written: list[int] = []
    for task_id in range(31, 60):
        before = await positions(todo)
        await todo.call("update_task", task_id=task_id, before=60)
        after = await positions(todo)
        written.append(sum(before[number] != after[number] for number in before))
    assert await listed(todo) == [*range(1, 30), *range(31, 60), 60, 30]
    assert max(written) <= order._SPREAD_FIRST + 1
    assert written.count(1) > len(written) * 0.9


async def positions(todo: Todo) -> dict[int, int]:
    async with todo.database.reading() as session:
        rows = (await session.exec(select(TaskRow.task_id, TaskRow.position).order_by(col(TaskRow.task_id)))).all()
    return dict(rows)


async def test_a_move_gives_positions_only_to_the_tasks_before_its_place_and_only_once(todo: Todo) -> None:
    await add(todo, 6)
    begin = await positions(todo)
    assert len(set(begin.values())) == 1
    await todo.call("update_task", task_id=6, before=3)
    first = await positions(todo)
    assert [number for number in first if first[number] != begin[number]] == [1, 2, 3, 6]
    await todo.call("update_task", task_id=6, before=2)
    second = await positions(todo)
    assert [number for number in first if first[number] != second[number]] == [6]
    assert await listed(todo) == [1, 6, 2, 3, 4, 5]
    await todo.call("update_task", task_id=1, before=0)
    third = await positions(todo)
    assert [number for number in first if second[number] != third[number]] == [1, 4, 5]
    assert await listed(todo) == [6, 2, 3, 4, 5, 1]
