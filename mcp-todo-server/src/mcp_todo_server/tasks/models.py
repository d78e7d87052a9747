"""Tables of tasks and their tags, and how the words of a task are kept."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, cast, get_args

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
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import QueryableAttribute, defer
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field
from todo_chat_shared.tasks import RECURRENCE_MAX_CHARS, TAG_MAX_CHARS, TITLE_MAX_CHARS, TaskStatus
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from mcp_todo_server.database import Table, UtcDateTime
from mcp_todo_server.tasks.text import FOLDED_TAG_MAX_CHARS

STATUSES: Final[tuple[TaskStatus, ...]] = get_args(TaskStatus)
NOT_MOVED: Final = 2**62
"""Position of every task that was never moved: together they come last, in the order of their numbers."""
PLACED_MAX: Final = 2**61
"""Farthest from 0 that a file may place a task, so that moves find room beyond it on either side."""

SEARCH_TABLE: Final = "task_search"
"""SQLite's index of words, an FTS5 table. Triggers on `tasks` keep it, so that whoever writes a task writes it too."""


class Words(TypeDecorator[Sequence[str]]):
    """Words as `tasks.words` splits them: a `tsvector` on PostgreSQL, a text with a space before each on SQLite.

    They are written, and compared inside the database; no value is ever read.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the type."""
        return dialect.type_descriptor(TSVECTOR() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str | None:
        """Write the words in the form of the type. None of them holds a quote or a backslash."""
        if value is None:
            return None
        form = "'{}' " if dialect.name == "postgresql" else " {}"
        return "".join(map(form.format, value))


class TaskRow(Table, table=True):
    """One task.

    An index for each order of a list, all within one status: a list of every status is merged from those of each,
    and other conditions are checked on the way. `ix_tasks_unsplit` holds the tasks whose `words` are out of date,
    as a rule none.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_tasks_user"),
        Index("ix_tasks_status_number", "user_id", "status", "task_id"),
        Index("ix_tasks_status_due", "user_id", "status", "due_until", "task_id"),
        Index("ix_tasks_status_priority", "user_id", "status", "priority_rank", "task_id"),
        Index("ix_tasks_status_updated", "user_id", "status", "updated_at", "task_id"),
        Index("ix_tasks_status_position", "user_id", "status", "position", "task_id"),
        # PostgreSQL alone. Without a list of pending entries a search takes the same time after any number of
        # writes; a task has few words, and is written by hand.
        Index("ix_tasks_words", "words", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
        Index(
            "ix_tasks_unsplit",
            "user_id",
            "task_id",
            postgresql_where=text("search_text <> ''"),
            sqlite_where=text("search_text <> ''"),
        ),
    )

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    task_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    title: str = Field(sa_column=Column(String(TITLE_MAX_CHARS), nullable=False))
    description: str | None = Field(default=None, sa_column=Column(Text))
    search_text: str = Field(default="", sa_column=Column(Text, nullable=False))
    """Empty, but where the previous release wrote the row, which searches here: then `words` may be out of date."""
    words: Sequence[str] | None = Field(default=None, sa_column=Column(Words))
    """What the task is found by, each word with its user's mark; None in a row of the previous release."""
    status: str = Field(sa_column=Column(String(16), nullable=False))
    priority_rank: int = Field(sa_column=Column(SmallInteger, nullable=False))
    """0 for urgent to 3 for low, so that the most pressing comes first in an ascending index."""
    due: dt.date | None = Field(default=None, sa_column=Column(Date))
    due_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    due_zone: str | None = Field(default=None, sa_column=Column(String(64)))
    """IANA name of the zone that `due_at` was given in, else the user's zone at that time: where it repeats, it
    keeps its time of day there. None without a `due_at`, and in rows of releases that did not know it."""
    due_until: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """Last instant at which the task is not late: `due_at`, or the end of the day `due` in the user's zone.
    Where a user's zone changes, the rows with a `due` have to be given a new one."""
    recurrence: str | None = Field(default=None, sa_column=Column(String(RECURRENCE_MAX_CHARS)))
    """How the task repeats: an RRULE (RFC 5545, section 3.3.10)."""
    series_start: str | None = Field(default=None, sa_column=Column(String(26)))
    """Where the series that the rule gives begins, in ISO 8601: a date, or where the task is due at an instant its
    local date and time in `due_zone`. `due` itself may differ: at the end of a short month, or in the hour that a
    change to summer time leaves out."""
    occurrence: int | None = Field(default=None, sa_column=Column(SmallInteger))
    """Number of this task in its series, from 1; None where the rule has no COUNT."""
    next_task_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The task that followed when this one was completed. Kept when it is reopened, so that none follows twice."""
    next_version: int | None = Field(default=None, sa_column=Column(Integer))
    """The version in which this task's completion or reopening left the next one; at any other, somebody else has
    changed that since."""
    position: int = Field(
        default=NOT_MOVED, sa_column=Column(BigInteger, nullable=False, server_default=str(NOT_MOVED))
    )
    """Place in the order that the user gives; of tasks at the same one the lower number comes first."""
    version: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    updated_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    completed_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """Kept through a deletion, so that a restored task is completed again if it was."""


UNREAD: Final = tuple(defer(cast("QueryableAttribute[Any]", column)) for column in (TaskRow.words, TaskRow.search_text))
"""Options that leave what a task is found by out of a row that is read: that is written, and never read."""


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
