"""Wire schemas of tasks: what the tools of mcp-todo-server answer with and chat-api reads.

Fields without a value are left out on the wire, so a reader treats an absent field as empty.
"""

import datetime as dt
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel

Priority = Literal["low", "normal", "high", "urgent"]
TaskStatus = Literal["open", "completed", "deleted"]

TITLE_MAX_CHARS = 500
DESCRIPTION_MAX_CHARS = 10_000
TAG_MAX_CHARS = 50
TAGS_MAX = 20
RECURRENCE_MAX_CHARS = 200

TASK_ID_MAX = 2**63 - 1
TaskId = Annotated[int, Field(ge=1, le=TASK_ID_MAX)]
"""A task's number: counted from 1 for each user and never used twice."""


class Task(BaseModel):
    """One task of one user."""

    model_config = ConfigDict(extra="ignore")

    task_id: TaskId
    title: str
    description: str | None = None
    status: TaskStatus
    priority: Priority = "normal"
    tags: list[str] = Field(default_factory=list)
    due: dt.date | None = None
    """Calendar date without a zone: the same day wherever the user is."""
    due_at: AwareDatetime | None = None
    """Instant with a zone. A task has `due` or `due_at`, never both."""
    recurrence: str | None = None
    """How the task repeats: an RRULE (RFC 5545, section 3.3.10)."""
    next_task_id: TaskId | None = None
    """The task that follows this one in its series, made when this one was completed."""
    version: int = Field(ge=1)
    """Counts every change of the task from 1."""
    created_at: AwareDatetime
    updated_at: AwareDatetime
    completed_at: AwareDatetime | None = None


class TaskPage(BaseModel):
    """One page of `list_tasks`."""

    model_config = ConfigDict(extra="ignore")

    tasks: list[Task]
    next_cursor: str | None = None
    """Hand it back as `cursor` for the next page; absent on the last page."""
    today: dt.date
    """Today's date in the user's zone."""
    timezone: str
    """The user's IANA zone."""


BatchAction = Literal["restore", "reopen", "add", "update", "complete", "delete"]
"""What an item of `batch_tasks` asks for, in the order in which a batch is carried out: what makes a task
changeable comes first, and what puts it away last."""


class BatchItem(BaseModel):
    """What one item of `batch_tasks` came to: the task that it was about, or why it was refused."""

    model_config = ConfigDict(extra="ignore")

    task_id: int | None = None
    title: str | None = None
    next_task_id: int | None = None
    """Of a completed task that repeats: the task that follows it."""
    error: str | None = None
    """Where this stands nothing else does, and the item has changed nothing."""


class UserDay(BaseModel):
    """What day it is for a user: the answer of `set_timezone`."""

    model_config = ConfigDict(extra="ignore")

    timezone: str
    """The user's IANA zone."""
    today: dt.date
    """Today's date in it."""


class BatchOutcome(RootModel[dict[str, list[BatchItem]]]):
    """Answer of `batch_tasks`: for each of its arguments what the items came to, in their order."""
