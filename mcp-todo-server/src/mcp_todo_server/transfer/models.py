"""Table of what was imported."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, String
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from mcp_todo_server.database import Table

UID_MAX_CHARS: Final = 255


class ImportRow(Table, table=True):
    """By which name a task came in from elsewhere; so it is known again, however often its file is imported."""

    __tablename__ = "imports"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "task_id"],
            ["tasks.user_id", "tasks.task_id"],
            name="fk_imports_task",
            ondelete="CASCADE",
        ),
        Index("ix_imports_task", "user_id", "task_id", unique=True),
    )

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    uid: str = Field(sa_column=Column(String(UID_MAX_CHARS), primary_key=True))
    """The task's name in the file: a UID of iCalendar, or one worked out of what the file says of it."""
    task_id: int = Field(sa_column=Column(BigInteger, nullable=False))
