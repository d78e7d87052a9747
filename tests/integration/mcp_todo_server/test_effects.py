"""Effect keys: a call sent any number of times has one effect and one answer."""

import asyncio
import hashlib
from typing import Any

import pytest
from mcp import MCPError
from mcp_todo_server.effects.models import EffectRow
from mcp_todo_server.tasks.repository import TaskRepository
from sqlalchemy import func
from sqlmodel import select
from todo_chat_shared.effects import EFFECT_KEY_MAX_CHARS

from tests.integration.mcp_todo_server.conftest import Refused, Todo

KEY = "019ab0de-0000-7000-8000-000000000000/0/0"


async def effects(todo: Todo) -> int:
    async with todo.database.reading() as session:
        return (await session.exec(select(func.count()).select_from(EffectRow))).one()


async def test_a_repeat_returns_the_first_answer_to_the_byte(todo: Todo) -> None:
    first = await todo.text("add_task", KEY, title="Buy milk 🥛", tags=["a"])
    await todo.call("update_task", task_id=1, title="changed meanwhile")
    assert await todo.text("add_task", KEY, title="Buy milk 🥛", tags=["a"]) == first
    assert await todo.numbers(status="all") == [1]


async def test_twenty_sends_at_once_make_one_task(todo: Todo) -> None:
    answers = await asyncio.gather(*(todo.text("add_task", KEY, title="once") for _ in range(20)))
    assert len(set(answers)) == 1
    assert await todo.numbers() == [1]
    assert await effects(todo) == 1


async def test_twenty_completions_at_once_are_one_change(todo: Todo) -> None:
    await todo.call("add_task", title="x")
    answers = await asyncio.gather(*(todo.text("complete_task", KEY, task_id=1) for _ in range(20)))
    assert len(set(answers)) == 1
    assert (await todo.call("get_task", task_id=1))["version"] == 2


async def test_the_same_call_written_differently_is_the_same_call(todo: Todo) -> None:
    first = await todo.text("add_task", KEY, title="x", due_at="2026-12-24T16:00:00Z", due="")
    again = await todo.text("add_task", KEY, due_at="2026-12-24T17:00:00+01:00", description=None, title=" x ")
    assert again == first


@pytest.mark.parametrize(("tool", "arguments"), [("add_task", {"title": "y"}), ("complete_task", {"task_id": 1})])
async def test_a_key_used_for_another_call_is_refused(todo: Todo, tool: str, arguments: dict[str, Any]) -> None:
    await todo.call("add_task", KEY, title="x")
    with pytest.raises(Refused, match="was used for another call"):
        await todo.call(tool, KEY, **arguments)
    assert [(task["title"], task["status"]) for task in (await todo.call("list_tasks"))["tasks"]] == [("x", "open")]


async def test_keys_of_two_users_have_nothing_to_do_with_each_other(todo: Todo) -> None:
    await todo.call("add_task", KEY, title="Ann's")
    assert (await todo.of("bob").call("add_task", KEY, title="Bob's"))["title"] == "Bob's"


async def test_reads_ignore_the_key(todo: Todo) -> None:
    await todo.call("add_task", title="x")
    await todo.call("get_task", KEY, task_id=1)
    await todo.call("complete_task", task_id=1)
    assert (await todo.call("get_task", KEY, task_id=1))["status"] == "completed"
    assert await todo.numbers(effect_key=KEY, status="all") == [1]
    assert await effects(todo) == 0


async def test_a_refusal_that_changed_nothing_leaves_the_key_free(todo: Todo) -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="does not exist"):
            await todo.call("complete_task", KEY, task_id=1)
    with pytest.raises(Refused, match="title is missing"):
        await todo.call("add_task", KEY)
    assert await effects(todo) == 0
    await todo.call("add_task", title="x")
    assert (await todo.call("complete_task", KEY, task_id=1))["status"] == "completed"


async def test_an_answer_without_a_change_is_kept_as_well(todo: Todo) -> None:
    await todo.call("add_task", title="x")
    done = await todo.text("complete_task", "k/0/0", task_id=1)
    assert await todo.text("complete_task", "k/1/0", task_id=1) == done
    await todo.call("reopen_task", task_id=1)
    assert await todo.text("complete_task", "k/1/0", task_id=1) == done


@pytest.mark.parametrize("key", ["", "a b", "é", "a\n", "x" * (EFFECT_KEY_MAX_CHARS + 1), 7, ["k"], True])
async def test_a_malformed_key_is_refused(todo: Todo, key: Any) -> None:
    with pytest.raises(Refused, match="visible ASCII characters"):
        await todo.call("add_task", key, title="x")
    assert await todo.numbers() == []


async def test_the_longest_key_is_taken(todo: Todo) -> None:
    key = "~" * EFFECT_KEY_MAX_CHARS
    assert await todo.text("add_task", key, title="x") == await todo.text("add_task", key, title="x")


async def test_a_failure_after_the_task_was_written_takes_task_number_and_key_back(
    todo: Todo, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = TaskRepository.insert

    async def insert_then_fail(self: TaskRepository, *rows: Any) -> None:
        await insert(self, *rows)
        raise ConnectionError("the database's own words, which nobody outside may read")

    with monkeypatch.context() as patch:
        patch.setattr(TaskRepository, "insert", insert_then_fail)
        with pytest.raises(MCPError) as failure:
            await todo.call("add_task", KEY, title="x")
    assert failure.value.error.message == "temporarily unavailable; send the same call again"
    assert await effects(todo) == 0
    assert await todo.numbers(status="all") == []
    assert (await todo.call("add_task", KEY, title="x"))["task_id"] == 1


async def test_what_is_stored_is_the_answer_and_a_hash_of_what_was_given(todo: Todo) -> None:
    text = await todo.text("add_task", KEY, title="x")
    async with todo.database.reading() as session:
        row = await session.get(EffectRow, ("ann", KEY))
    assert row is not None
    assert row.result == text
    assert row.request_hash == hashlib.sha256(b'add_task\n{"title":"x"}').hexdigest()
