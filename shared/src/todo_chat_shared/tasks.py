"""Wire schemas of tasks: what the tools of mcp-todo-server answer with and chat-api reads.

Fields without a value are left out on the wire, so a reader treats an absent field as empty.
"""

import datetime as dt
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Priority = Literal["low", "normal", "high", "urgent"]
TaskStatus = Literal["open", "completed", "deleted"]

TITLE_MAX_CHARS = 500
DESCRIPTION_MAX_CHARS = 10_000
TAG_MAX_CHARS = 50
TAGS_MAX = 20

TaskId = Annotated[int, Field(ge=1, le=2**63 - 1)]
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
