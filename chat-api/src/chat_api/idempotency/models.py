"""Table of idempotency keys."""

import datetime as dt
from typing import Final

from sqlalchemy import Column, Index, String
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from chat_api.conversations.models import RUN_ID_CHARS
from chat_api.database import Table, UtcDateTime

IDEMPOTENCY_KEY_MAX_CHARS: Final = 255
REQUEST_HASH_CHARS: Final = 64


class IdempotencyKeyRow(Table, table=True):
    """A key under which a message was sent, and the run that came of it. It outlives the run's conversation."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created", "created_at"),)

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    idempotency_key: str = Field(sa_column=Column(String(IDEMPOTENCY_KEY_MAX_CHARS), primary_key=True))
    request_hash: str = Field(sa_column=Column(String(REQUEST_HASH_CHARS), nullable=False))
    """SHA-256, in hexadecimal, of the parsed request."""
    run_id: str = Field(sa_column=Column(String(RUN_ID_CHARS), nullable=False))
    created_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
