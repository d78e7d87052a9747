"""Arguments of the tools: their types, bounds and descriptions are the published input schemas.

An argument that is null counts as not given: models often fill what they leave out with null, and nothing may
be lost by that. `update_task` clears a field where it is given an empty text or list.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from todo_chat_shared.tasks import TASK_ID_MAX, Priority

from mcp_todo_server.tasks.fields import (
    ONE_LINE,
    WHOLE_NUMBER,
    ClearableDate,
    ClearableInstant,
    ClearableRule,
    Date,
    Description,
    Instant,
    Rule,
    Tag,
    Tags,
    TaskNumber,
    Title,
    ZoneName,
)

QUERY_MAX_CHARS: Final = 200
PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 100
CURSOR_MAX_CHARS: Final = 500

StatusFilter = Literal["open", "completed", "deleted", "all"]
TaskSort = Literal["created", "newest", "due", "priority", "updated", "manual"]
LAST: Final = 0
"""As the task to come before: none, and so the end of the list."""

_CLEARABLE: Final = frozenset({"description", "due", "due_at", "recurrence"})


class Arguments(BaseModel):
    """Arguments of one tool; names it does not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if value is not None or name not in cls.model_fields}
        return data


class AddTask(Arguments):
    """Arguments of `add_task`."""

    title: Annotated[Title, Field(description="What is to be done, in one line")]
    description: Annotated[Description | None, Field(description="Details; may have several lines")] = None
    due: Annotated[Date | None, Field(description="Calendar date, YYYY-MM-DD; not together with due_at")] = None
    due_at: Annotated[
        Instant | None, Field(description="Date and time with offset or zone: 2026-12-24T17:00[Europe/Berlin]")
    ] = None
    recurrence: Annotated[
        Rule | None, Field(description="RRULE, such as FREQ=WEEKLY;BYDAY=MO; completing adds the next")
    ] = None
    priority: Annotated[Priority, Field(description="Default normal")] = "normal"
    tags: Annotated[Tags, Field(description="Labels, compared without case")] = []

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_given(cls, data: Any) -> Any:
        # What `update_task` takes for "no value" means the same in a new task.
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if value != "" or name not in _CLEARABLE}
        return data

    @model_validator(mode="after")
    def _one_due(self) -> "AddTask":
        if self.due is not None and self.due_at is not None:
            raise ValueError(ONE_DUE)
        if self.recurrence is not None and self.due is None and self.due_at is None:
            raise ValueError(RECURRENCE_NEEDS_DUE)
        return self


class TaskRef(Arguments):
    """Arguments of the tools that take one task and nothing else."""

    task_id: TaskNumber


class UpdateTask(Arguments):
    """Arguments of `update_task`. What is not given stays as it is."""

    task_id: TaskNumber
    title: Annotated[Title | None, Field(description="New title")] = None
    description: Annotated[Description | None, Field(description='New details; "" removes them')] = None
    due: Annotated[
        ClearableDate | None, Field(description='Calendar date, YYYY-MM-DD; replaces due_at; "" removes it')
    ] = None
    due_at: Annotated[
        ClearableInstant | None,
        Field(description='Date and time as in add_task; replaces due; "" removes it'),
    ] = None
    recurrence: Annotated[ClearableRule | None, Field(description='RRULE; "" removes it')] = None
    priority: Annotated[Priority | None, Field(description="New priority")] = None
    tags: Annotated[Tags | None, Field(description="All tags from now on; [] removes them")] = None
    before: Annotated[
        Annotated[int, Field(ge=LAST, le=TASK_ID_MAX), WHOLE_NUMBER, WithJsonSchema({"type": "integer"})] | None,
        Field(description=f"Move: number of the task to come before in manual order; {LAST}: last"),
    ] = None
    expected_version: Annotated[
        Annotated[int, Field(ge=1, le=2**31 - 1), WHOLE_NUMBER] | None,
        Field(description="Refuse if the task's version is another one"),
    ] = None

    @property
    def changed(self) -> frozenset[str]:
        """Names of the fields to change."""
        return frozenset(self.model_fields_set - {"task_id", "expected_version"})

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdateTask":
        if self.due and self.due_at:
            raise ValueError(ONE_DUE)
        if not self.changed:
            raise ValueError(
                "give at least one field to change, for example "
                f'{{"task_id": {self.task_id}, "title": "Buy oat milk"}}; '
                f'an empty text removes a value: {{"task_id": {self.task_id}, "due": ""}}'
            )
        return self


class ListTasks(Arguments):
    """Arguments of `list_tasks`."""

    status: Annotated[StatusFilter, Field(description="Default open; all includes deleted tasks")] = "open"
    query: Annotated[
        Annotated[str, Field(max_length=QUERY_MAX_CHARS), ONE_LINE] | None,
        Field(description="Words of title or description, or their beginnings; all must occur"),
    ] = None
    tag: Annotated[Tag | None, Field(description="Only tasks with this tag")] = None
    priority: Annotated[Priority | None, Field(description="Only this priority")] = None
    due_before: Annotated[Date | None, Field(description="Only tasks due before this day, YYYY-MM-DD")] = None
    due_after: Annotated[Date | None, Field(description="Only tasks due after this day, YYYY-MM-DD")] = None
    overdue: Annotated[bool, Field(description="true: only open tasks that are late")] = False
    sort: Annotated[
        TaskSort,
        Field(
            description="created (default, oldest first), newest, due (soonest first), "
            "priority (urgent first), updated (latest first), manual (as moved)"
        ),
    ] = "created"
    limit: Annotated[
        int, Field(ge=1, le=PAGE_MAX, description=f"Tasks per page, default {PAGE_DEFAULT}"), WHOLE_NUMBER
    ] = PAGE_DEFAULT
    cursor: Annotated[
        Annotated[str, Field(max_length=CURSOR_MAX_CHARS)] | None,
        Field(description="next_cursor of the page before; other arguments unchanged"),
    ] = None


class SetTimezone(Arguments):
    """Arguments of `set_timezone`."""

    timezone: Annotated[ZoneName, Field(description="IANA name, such as Europe/Berlin")]


ONE_DUE: Final = (
    'due and due_at exclude each other: give the day alone, "due": "2026-12-24", '
    'or the time with its zone, "due_at": "2026-12-24T17:00:00+01:00"'
)
RECURRENCE_NEEDS_DUE: Final = (
    "a task that repeats is due on a day or at a time: give its first one, "
    '"due": "2026-12-24", beside "recurrence": "FREQ=WEEKLY"; remove both at once: "due": "", "recurrence": ""'
)
