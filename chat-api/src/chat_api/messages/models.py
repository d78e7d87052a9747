"""Table of messages."""

import datetime as dt

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, String, Text, UniqueConstraint
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from chat_api.conversations.models import RUN_ID_CHARS
from chat_api.database import Table, UtcDateTime


class MessageRow(Table, table=True):
    """One message. A run's two messages are written together, when it is committed, or not at all."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("user_id", "run_id", "role", name="uq_messages_run_role"),
        ForeignKeyConstraint(
            ["user_id", "run_id"], ["runs.user_id", "runs.run_id"], name="fk_messages_run", ondelete="CASCADE"
        ),
    )

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    conversation_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    message_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Counted from 1 in each conversation: the order of messages is this number, never a time."""
    run_id: str = Field(sa_column=Column(String(RUN_ID_CHARS), nullable=False))
    role: str = Field(sa_column=Column(String(16), nullable=False))
    content: str = Field(sa_column=Column(Text, nullable=False))
    created_at: dt.datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
