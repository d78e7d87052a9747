"""Many changes in one call: its arguments, checked item by item, and their carrying out.

A list per kind of change, rather than items that each name their kind: what a task's number is enough for costs a
model no more than the number, a new task has the shape that it has in `add_task`, and no item can be given a field
that its kind does not take. The kinds are carried out in an order of their own (`BatchAction`).
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, get_args

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from todo_chat_shared.tasks import BatchAction, BatchItem, BatchOutcome, Task

from mcp_todo_server.tasks.arguments import explain, to_text
from mcp_todo_server.tasks.edits import Edits
from mcp_todo_server.tasks.errors import BatchRefusedError, TaskError
from mcp_todo_server.tasks.fields import list_from_json
from mcp_todo_server.tasks.payloads import outline
from mcp_todo_server.tasks.schemas import AddTask, Arguments, TaskRef, UpdateTask

ITEMS_MAX: Final = 100
"""Most items of one batch: all of them have to be done within the time of one call."""
ACTIONS: Final[tuple[BatchAction, ...]] = get_args(BatchAction)

Reached = Callable[[int, int], None]
"""Hears after each item how many of how many are done."""


def unheard(_done: int, _total: int) -> None:
    """Let nobody hear."""


class RefusedItem(BaseModel):
    """An item whose arguments cannot stand. It fails by itself; the others are carried out."""

    given: str
    """The item as JSON, so that two batches that differ in it are two batches under an effect key too."""
    reason: Annotated[str, Field(exclude=True)]


Numbers = Annotated[
    list[TaskRef | RefusedItem],
    WithJsonSchema({"type": "array", "items": {"type": "integer"}}),
]


class BatchTasks(Arguments):
    """Arguments of `batch_tasks`: the items of each kind of change."""

    add: Annotated[
        list[AddTask | RefusedItem],
        WithJsonSchema({"type": "array", "items": outline(AddTask)}),
    ] = Field(default=[], description="As for add_task")
    update: Annotated[
        list[UpdateTask | RefusedItem],
        WithJsonSchema({"type": "array", "items": outline(UpdateTask, "task_id")}),
    ] = Field(default=[], description="task_id and the fields to change, as for update_task")
    complete: Numbers = Field(default=[], description="Numbers of tasks; the same below")
    reopen: Numbers = Field(default=[])
    delete: Numbers = Field(default=[])
    restore: Numbers = Field(default=[])

    @property
    def size(self) -> int:
        """How many items there are."""
        return sum(len(getattr(self, action)) for action in ACTIONS)

    @property
    def deleted_ids(self) -> list[int]:
        """Numbers of the tasks to delete."""
        return [item.task_id for item in self.delete if isinstance(item, TaskRef)]

    @model_validator(mode="before")
    @classmethod
    def _not_too_many(cls, data: Any) -> Any:
        # Before any item is looked at: a body has room for more than there is time to check.
        if isinstance(data, dict):
            data = {name: list_from_json(value) for name, value in data.items()}
            items = sum(len(value) for value in data.values() if isinstance(value, list))
            if items > ITEMS_MAX:
                raise ValueError(f"a batch takes at most {ITEMS_MAX} items; got {items}: send several batches")
        return data

    @field_validator(*ACTIONS, mode="before")
    @classmethod
    def _each_by_itself(cls, values: Any, info: ValidationInfo) -> Any:
        if not isinstance(values, list):
            raise ValueError("must be a list")
        return [
            _item(f"{info.field_name}[{place}]", *_ITEMS[str(info.field_name)], value)
            for place, value in enumerate(values)
        ]

    @model_validator(mode="after")
    def _asks_for_something(self) -> "BatchTasks":
        if not self.size:
            raise ValueError('give at least one item, for example {"add": [{"title": "Buy milk"}], "complete": [3, 5]}')
        return self


async def carry_out(edits: Edits, batch: BatchTasks, reached: Reached) -> BatchOutcome:
    """Carry out every item that can be, within the transaction of `edits`.

    Raises:
        BatchRefusedError: None could be. Nothing was changed.
    """
    changes: dict[BatchAction, Callable[[Any], Awaitable[Task]]] = {
        "restore": edits.restore,
        "reopen": edits.reopen,
        "add": edits.add,
        "update": edits.update,
        "complete": edits.complete,
        "delete": edits.delete,
    }
    outcomes: dict[str, list[BatchItem]] = {}
    done = 0
    for action in ACTIONS:
        for place, item in enumerate(getattr(batch, action)):
            outcome = await _carry_out(edits, changes[action], item, f"{action}[{place}]")
            outcomes.setdefault(action, []).append(outcome)
            done += 1
            reached(done, batch.size)
    errors = [outcome.error for items in outcomes.values() for outcome in items if outcome.error is not None]
    if len(errors) == batch.size:
        raise BatchRefusedError(errors)
    return BatchOutcome(outcomes)


async def _carry_out(
    edits: Edits, change: Callable[[Any], Awaitable[Task]], item: Arguments | RefusedItem, name: str
) -> BatchItem:
    if isinstance(item, RefusedItem):
        return BatchItem(error=item.reason)
    try:
        async with edits.attempt():
            task = await change(item)
    except TaskError as error:
        return BatchItem(error=f"{name}: {error}")
    follower = task.next_task_id if task.status == "completed" else None
    return BatchItem(task_id=task.task_id, title=task.title, next_task_id=follower)


_ITEMS: Final[dict[str, tuple[type[Arguments], str]]] = {
    "add": (AddTask, "title"),
    "update": (UpdateTask, "task_id"),
    "complete": (TaskRef, "task_id"),
    "reopen": (TaskRef, "task_id"),
    "delete": (TaskRef, "task_id"),
    "restore": (TaskRef, "task_id"),
}
"""What an item of each kind is, and the field that an item stands for which is that field's value alone."""


def _item(name: str, model: type[Arguments], sole_field: str, value: Any) -> Arguments | RefusedItem:
    arguments = value if isinstance(value, dict) else {sole_field: value}
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        return RefusedItem(given=to_text(value), reason=explain(model, name, error, arguments, item=name))
