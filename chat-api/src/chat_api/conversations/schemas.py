"""The API's shapes of conversations and messages."""

import datetime as dt
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chat_api.conversations.models import TITLE_MAX_CHARS
from chat_api.conversations.repository import ConversationRecord
from chat_api.conversations.titles import fits_a_line, words_of
from chat_api.journal.records import ToolCallRecord
from chat_api.messages.repository import MessageRecord
from chat_api.pagination import ID_MAX
from chat_api.runs.schemas import ToolCall
from chat_api.runs.states import RunStatus

ConversationId = Annotated[int, Path(ge=1, le=ID_MAX, description="The conversation's number, the user's own count.")]
MessageOrder = Literal["asc", "desc"]


def _title(text: str) -> str:
    text = text.strip()
    if not text or not all(map(fits_a_line, text)):
        raise ValueError("must be one line of text without control characters")
    return text


def _words(text: str) -> str:
    if not words_of(text):
        raise ValueError("must hold a word to look for")
    return text


TitleWords = Annotated[
    Annotated[str, AfterValidator(_words)] | None,
    Query(
        min_length=1,
        max_length=TITLE_MAX_CHARS,
        description="Only those whose titles contain all of these words, whatever their case.",
    ),
]


class LastRun(BaseModel):
    """The newest run of a conversation."""

    run_id: str
    status: RunStatus


class Conversation(BaseModel):
    """One conversation."""

    id: int
    title: str
    created_at: dt.datetime
    updated_at: dt.datetime
    active_run_id: str | None = Field(description="The run that is at work, if any.")
    last_run: LastRun | None

    @classmethod
    def of(cls, record: ConversationRecord) -> "Conversation":
        """Show a stored conversation."""
        last_run = None
        if record.last_run_id is not None:
            last_run = LastRun.model_validate({"run_id": record.last_run_id, "status": record.last_run_status})
        return cls(
            id=record.conversation_id,
            title=record.title,
            created_at=record.created_at,
            updated_at=record.updated_at,
            active_run_id=record.active_run_id,
            last_run=last_run,
        )


class ConversationUpdate(BaseModel):
    """What of a conversation can be changed."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, AfterValidator(_title)] = Field(strict=True, min_length=1, max_length=TITLE_MAX_CHARS)


class Message(BaseModel):
    """One message."""

    id: int = Field(description="Counted from 1 in the conversation; the order of messages.")
    run_id: str
    role: Literal["user", "assistant"]
    content: str
    tool_calls: list[ToolCall] = Field(description="What the assistant did before it answered; empty for users.")
    created_at: dt.datetime

    @classmethod
    def of(cls, record: MessageRecord, calls: list[ToolCallRecord]) -> "Message":
        """Show a stored message; its run's calls belong to the answer."""
        return cls.model_validate(
            {
                "id": record.message_id,
                "run_id": record.run_id,
                "role": record.role,
                "content": record.content,
                "tool_calls": [ToolCall.of(call) for call in calls] if record.role == "assistant" else [],
                "created_at": record.created_at,
            }
        )
