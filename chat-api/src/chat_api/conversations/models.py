"""Tables of users' counters and of conversations."""

import datetime as dt
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    text,
)
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from chat_api.database import Table, UtcDateTime

RUN_ID_CHARS: Final = 36
TITLE_MAX_CHARS: Final = 200
CLIENT_ID_MAX_CHARS: Final = 255
"""Longest name that a client may give to a conversation or a run (AG-UI's `threadId` and `runId`)."""
ZERO: Final = text("0")
ONE: Final = text("1")


class UserRow(Table, table=True):
    """One user, from their first conversation on."""

    __tablename__ = "users"

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    last_conversation_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The highest number given to a conversation. It only grows, so no number is used twice."""
    minute: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=ZERO))
    """The minute, counted from the epoch, that `runs_in_minute` is about."""
    runs_in_minute: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default=ZERO))


class ConversationRow(Table, table=True):
    """One conversation. Its row is the lock under which runs are admitted and messages numbered."""

    __tablename__ = "conversations"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_conversations_user"),
        Index("ix_conversations_updated", "user_id", "updated_at", "conversation_id"),
        Index("uq_conversations_client_thread", "user_id", "client_thread_id", unique=True),
    )

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    conversation_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    title: str = Field(sa_column=Column(String(TITLE_MAX_CHARS), nullable=False))
    created_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    updated_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_message_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The highest number given to a message of this conversation."""
    last_run_id: str | None = Field(default=None, sa_column=Column(String(RUN_ID_CHARS)))
    """The newest run. No foreign key: the runs' own one to this table would make a circle of them."""
    last_run_number: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=ONE))
    """The highest number given to a run of this conversation. Code that numbers none has made its runs number 0: by
    the server's default the next one still finds something before it."""
    queued_runs: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default=ZERO))
    """Runs that wait for the active one to end."""
    client_thread_id: str | None = Field(default=None, sa_column=Column(String(CLIENT_ID_MAX_CHARS)))
    """The name that an AG-UI client gave to the conversation."""
    deleted_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """Set where it was deleted with a run at work: it is shown no more, and goes when that run has ended."""
