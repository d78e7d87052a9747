"""Table of users."""

import datetime as dt

from sqlalchemy import BigInteger, Column, String
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from mcp_todo_server.database import Table, UtcDateTime


class UserRow(Table, table=True):
    """One user, from their first task or revocation on."""

    __tablename__ = "users"

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    last_task_id: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    """The highest number given to a task. It only grows, so no number is used twice."""
    changes: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    """Grows with every change of the user's tasks, in that change's transaction: who has seen it knows the tasks."""
    timezone: str = Field(default="UTC", sa_column=Column(String(64), nullable=False))
    """IANA name of the zone in which the user's days begin and end."""
    tokens_valid_from: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """Tokens issued before this are refused; None refuses none."""
