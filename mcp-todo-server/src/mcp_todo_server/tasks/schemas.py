"""Arguments of the tools: their types, bounds and descriptions are the published input schemas.

An argument that is null counts as not given: models often fill what they leave out with null, and nothing may
be lost by that. `update_task` clears a field where it is given an empty text or list.
"""

import datetime as dt
import json
import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from todo_chat_shared.tasks import (
    DESCRIPTION_MAX_CHARS,
    TAG_MAX_CHARS,
    TAGS_MAX,
    TITLE_MAX_CHARS,
    Priority,
    TaskId,
)

from mcp_todo_server.tasks.text import LINE_BREAKS, fold, refuse_control_characters, refuse_long_when_folded

QUERY_MAX_CHARS: Final = 200
PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 100
CURSOR_MAX_CHARS: Final = 500
EARLIEST: Final = dt.date(1900, 1, 1)
LATEST: Final = dt.date(9998, 12, 31)
"""Far enough from the calendar's ends that no zone moves an instant over them."""

StatusFilter = Literal["open", "completed", "deleted", "all"]
TaskSort = Literal["created", "newest", "due", "priority", "updated"]

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ].+")


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def _one_line(value: str) -> str:
    return refuse_control_characters(value.strip())


def _several_lines(value: str) -> str:
    return refuse_control_characters(value, allowed=LINE_BREAKS)


def _date_text(value: Any) -> Any:
    # pydantic also takes numbers, as seconds since 1970.
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("must be a calendar date")
    return value


def _date_in_range(value: dt.date) -> dt.date:
    if not EARLIEST <= value <= LATEST:
        raise ValueError(f"must be a date from {EARLIEST} to {LATEST}")
    return value


def _instant_text(value: Any) -> Any:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("must be a date and time")
    return value


def _instant_in_range(value: dt.datetime) -> dt.datetime:
    _date_in_range(value.date())
    return value.astimezone(dt.UTC)


def _list_from_json(value: Any) -> Any:
    # Some clients send a list as the text of its JSON.
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):  # a text of nothing but brackets nests too deep
            return value
    return value


def _distinct(tags: list[str]) -> list[str]:
    first_written: dict[str, str] = {}
    for tag in tags:
        first_written.setdefault(fold(tag), tag)
    return list(first_written.values())


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


Number = BeforeValidator(_whole_number)
TaskIdArgument = Annotated[TaskId, Number, Field(description="The task's number")]
Title = Annotated[
    str,
    Field(min_length=1, max_length=TITLE_MAX_CHARS),
    AfterValidator(_one_line),
    AfterValidator(_not_empty),
]
Description = Annotated[str, Field(max_length=DESCRIPTION_MAX_CHARS), AfterValidator(_several_lines)]
Date = Annotated[dt.date, BeforeValidator(_date_text), AfterValidator(_date_in_range)]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant_text), AfterValidator(_instant_in_range)]
Tag = Annotated[
    str,
    Field(min_length=1, max_length=TAG_MAX_CHARS),
    AfterValidator(_one_line),
    AfterValidator(_not_empty),
    AfterValidator(refuse_long_when_folded),
]
Tags = Annotated[list[Tag], Field(max_length=TAGS_MAX), BeforeValidator(_list_from_json), AfterValidator(_distinct)]
Cleared = Literal[""]
_CLEARABLE: Final = frozenset({"description", "due", "due_at"})


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
        Instant | None, Field(description="Date and time with zone, such as 2026-12-24T17:00:00+01:00")
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
        return self


class TaskRef(Arguments):
    """Arguments of the tools that take one task and nothing else."""

    task_id: TaskIdArgument


class UpdateTask(Arguments):
    """Arguments of `update_task`. What is not given stays as it is."""

    task_id: TaskIdArgument
    title: Annotated[Title | None, Field(description="New title")] = None
    description: Annotated[Description | None, Field(description='New details; "" removes them')] = None
    due: Annotated[
        Cleared | Date | None, Field(description='Calendar date, YYYY-MM-DD; replaces due_at; "" removes it')
    ] = None
    due_at: Annotated[
        Cleared | Instant | None,
        Field(description='Date and time with zone; replaces due; "" removes it'),
    ] = None
    priority: Annotated[Priority | None, Field(description="New priority")] = None
    tags: Annotated[Tags | None, Field(description="All tags from now on; [] removes them")] = None
    expected_version: Annotated[
        Annotated[int, Field(ge=1, le=2**31 - 1), Number] | None,
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
        Annotated[str, Field(max_length=QUERY_MAX_CHARS), AfterValidator(_one_line)] | None,
        Field(description="Part of the title or description, in any case"),
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
            "priority (urgent first), updated (latest first)"
        ),
    ] = "created"
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX, description=f"Tasks per page, default {PAGE_DEFAULT}"), Number] = (
        PAGE_DEFAULT
    )
    cursor: Annotated[
        Annotated[str, Field(max_length=CURSOR_MAX_CHARS)] | None,
        Field(description="next_cursor of the page before; other arguments unchanged"),
    ] = None


ONE_DUE: Final = (
    'due and due_at exclude each other: give the day alone, "due": "2026-12-24", '
    'or the time with its zone, "due_at": "2026-12-24T17:00:00+01:00"'
)
