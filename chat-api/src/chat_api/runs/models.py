"""Table of runs."""

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
    false,
    text,
    true,
)
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from chat_api.conversations.models import CLIENT_ID_MAX_CHARS, RUN_ID_CHARS, ZERO
from chat_api.database import Table, UtcDateTime
from chat_api.runs.states import ACTIVE

_ACTIVE: Final = text(f"status IN {ACTIVE}")
_WAITS: Final = text("status = 'requires_action'")
_QUEUED: Final = text("status = 'queued'")
_UNSETTLED: Final = text("unsettled")
_KEPT: Final = text("events_kept AND ended_at IS NOT NULL")


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
        Index("ix_runs_conversation", "user_id", "conversation_id", "number"),
        Index("ix_runs_lease", "lease_expires_at", postgresql_where=_ACTIVE, sqlite_where=_ACTIVE),
        Index("ix_runs_approval", "approval_expires_at", postgresql_where=_WAITS, sqlite_where=_WAITS),
        Index("ix_runs_queued", "user_id", "conversation_id", "number", postgresql_where=_QUEUED, sqlite_where=_QUEUED),
        Index("ix_runs_unsettled", "ended_at", postgresql_where=_UNSETTLED, sqlite_where=_UNSETTLED),
        Index("ix_runs_events_kept", "ended_at", postgresql_where=_KEPT, sqlite_where=_KEPT),
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
    number: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=ZERO))
    """Counted from 1 in each conversation: the order in which its runs are carried out."""
    status: str = Field(sa_column=Column(String(16), nullable=False))
    """One of `states.MOVES`."""
    input: str = Field(sa_column=Column(Text, nullable=False))
    """The user's message, kept from admission on: a run that fails loses nothing."""
    timezone: str = Field(sa_column=Column(String(64), nullable=False))
    """IANA zone in which the run reads the user's words."""
    attempt: int = Field(sa_column=Column(Integer, nullable=False))
    """The fencing token: whoever takes the run over adds one, and what earlier owners still write is refused."""
    lease_expires_at: float | None = Field(default=None, sa_column=Column(Double))
    """Seconds since the epoch by the database's clock; past it, a running run counts as lost."""
    cancel_requested: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    approval_expires_at: float | None = Field(default=None, sa_column=Column(Double))
    """Seconds since the epoch by the database's clock; past it, undecided calls count as denied."""
    recoveries: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default=ZERO))
    """How often the run was taken over since its journal last grew."""
    journal_mark: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default=ZERO))
    """Entries that the journal had when the run was last taken over."""
    unsettled: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    """It ended while the outcome of a call was unknown."""
    replaces: str | None = Field(default=None, sa_column=Column(String(RUN_ID_CHARS)))
    """The run whose place this one takes when it ends with an answer."""
    replaced: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    """A later run stands in this one's place: transcript and history leave it out."""
    client_run_id: str | None = Field(default=None, sa_column=Column(String(CLIENT_ID_MAX_CHARS)))
    """The name that an AG-UI client gave to the run."""
    events_kept: bool = Field(default=True, sa_column=Column(Boolean, nullable=False, server_default=true()))
    """False once its events were deleted, some days after its end."""
    error_type: str | None = Field(default=None, sa_column=Column(String(64)))
    error_detail: str | None = Field(default=None, sa_column=Column(Text))
    model_requests: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    input_tokens: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    output_tokens: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    created_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    """The run's frozen "now"."""
    ended_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    queued_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """When it was put into its conversation's queue; None where it began at once."""
    attempt_began_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    timed_attempt: int | None = Field(default=None, sa_column=Column(Integer))
    """The attempt that `attempt_began_at`, `paused_at` and `measured` are of: a release that knows nothing of them
    leaves them as they were when it takes the run over."""
    paused_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """When the attempt came to wait for approvals."""
    measured: str | None = Field(default=None, sa_column=Column(Text))
    """JSON of `journal.records.Measured`: the attempt's last step and its end."""


class RunAttemptRow(Table, table=True):
    """An attempt that another one has followed. What is not known of it is None."""

    __tablename__ = "run_attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "run_id"], ["runs.user_id", "runs.run_id"], name="fk_run_attempts_run", ondelete="CASCADE"
        ),
    )

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    run_id: str = Field(sa_column=Column(String(RUN_ID_CHARS), primary_key=True))
    attempt: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    began_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    paused_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    ended_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """Of a lost one: when its lease passed, by the database's clock."""
    ending: str = Field(sa_column=Column(String(16), nullable=False))
    """One of `states.AttemptEnding`."""
    error_type: str | None = Field(default=None, sa_column=Column(String(64)))
    error_detail: str | None = Field(default=None, sa_column=Column(Text))
    measured: str | None = Field(default=None, sa_column=Column(Text))
