"""Tasks: every rule of the tools, on each kind of database."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from mcp_todo_server.database import Database, DatabaseError
from sqlalchemy import text

from tests.integration.mcp_todo_server.conftest import Refused, Todo


async def test_a_task_has_a_number_and_only_the_fields_that_hold_something(todo: Todo) -> None:
    assert await todo.call("add_task", title="Buy milk") == {
        "task_id": 1,
        "title": "Buy milk",
        "status": "open",
        "priority": "normal",
        "version": 1,
        "created_at": "2026-11-23T09:30:00Z",
        "updated_at": "2026-11-23T09:30:00Z",
    }


async def test_everything_given_comes_back(todo: Todo) -> None:
    given: dict[str, Any] = {
        "title": "Wrap gifts",
        "description": "paper\n\tand tape",
        "priority": "urgent",
        "tags": ["Home", "family"],
        "due_at": "2026-12-24T16:00:00Z",
    }
    added = await todo.call("add_task", **given)
    assert added.items() >= given.items()
    assert await todo.call("get_task", task_id=1) == added
    dated = await todo.call("add_task", title="x", due="2026-12-24")
    assert await todo.call("get_task", task_id=2) == dated
    assert dated["due"] == "2026-12-24"


@pytest.mark.parametrize("text", ["🥛🧑\u200d🚀", "שלום עולם", "\u202eabc", "%_\\'\";--", "e\u0301", "\U0010ffff"])
async def test_text_of_any_script_is_stored_exactly(todo: Todo, text: str) -> None:
    await todo.call("add_task", title=text, description=text, tags=[text])
    task = await todo.call("get_task", task_id=1)
    assert (task["title"], task["description"], task["tags"]) == (text, text, [text])


async def test_a_tag_that_folds_to_the_longest_is_kept_and_a_longer_one_is_refused(todo: Todo) -> None:
    longest = "\ufdfa" * 8 + "x" * 6  # the ligature stands for 18 characters
    await todo.call("add_task", title="kept", tags=[longest])
    assert (await todo.call("list_tasks", tag=longest))["tasks"][0]["tags"] == [longest]
    with pytest.raises(Refused, match=r"^tags must not hold a tag of more than 150 characters once"):
        await todo.call("add_task", title="refused", tags=["\ufdfa" * 9])
    with pytest.raises(Refused, match=r"one has 162$"):
        await todo.call("update_task", task_id=1, tags=["\ufdfa" * 9])
    assert await todo.numbers() == [1]


async def test_what_a_statement_was_given_does_not_stand_in_its_error(todo: Todo) -> None:
    with pytest.raises(DatabaseError) as failure:
        async with todo.database.engine.connect() as connection:
            await connection.execute(text("SELECT :title FROM nothing"), {"title": "nobody's business"})
    assert "nobody's business" not in str(failure.value)


async def test_numbers_count_from_one_for_each_user_and_are_never_used_twice(todo: Todo) -> None:
    bob = todo.of("bob")
    assert [(await todo.call("add_task", title="x"))["task_id"] for _ in range(3)] == [1, 2, 3]
    assert (await bob.call("add_task", title="x"))["task_id"] == 1
    await todo.call("delete_task", task_id=3)
    assert (await todo.call("add_task", title="x"))["task_id"] == 4


async def test_tasks_added_at_once_get_different_numbers(todo: Todo) -> None:
    added = await asyncio.gather(*(todo.call("add_task", title=f"t{n}") for n in range(20)))
    assert sorted(task["task_id"] for task in added) == list(range(1, 21))


async def test_one_users_tasks_are_nothing_to_another(todo: Todo) -> None:
    bob = todo.of("bob")
    await todo.call("add_task", title="Ann's own", tags=["t"])
    assert await bob.numbers(status="all") == []
    for tool in ("get_task", "complete_task", "reopen_task", "delete_task", "restore_task"):
        with pytest.raises(Refused, match="task_id 1 does not exist"):
            await bob.call(tool, task_id=1)
    with pytest.raises(Refused, match="does not exist"):
        await bob.call("update_task", task_id=1, title="Bob's now")
    await bob.call("add_task", title="Bob's")
    await bob.call("update_task", task_id=1, title="Still Bob's", tags=["u"])
    assert (await todo.call("get_task", task_id=1))["title"] == "Ann's own"
    assert (await todo.call("get_task", task_id=1))["tags"] == ["t"]
    with pytest.raises(Refused, match='"user_id" is not an argument'):
        await bob.call("get_task", task_id=1, user_id="ann")


async def test_update_changes_the_fields_given_and_no_others(todo: Todo) -> None:
    before = await todo.call("add_task", title="a", description="b", due="2026-12-24", tags=["t"], priority="low")
    todo.clock.now += dt.timedelta(minutes=1)
    after = await todo.call("update_task", task_id=1, title="A")
    assert after == {**before, "title": "A", "version": 2, "updated_at": "2026-11-23T09:31:00Z"}
    assert await todo.call("get_task", task_id=1) == after


async def test_update_clears_with_an_empty_value_and_keeps_with_null(todo: Todo) -> None:
    await todo.call("add_task", title="a", description="b", due="2026-12-24", tags=["t"])
    kept = await todo.call("update_task", task_id=1, title="a2", description=None, due=None, tags=None)
    assert kept.items() >= {"description": "b", "due": "2026-12-24", "tags": ["t"]}.items()
    cleared = await todo.call("update_task", task_id=1, description="", due="", tags=[])
    assert not {"description", "due", "tags"} & cleared.keys()


async def test_a_task_is_due_on_a_day_or_at_a_time_never_both(todo: Todo) -> None:
    await todo.call("add_task", title="a", due="2026-12-24")
    timed = await todo.call("update_task", task_id=1, due_at="2026-12-25T10:00:00+02:00")
    assert timed["due_at"] == "2026-12-25T08:00:00Z"
    assert "due" not in timed
    dated = await todo.call("update_task", task_id=1, due="2026-12-26")
    assert dated["due"] == "2026-12-26"
    assert "due_at" not in dated
    unchanged = await todo.call("update_task", task_id=1, due_at="")
    assert unchanged["due"] == "2026-12-26"
    with pytest.raises(Refused, match="exclude each other"):
        await todo.call("update_task", task_id=1, due="2026-12-24", due_at="2026-12-24T10:00:00Z")


async def test_update_to_the_same_is_no_new_version(todo: Todo) -> None:
    added = await todo.call("add_task", title="a", tags=["t"], due_at="2026-12-24T10:00:00Z")
    todo.clock.now += dt.timedelta(minutes=1)
    same = await todo.call(
        "update_task", task_id=1, title="a", tags=["t"], due_at="2026-12-24T11:00:00+01:00", priority="normal"
    )
    assert same == added


async def test_an_expected_version_guards_against_another_change(todo: Todo) -> None:
    await todo.call("add_task", title="a")
    await todo.call("update_task", task_id=1, title="b", expected_version=1)
    with pytest.raises(Refused, match=r"expected_version is 1, but task 1 is at version 2"):
        await todo.call("update_task", task_id=1, title="c", expected_version=1)
    assert (await todo.call("get_task", task_id=1))["title"] == "b"


async def test_of_many_updates_under_one_version_one_wins(todo: Todo) -> None:
    await todo.call("add_task", title="a")
    results = await asyncio.gather(
        *(todo.call("update_task", task_id=1, title=f"t{n}", expected_version=1) for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, dict) for result in results) == 1
    assert (await todo.call("get_task", task_id=1))["version"] == 2


async def test_two_processes_that_change_one_task_at_once_lose_no_change(todo: Todo, database_url: str) -> None:
    """Another `Database` shares no lock with the first, as another process would not."""
    await todo.call("add_task", title="a")
    other = Database(database_url)
    also = Todo(other, todo.clock)
    await asyncio.gather(
        *(one.call("update_task", task_id=1, title=f"{n} {one is todo}") for n in range(15) for one in (todo, also))
    )
    assert (await todo.call("get_task", task_id=1))["version"] == 31
    await other.close()


async def test_complete_and_reopen_undo_each_other_and_repeats_change_nothing(todo: Todo) -> None:
    await todo.call("add_task", title="a")
    done = await todo.call("complete_task", task_id=1)
    assert (done["status"], done["completed_at"], done["version"]) == ("completed", "2026-11-23T09:30:00Z", 2)
    todo.clock.now += dt.timedelta(minutes=1)
    assert await todo.call("complete_task", task_id=1) == done
    opened = await todo.call("reopen_task", task_id=1)
    assert (opened["status"], opened["version"]) == ("open", 3)
    assert "completed_at" not in opened
    assert await todo.call("reopen_task", task_id=1) == opened


async def test_a_deleted_task_is_kept_refuses_changes_and_comes_back_as_it_was(todo: Todo) -> None:
    await todo.call("add_task", title="a", tags=["t"])
    done = await todo.call("complete_task", task_id=1)
    deleted = await todo.call("delete_task", task_id=1)
    assert deleted["status"] == "deleted"
    assert await todo.call("delete_task", task_id=1) == deleted
    assert await todo.call("get_task", task_id=1) == deleted
    for tool, more in (("complete_task", {}), ("reopen_task", {}), ("update_task", {"title": "b"})):
        with pytest.raises(Refused, match=r'restore it first: restore_task with \{"task_id": 1\}'):
            await todo.call(tool, task_id=1, **more)
    restored = await todo.call("restore_task", task_id=1)
    assert restored == {**done, "version": 4}
    assert await todo.call("restore_task", task_id=1) == restored


async def test_a_restored_open_task_is_open(todo: Todo) -> None:
    await todo.call("add_task", title="a")
    await todo.call("delete_task", task_id=1)
    assert (await todo.call("restore_task", task_id=1))["status"] == "open"


async def test_a_missing_task_is_an_error_that_says_so(todo: Todo) -> None:
    for tool in ("get_task", "complete_task", "reopen_task", "delete_task", "restore_task"):
        with pytest.raises(Refused, match=f"task_id {2**63 - 1} does not exist; list_tasks"):
            await todo.call(tool, task_id=2**63 - 1)
