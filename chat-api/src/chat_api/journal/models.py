"""Tables of the journal: what a run's models answered, what its tools did, and what its readers are told."""

import datetime as dt
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Integer, String, Text
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from chat_api.conversations.models import RUN_ID_CHARS
from chat_api.database import Table, UtcDateTime

APPROVAL_CHARS: Final = 8
RETRACTED: Final = ""
"""Stands in place of an event that was taken back. Nobody is shown it; it keeps the number from being used again."""


def _run(name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["user_id", "run_id"], ["runs.user_id", "runs.run_id"], name=name, ondelete="CASCADE")


class ModelResponseRow(Table, table=True):
    """One model response that asked for tools: written before the first of them is called."""

    __tablename__ = "model_responses"
    __table_args__ = (_run("fk_model_responses_run"),)

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    run_id: str = Field(sa_column=Column(String(RUN_ID_CHARS), primary_key=True))
    response_ordinal: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    items: str = Field(sa_column=Column(Text, nullable=False))
    """JSON array of its output items, verbatim."""
    requests: int = Field(sa_column=Column(Integer, nullable=False))
    """Requests that the provider counts for it."""
    input_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    output_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    """When it had come whole, and was handed to the writer."""
    attempt: int | None = Field(default=None, sa_column=Column(Integer))
    """The attempt that asked for it."""
    asked_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    first_word_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """When its first words of text came; None where it has none."""
    previous_stored_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """When its owner knew the attempt's journal entry before this one to be stored: a row cannot tell when it was
    committed itself, but the next one can."""


class ToolCallRow(Table, table=True):
    """One tool call: written before it is sent, and again when its outcome is known."""

    __tablename__ = "tool_calls"
    __table_args__ = (_run("fk_tool_calls_run"),)

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
    """When the response that asked for it had come whole."""
    ended_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """When its outcome was known, and handed to the writer."""
    approval: str | None = Field(default=None, sa_column=Column(String(APPROVAL_CHARS)))
    """`pending`, `approved` or `denied`; None where nobody has to be asked."""
    attempt: int | None = Field(default=None, sa_column=Column(Integer))
    """The attempt that has the outcome; None where there is none, or it came from elsewhere (a denial, a stop while
    the run was idle, a later settlement)."""
    sent_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """When that attempt sent it; None where it did not."""
    previous_stored_at: dt.datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    """As of a response, about the outcome."""


class RunEventRow(Table, table=True):
    """One event of a run, as its readers get it."""

    __tablename__ = "run_events"
    __table_args__ = (_run("fk_run_events_run"),)

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    run_id: str = Field(sa_column=Column(String(RUN_ID_CHARS), primary_key=True))
    n: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    """Counted from 1 over all attempts; numbers may be missing and are never used twice."""
    data: str = Field(sa_column=Column(Text, nullable=False))
    """The encoded event, as it stands after `data: `, or `RETRACTED`."""
