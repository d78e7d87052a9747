"""Tables of tasks and their tags."""

import datetime as dt

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
)
from sqlmodel import Field
from todo_chat_shared.tasks import TAG_MAX_CHARS, TITLE_MAX_CHARS
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from mcp_todo_server.database import Table, UtcDateTime
from mcp_todo_server.tasks.text import FOLDED_TAG_MAX_CHARS


class TaskRow(Table, table=True):
    """One task."""

    __tablename__ = "tasks"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_tasks_user"),
        Index("ix_tasks_status_number", "user_id", "status", "task_id"),
        Index("ix_tasks_status_due", "user_id", "status", "due_until", "task_id"),
        Index("ix_tasks_status_priority", "user_id", "status", "priority_rank", "task_id"),
        Index("ix_tasks_status_updated", "user_id", "status", "updated_at", "task_id"),
    )

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    task_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    title: str = Field(sa_column=Column(String(TITLE_MAX_CHARS), nullable=False))
    description: str | None = Field(default=None, sa_column=Column(Text))
    search_text: str = Field(sa_column=Column(Text, nullable=False))
    """Title and description, folded as a query is: both databases then compare alike, in every script."""
    status: str = Field(sa_column=Column(String(16), nullable=False))
    priority_rank: int = Field(sa_column=Column(SmallInteger, nullable=False))
    """0 for urgent to 3 for low, so that the most pressing comes first in an ascending index."""
    due: dt.date | None = Field(default=None, sa_column=Column(Date))
    due_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    due_until: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """Last instant at which the task is not late: `due_at`, or the end of the day `due` in the user's zone.
    Where a user's zone changes, the rows with a `due` have to be given a new one."""
    version: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    updated_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    completed_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """Kept through a deletion, so that a restored task is completed again if it was."""


class TaskTagRow(Table, table=True):
    """One tag of one task."""

    __tablename__ = "task_tags"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "task_id"],
            ["tasks.user_id", "tasks.task_id"],
            name="fk_task_tags_task",
            ondelete="CASCADE",
        ),
        Index("ix_task_tags_tag", "user_id", "tag", "task_id"),
    )

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    task_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    tag: str = Field(sa_column=Column(String(FOLDED_TAG_MAX_CHARS), primary_key=True))
    """The tag folded: `Home` and `home` are the same tag."""
    label: str = Field(sa_column=Column(String(TAG_MAX_CHARS), nullable=False))
    """The tag as it was written."""
    position: int = Field(sa_column=Column(SmallInteger, nullable=False))
    """Place in the task's list of tags, from 0."""
