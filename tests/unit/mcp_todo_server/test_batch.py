"""Arguments of batch_tasks: each item stands or falls by itself, and a slip whose meaning is plain is none."""

from typing import Any

import pytest
from mcp_todo_server.tasks.arguments import parse
from mcp_todo_server.tasks.batch import ITEMS_MAX, BatchTasks, RefusedItem
from mcp_todo_server.tasks.errors import InvalidArgumentsError
from mcp_todo_server.tasks.schemas import AddTask, TaskRef, UpdateTask


def batch(**arguments: Any) -> BatchTasks:
    return parse(BatchTasks, "batch_tasks", arguments)


def refusal(**arguments: Any) -> str:
    with pytest.raises(InvalidArgumentsError) as refused:
        batch(**arguments)
    return str(refused.value)


def reason(action: str, *items: Any) -> str:
    """Return why the last of these items is refused; those before it are not."""
    *others, last = getattr(batch(**{action: list(items)}), action)
    assert not any(isinstance(other, RefusedItem) for other in others)
    assert isinstance(last, RefusedItem)
    return last.reason


def test_items_are_what_the_single_tools_take() -> None:
    given = batch(add=[{"title": " x "}], update=[{"task_id": 3, "due": ""}], complete=[4, 5], restore=[6])
    assert given.add == [AddTask(title="x")]
    assert given.update == [UpdateTask(task_id=3, due="")]
    assert given.complete == [TaskRef(task_id=4), TaskRef(task_id=5)]
    assert given.restore == [TaskRef(task_id=6)]
    assert given.size == 5


@pytest.mark.parametrize(
    ("action", "items", "start"),
    [
        (
            "add",
            [{"title": "x"}, {"title": "y", "due": "tomorrow"}],
            'add[1].due must be a date such as "2026-12-24"; got',
        ),
        ("add", [{}], "add[0].title is missing; it must be a text"),
        ("add", [7], "add[0].title must be a text of 1 to 500 characters"),
        ("add", [None], "add[0].title is missing"),
        ("add", [["x"]], "add[0].title must be a text"),
        ("add", [{"title": "a\x00b"}], "add[0].title must not hold control characters; U+0000 is at place 2"),
        ("add", [{"title": "x", "user_id": "bob"}], 'add[0]: "user_id" is not an argument of add[0]; it takes title, '),
        (
            "add",
            [{"title": "x", "due": "2026-12-24", "due_at": "2026-12-24T17:00:00Z"}],
            "add[0]: due and due_at exclude",
        ),
        ("update", [{"task_id": 3, "title": "x"}, {"task_id": 3}], "update[1]: give at least one field to change"),
        ("update", [{"title": "x"}], "update[0].task_id is missing"),
        ("complete", [1, 2, 0], "complete[2].task_id must be a task's whole number from 1"),
        ("complete", [True], "complete[0].task_id must be a task's whole number from 1"),
        ("delete", ["milk"], 'delete[0].task_id must be a task\'s whole number from 1, such as 3; got "milk"'),
    ],
)
def test_a_refused_item_is_named_with_what_would_work(action: str, items: list[Any], start: str) -> None:
    assert reason(action, *items).startswith(start)


def test_each_wrong_argument_of_an_item_is_named() -> None:
    parts = reason("add", {"title": "", "due": "x", "made_up": 1}).split("; ")
    assert [part.split()[0] for part in parts if part.startswith("add")] == ["add[0].title", "add[0].due", "add[0]:"]


def test_an_item_nested_too_deep_to_be_shown_is_refused_like_any_other() -> None:
    nested: list[Any] = []
    for _ in range(2_000):
        nested = [nested]
    assert reason("add", nested).endswith("got a value nested too deep")
    assert reason("complete", 1, nested).endswith("got a value nested too deep")


@pytest.mark.parametrize("depth", range(880, 1001, 8))
def test_a_text_of_nested_lists_is_refused_however_deep_they_are(depth: int) -> None:
    """Some can be read but not written again: reading takes less of the stack than writing does."""
    text = "[" * depth + "]" * depth
    try:
        [item] = batch(add=text).add
    except InvalidArgumentsError as refused:
        assert str(refused).startswith("add must be a list of tasks")  # noqa: PT017 - either refusal will do
    else:
        assert isinstance(item, RefusedItem)
        assert item.reason.startswith("add[0].title must be a text")


def test_lenient_where_models_slip_and_the_meaning_is_plain() -> None:
    assert batch(add=["x"]) == batch(add=[{"title": "x"}])
    assert batch(complete=[{"task_id": 3}, "4"]) == batch(complete=[3, 4])
    assert batch(complete="[3, 4]", add=None) == batch(complete=[3, 4])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "give at least one item, for example "),
        ({"add": [], "complete": None}, "give at least one item, for example "),
        (
            {"add": {"title": "x"}},
            'add must be a list of tasks as add_task takes them, such as [{"title": "Buy milk"}]',
        ),
        ({"complete": 3}, "complete must be a list of the numbers of tasks, such as [3, 5]; got 3"),
        (
            {"items": [{"action": "complete", "task_id": 3}]},
            '"items" is not an argument of batch_tasks; it takes add, ',
        ),
        ({"complete": [*range(1, 61)], "delete": [*range(1, 42)]}, "a batch takes at most 100 items; got 101"),
        ({"complete": [0] * 300_000}, "a batch takes at most 100 items; got 300000"),
    ],
)
def test_a_call_that_is_no_batch_is_refused_in_whole(arguments: dict[str, Any], text: str) -> None:
    assert refusal(**arguments).startswith(text)


def test_the_fullest_batch_is_taken() -> None:
    assert batch(complete=[*range(1, ITEMS_MAX + 1)]).size == ITEMS_MAX


def test_what_is_written_differently_is_the_same_batch_and_what_differs_is_another() -> None:
    def canonical(**arguments: Any) -> str:
        return batch(**arguments).model_dump_json(exclude_unset=True)

    assert canonical(add=["x"], delete=None) == canonical(add=[{"title": " x ", "due": None}])
    assert canonical(add=["x"]) != canonical(add=["y"])
    assert canonical(complete=[0]) != canonical(complete=[-1])
    assert canonical(add=["\ud800"]) != canonical(add=["\udfff"])
