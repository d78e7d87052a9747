"""The API's shapes of runs."""

import datetime as dt
import json
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StrictInt

from chat_api.agent.text import clean_text
from chat_api.pagination import ID_MAX
from chat_api.runs.repository import RunRecord, ToolCallRecord

TIMEZONE_MAX_CHARS = 64

RunStatus = Literal["queued", "running", "requires_action", "completed", "failed", "cancelled"]
RunId = Annotated[
    str, Path(max_length=64, pattern="^[!-~]+$", description="The run, as `run_id` named it: visible ASCII characters.")
]


def _message(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    if clean_text(text) != text:
        raise ValueError("must not hold the character U+0000 or half a surrogate pair")
    return text


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be an IANA time zone such as Europe/Berlin") from None
    return name


class ChatRequest(BaseModel):
    """A message to the assistant."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, AfterValidator(_message)] = Field(strict=True, description="What the user says.")
    conversation_id: Annotated[StrictInt, Field(ge=1, le=ID_MAX)] | None = Field(
        default=None, description="The conversation to go on with; leave out to start one."
    )
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        default="UTC",
        strict=True,
        max_length=TIMEZONE_MAX_CHARS,
        description="IANA zone in which words such as “tomorrow” are meant.",
    )


class ToolCall(BaseModel):
    """One tool call of a run."""

    tool_name: str
    parameters: dict[str, JsonValue]
    result: JsonValue = Field(
        description='The tool\'s structured answer, `{"error": …}` where it refused, null while not known.'
    )

    @classmethod
    def of(cls, record: ToolCallRecord) -> "ToolCall":
        """Show a stored call."""
        return cls(
            tool_name=record.tool_name,
            parameters=json.loads(record.arguments),
            result=None if record.result is None else json.loads(record.result),
        )


class ChatResponse(BaseModel):
    """The assistant's answer."""

    conversation_id: int
    response: str
    tool_calls: list[ToolCall] = Field(description="Every call of the run, in order.")
    run_id: str
    status: RunStatus
    message_id: int = Field(description="The answer's number in its conversation; the message's is one less.")


class Usage(BaseModel):
    """Model calls and tokens, as the provider counted them."""

    model_requests: int
    input_tokens: int
    output_tokens: int


class RunError(BaseModel):
    """Why a run failed."""

    type: str
    detail: str


class Run(BaseModel):
    """One run."""

    run_id: str
    conversation_id: int
    status: RunStatus
    input: str
    error: RunError | None
    usage: Usage
    tool_calls: list[ToolCall]
    created_at: dt.datetime
    ended_at: dt.datetime | None

    @classmethod
    def of(cls, record: RunRecord, calls: list[ToolCallRecord]) -> "Run":
        """Show a stored run."""
        error = None
        if record.error_type is not None:
            error = RunError(type=record.error_type, detail=record.error_detail or "")
        return cls.model_validate(
            {
                "run_id": record.run_id,
                "conversation_id": record.conversation_id,
                "status": record.status,
                "input": record.input,
                "error": error,
                "usage": Usage(
                    model_requests=record.model_requests,
                    input_tokens=record.input_tokens,
                    output_tokens=record.output_tokens,
                ),
                "tool_calls": [ToolCall.of(call) for call in calls],
                "created_at": record.created_at,
                "ended_at": record.ended_at,
            }
        )
