"""Everyday English leads to the right stored state. The table is in `sentences.py`."""

import datetime as dt
from typing import Any

import pytest
from todo_chat_shared.tasks import Task

from tests.integration.offline.conftest import OpenList
from tests.integration.offline.sentences import NEGATIVES, NOT_UNDERSTOOD, ROWS, Fields, Row
from tests.integration.offline.todo_list import TodoList

_PUT_IN = {"completed": "complete_task", "deleted": "delete_task"}


def _name(row: Row) -> str:
    return " / ".join(turn[:60] for turn in row.turns)


@pytest.mark.parametrize("row", ROWS, ids=_name)
async def test_sentence(row: Row, opened: OpenList) -> None:
    """What is said leads to what is stored, and the answer says so."""
    async with opened() as todo:
        for number, given in enumerate(row.given, start=1):
            await _give(todo, number, given)
        before = await todo.tasks()
        answers = [await todo.say(turn) for turn in row.turns]
        after = await todo.tasks()

    assert set(after) == set(before) | set(row.then), answers
    for number, task in after.items():
        expected = row.then.get(number)
        if expected is None:
            _assert_unchanged(task, before[number])
        else:
            _assert_holds(task, expected)
    for words in row.answer:
        assert words.casefold() in answers[-1].casefold(), answers
    for words in row.never:
        assert words.casefold() not in answers[-1].casefold(), answers


@pytest.mark.parametrize("row", [row for row in NEGATIVES if row.answer == NOT_UNDERSTOOD], ids=_name)
async def test_what_is_not_understood_calls_no_tool(row: Row, opened: OpenList) -> None:
    """Not even a list is read for words that mean nothing."""
    async with opened() as todo:
        for turn in row.turns:
            await todo.say(turn)
        assert todo.calls == []


async def _give(todo: TodoList, number: int, given: str | Fields) -> None:
    fields: Fields = {"title": given} if isinstance(given, str) else dict(given)
    status = fields.pop("status", "open")
    await todo.call("add_task", **fields)
    if status != "open":
        await todo.call(_PUT_IN[status], task_id=number)


def _assert_unchanged(task: Task, before: Task) -> None:
    # Undone changes leave their mark in version and time alone.
    moving = {"version", "updated_at"}
    assert task.model_dump(exclude=moving) == before.model_dump(exclude=moving)


def _assert_holds(task: Task, expected: str | Fields) -> None:
    fields: dict[str, Any] = {"title": expected} if isinstance(expected, str) else expected
    stored = {name: getattr(task, name) for name in fields}
    assert stored == {name: _value(name, value) for name, value in fields.items()}


def _value(name: str, value: Any) -> Any:
    if name == "due" and value:
        return dt.date.fromisoformat(value)
    if name == "due_at" and value:
        return dt.datetime.fromisoformat(value)
    return value
