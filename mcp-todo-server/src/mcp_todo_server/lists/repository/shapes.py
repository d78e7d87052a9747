"""What a list's statements depend on, and the columns that they are made of."""

from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import ColumnElement
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from todo_chat_shared.tasks import Task

from mcp_todo_server.tasks.models import TaskRow, TaskTagRow
from mcp_todo_server.tasks.schemas import TaskSort

Columns = ReadOnlyColumnCollection[str, Any]
Condition = Literal["words", "text", "tag", "priority", "before", "from"]

TASKS: Final = TaskRow.metadata.tables["tasks"].c
TAGS: Final = TaskTagRow.metadata.tables["task_tags"].c
SORTED_BY: Final[dict[TaskSort, str | None]] = {
    "created": None,
    "newest": None,
    "due": "due_until",
    "priority": "priority_rank",
    "updated": "updated_at",
    "manual": "position",
}
"""The column that comes before the task's number in each order; None where the number is the order."""
NULLABLE: Final = frozenset({"due_until"})
DESCENDING: Final[frozenset[TaskSort]] = frozenset({"newest", "updated"})

_TOLD: Final = [name for name in ("priority_rank", *Task.model_fields) if name in TASKS]
"""What is told of a task."""
SERVED: Final[dict[TaskSort, frozenset[Condition]]] = {
    "due": frozenset({"before", "from"}),
    "priority": frozenset({"priority"}),
}
"""Conditions on the column that an order is sorted by: they say where in the index it begins and ends."""


class Shape(NamedTuple):
    """All that the text of a list's statements depends on."""

    sqlite: bool
    sort: TaskSort
    statuses: tuple[str, ...]
    conditions: frozenset[Condition]
    after: Literal["nothing", "key", "no key"]
    """What the page follows: a task with a value in the sorted column, or one without."""

    @property
    def checked(self) -> list[Condition]:
        """The conditions that the order's index does not serve."""
        return sorted(self.conditions - SERVED.get(self.sort, frozenset()))


def names(shape: Shape) -> list[str]:
    """Return the columns of a page: what is told, and what the page is sorted by."""
    return list(dict.fromkeys((*_TOLD, SORTED_BY[shape.sort] or "task_id")))


def columns_of(shape: Shape) -> list[ColumnElement[Any]]:
    """Return the columns from which a page is chosen."""
    checked = [*(["words"] if "words" in shape.conditions else []), "due_until"]
    return [TASKS[name] for name in dict.fromkeys((*names(shape), *checked))]
