"""The API's shapes of runs."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Header, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StrictInt

from chat_api.agent.text import clean_text
from chat_api.idempotency.models import IDEMPOTENCY_KEY_MAX_CHARS
from chat_api.journal.records import ToolCallRecord
from chat_api.pagination import ID_MAX
from chat_api.runs.admission import NewMessage, OnBusy
from chat_api.runs.service import Result, RunDetails
from chat_api.runs.states import RunStatus
from chat_api.runs.takeover import CallDecision

TIMEZONE_MAX_CHARS = 64
CALL_ID_MAX_CHARS = 64
REASON_MAX_CHARS = 500
DECISIONS_MAX = 100

RUN_ID_PATTERN = "^[!-~]{1,64}$"
RunId = Annotated[
    str, Path(pattern=RUN_ID_PATTERN, description="The run, as `run_id` named it: visible ASCII characters.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=f"^[!-~]{{1,{IDEMPOTENCY_KEY_MAX_CHARS}}}$",
        description=f"The message's own key, 1 to {IDEMPOTENCY_KEY_MAX_CHARS} visible ASCII characters: what is sent "
        "again under it is carried out once. Kept for 7 days.",
    ),
]


def message_text(text: str) -> str:
    """Return a text that can be stored and says something.

    Raises:
        ValueError: It is blank, or holds what databases refuse.
    """
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


MessageText = Annotated[str, AfterValidator(message_text), Field(strict=True)]
"""Words of the user's, as they can be stored and are worth an answer."""
TimezoneName = Annotated[str, AfterValidator(_timezone), Field(strict=True, max_length=TIMEZONE_MAX_CHARS)]
ReplacedRunId = Annotated[str, Field(strict=True, pattern=RUN_ID_PATTERN)]
DenialReason = Annotated[MessageText, Field(max_length=REASON_MAX_CHARS)]


class ChatRequest(BaseModel):
    """A message to the assistant."""

    model_config = ConfigDict(extra="forbid")

    message: MessageText = Field(description="What the user says.")
    conversation_id: Annotated[StrictInt, Field(ge=1, le=ID_MAX)] | None = Field(
        default=None, description="The conversation to go on with; leave out to start one."
    )
    timezone: TimezoneName = Field(default="UTC", description="IANA zone in which words such as “tomorrow” are meant.")
    on_busy: OnBusy = Field(
        default="reject",
        description="Where the conversation works on another message: refuse this one, let it wait its turn, or stop "
        "the others and carry it out next.",
    )
    replaces: ReplacedRunId | None = Field(
        default=None,
        description="An ended run of the conversation whose place this message takes: the same message regenerates "
        "the answer, another one edits the question. What the run has done to tasks stays.",
    )

    def to_message(self, idempotency_key: str | None) -> NewMessage:
        """Return what is to be carried out."""
        return NewMessage(
            self.message, self.conversation_id, self.timezone, self.on_busy, self.replaces, idempotency_key
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


class PendingApproval(BaseModel):
    """A tool call that the user has to allow first."""

    tool_call_id: str = Field(description="Name it in the decision.")
    tool_name: str
    parameters: dict[str, JsonValue]
    expires_at: dt.datetime = Field(description="From then on it counts as denied.")


def pending_approvals(calls: Sequence[ToolCallRecord], expires_at: float | None) -> list[PendingApproval]:
    """Show the calls that wait for a decision."""
    if expires_at is None:
        return []
    return [
        PendingApproval(
            tool_call_id=call.call_id,
            tool_name=call.tool_name,
            parameters=json.loads(call.arguments),
            expires_at=dt.datetime.fromtimestamp(expires_at, dt.UTC),
        )
        for call in calls
        if call.awaits_approval
    ]


class ChatResponse(BaseModel):
    """The assistant's answer."""

    conversation_id: int
    response: str = Field(description="What was said until then where the run was stopped; empty where it waits.")
    tool_calls: list[ToolCall] = Field(description="Every call of the run, in order.")
    run_id: str
    status: RunStatus
    message_id: int | None = Field(
        description="The answer's number in its conversation; the message's is one less. Null while it waits."
    )
    pending_approvals: list[PendingApproval] = Field(description="What the run waits for.")

    @classmethod
    def of(cls, result: Result) -> "ChatResponse":
        """Show what a run came to."""
        return cls(
            conversation_id=result.conversation_id,
            response=result.answer,
            tool_calls=[ToolCall.of(call) for call in result.calls],
            run_id=result.run_id,
            status=result.status,
            message_id=result.message_id,
            pending_approvals=pending_approvals(result.calls, result.approval_expires_at),
        )


class Decision(BaseModel):
    """What the user decided on one call."""

    model_config = ConfigDict(extra="forbid")

    tool_call_id: str = Field(strict=True, max_length=CALL_ID_MAX_CHARS)
    approve: bool = Field(strict=True)
    reason: DenialReason | None = Field(default=None, description="Told to the assistant where it is denied.")


class Decisions(BaseModel):
    """Decisions on all calls that a run waits for."""

    model_config = ConfigDict(extra="forbid")

    decisions: list[Decision] = Field(min_length=1, max_length=DECISIONS_MAX)

    def to_decisions(self) -> list[CallDecision]:
        """Return them as the service takes them."""
        return [CallDecision(one.tool_call_id, one.approve, one.reason) for one in self.decisions]


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
    attempt: int = Field(description="How often it was begun, recoveries and retries included.")
    replaces: str | None = Field(description="The run whose place it took, or takes when it ends with an answer.")
    replaced: bool = Field(description="Another run took its place; the transcript leaves it out.")
    pending_approvals: list[PendingApproval]
    created_at: dt.datetime
    ended_at: dt.datetime | None

    @classmethod
    def of(cls, details: RunDetails) -> "Run":
        """Show a stored run."""
        run = details.run
        error = None if run.error_type is None else RunError(type=run.error_type, detail=run.error_detail or "")
        return cls(
            run_id=run.run_id,
            conversation_id=run.conversation_id,
            status=run.status,
            input=run.input,
            error=error,
            usage=Usage(
                model_requests=run.model_requests, input_tokens=run.input_tokens, output_tokens=run.output_tokens
            ),
            tool_calls=[ToolCall.of(call) for call in details.calls],
            attempt=run.attempt,
            replaces=run.replaces,
            replaced=run.replaced,
            pending_approvals=pending_approvals(details.calls, run.approval_expires_at),
            created_at=run.created_at,
            ended_at=run.ended_at,
        )
