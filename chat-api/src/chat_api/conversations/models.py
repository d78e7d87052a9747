"""Tables of users' counters, conversations and messages."""

import datetime as dt
from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from chat_api.database import Table, UtcDateTime

RUN_ID_CHARS: Final = 36
TITLE_MAX_CHARS: Final = 200


class UserRow(Table, table=True):
    """One user, from their first conversation on."""

    __tablename__ = "users"

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    last_conversation_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The highest number given to a conversation. It only grows, so no number is used twice."""


class ConversationRow(Table, table=True):
    """One conversation. Its row is the lock under which runs are admitted and messages numbered."""

    __tablename__ = "conversations"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_conversations_user"),
        Index("ix_conversations_updated", "user_id", "updated_at", "conversation_id"),
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
