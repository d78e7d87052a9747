"""Table of effects."""

import datetime as dt

from sqlalchemy import Boolean, Column, Index, String, Text, false
from sqlmodel import Field
from todo_chat_shared.effects import EFFECT_KEY_MAX_CHARS
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from mcp_todo_server.database import Table, UtcDateTime


class EffectRow(Table, table=True):
    """One effect: written in the transaction that had it, or in the one that saw to it that there is none."""

    __tablename__ = "effects"
    __table_args__ = (Index("ix_effects_created", "created_at"),)

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    effect_key: str = Field(sa_column=Column(String(EFFECT_KEY_MAX_CHARS), primary_key=True))
    request_hash: str = Field(sa_column=Column(String(64), nullable=False))
    """SHA-256, in hexadecimal, of the tool's name and its arguments; empty where those could not be read."""
    result: str | None = Field(default=None, sa_column=Column(Text))
    """The answer, as sent. None only inside the transaction that is still working it out."""
    void: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    """The call was settled before it came: it never has an effect, and `result` says so."""
    created_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
