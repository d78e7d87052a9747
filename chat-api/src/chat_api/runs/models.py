"""Tables of runs and of the tool calls that they made."""

import datetime as dt
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    text,
)
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from chat_api.conversations.models import RUN_ID_CHARS
from chat_api.database import Table, UtcDateTime

ACTIVE: Final = ("running", "requires_action")
"""Statuses of a run that its conversation waits for."""
_ACTIVE: Final = text(f"status IN {ACTIVE}")


class RunRow(Table, table=True):
    """One run."""

    __tablename__ = "runs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "conversation_id"],
            ["conversations.user_id", "conversations.conversation_id"],
            name="fk_runs_conversation",
            ondelete="CASCADE",
        ),
        Index("ix_runs_conversation", "user_id", "conversation_id", "run_id"),
        Index("ix_runs_lease", "lease_expires_at", postgresql_where=_ACTIVE, sqlite_where=_ACTIVE),
        # One active run per conversation, whatever the code above it does.
        Index(
            "uq_runs_active",
            "user_id",
            "conversation_id",
            unique=True,
            postgresql_where=_ACTIVE,
            sqlite_where=_ACTIVE,
        ),
    )

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    run_id: str = Field(sa_column=Column(String(RUN_ID_CHARS), primary_key=True))
    """UUIDv7: later runs sort after earlier ones."""
    conversation_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    input: str = Field(sa_column=Column(Text, nullable=False))
    """The user's message, kept from admission on: a run that fails loses nothing."""
    timezone: str = Field(sa_column=Column(String(64), nullable=False))
    """IANA zone in which the run reads the user's words."""
    attempt: int = Field(sa_column=Column(Integer, nullable=False))
    lease_expires_at: float | None = Field(default=None, sa_column=Column(Double))
    """Seconds since the epoch by the database's clock; past it, an active run counts as lost."""
    error_type: str | None = Field(default=None, sa_column=Column(String(64)))
    error_detail: str | None = Field(default=None, sa_column=Column(Text))
    model_requests: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    input_tokens: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    output_tokens: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    created_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    """The run's frozen "now"."""
    ended_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class ToolCallRow(Table, table=True):
    """One tool call: written before it is sent, and again when its outcome is known."""

    __tablename__ = "tool_calls"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "run_id"],
            ["runs.user_id", "runs.run_id"],
            name="fk_tool_calls_run",
            ondelete="CASCADE",
        ),
    )

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    run_id: str = Field(sa_column=Column(String(RUN_ID_CHARS), primary_key=True))
    response_ordinal: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    call_index: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    tool_name: str = Field(sa_column=Column(Text, nullable=False))
    arguments: str = Field(sa_column=Column(Text, nullable=False))
    """JSON text, not JSONB: that type refuses U+0000 and reorders keys."""
    result: str | None = Field(default=None, sa_column=Column(Text))
    """JSON text; None while the outcome is not known."""
    is_error: bool | None = Field(default=None, sa_column=Column(Boolean))
    requested_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    ended_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
