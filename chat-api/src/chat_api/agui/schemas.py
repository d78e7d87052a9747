"""What AG-UI clients send: the parts of `RunAgentInput` (ag-ui-protocol 1.0) that mean something here.

Clients send their whole history and state with every run. Only what is taken is checked, so that whatever else a
client keeps, now or in later versions of the protocol, does not come between the user and the assistant.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel

from chat_api.agent.text import clean_text
from chat_api.conversations.models import CLIENT_ID_MAX_CHARS
from chat_api.idempotency.models import IDEMPOTENCY_KEY_MAX_CHARS
from chat_api.runs.admission import NewMessage, OnBusy
from chat_api.runs.schemas import (
    CALL_ID_MAX_CHARS,
    DECISIONS_MAX,
    DenialReason,
    ReplacedRunId,
    TimezoneName,
    message_text,
)
from chat_api.runs.takeover import CallDecision


def _storable(name: str) -> str:
    if clean_text(name) != name:
        raise ValueError("must not hold the character U+0000 or half a surrogate pair")
    return name


def _none_of_the_clients(tools: Sequence[JsonValue] | None) -> Sequence[JsonValue] | None:
    if tools:
        raise ValueError("must be empty: the assistant uses the todo list's tools and none of the client's")
    return tools


def _object(value: Any) -> Any:
    # The protocol lets any JSON stand here; what is no object says nothing that is understood.
    return value if isinstance(value, dict) else {}


def _answer(payload: Any) -> Any:
    return {"approved": payload} if isinstance(payload, bool) else payload


class Message(BaseModel):
    """One message of the client's history."""

    role: str
    content: JsonValue = None

    def words(self) -> str:
        """Return the words of a message that consists of nothing else.

        Raises:
            ValueError: It holds something else, or nothing that can be answered.
        """
        whole: list[JsonValue] = [{"type": "text", "text": self.content}]
        parts = self.content if isinstance(self.content, list) else whole
        return message_text("".join(_words(part) for part in parts))


def _words(part: JsonValue) -> str:
    if isinstance(part, dict) and part.get("type") == "text":
        words = part.get("text")
        if isinstance(words, str):
            return words
    raise ValueError("the user's last message must be text, or parts of type text")


class Approval(BaseModel):
    """The user's answer to an interrupt."""

    # A field that is not understood may be what the answer hangs on, such as other arguments for the call.
    model_config = ConfigDict(extra="forbid")

    approved: bool = Field(strict=True, validation_alias=AliasChoices("approved", "approve"))
    reason: DenialReason | None = None


class ResumeEntry(BaseModel):
    """What the user decided on one tool call that waits."""

    model_config = ConfigDict(alias_generator=to_camel)

    interrupt_id: str = Field(strict=True, max_length=CALL_ID_MAX_CHARS, description="The tool call's id.")
    status: Literal["resolved", "cancelled"] = Field(description="`cancelled` denies the call.")
    payload: Annotated[Approval, BeforeValidator(_answer)] | None = Field(
        default=None, validate_default=True, description='`{"approved": bool, "reason"?: str}`, or a bare boolean.'
    )

    @field_validator("payload")
    @classmethod
    def _answered(cls, payload: Approval | None, info: ValidationInfo) -> Approval | None:
        if payload is None and info.data.get("status") == "resolved":
            raise ValueError('must say what was decided, such as {"approved": true}')
        return payload

    def to_decision(self) -> CallDecision:
        """Return it as the service takes it."""
        if self.status == "cancelled" or self.payload is None:
            return CallDecision(self.interrupt_id, approve=False)
        return CallDecision(self.interrupt_id, self.payload.approved, self.payload.reason)


class ForwardedProps(BaseModel):
    """What an application may say beyond the protocol. Fields of other names are somebody else's."""

    on_busy: OnBusy = Field(default="reject", description="As in a chat request.")
    timezone: TimezoneName = Field(default="UTC", description="As in a chat request.")
    replaces: ReplacedRunId | None = Field(default=None, description="As in a chat request.")


class RunInput(BaseModel):
    """What an AG-UI client sends to begin a run, or to go on with one that waits for the user."""

    model_config = ConfigDict(alias_generator=to_camel, title="RunAgentInput")

    thread_id: Annotated[str, AfterValidator(_storable)] = Field(
        strict=True,
        min_length=1,
        max_length=CLIENT_ID_MAX_CHARS,
        description="The client's name of the conversation; the first message under it starts one.",
    )
    run_id: str = Field(
        strict=True,
        pattern=f"^[!-~]{{1,{IDEMPOTENCY_KEY_MAX_CHARS}}}$",
        description="The client's name of the run, and the message's idempotency key.",
    )
    resume: Annotated[list[ResumeEntry], Field(max_length=DECISIONS_MAX)] | None = Field(
        default=None, description="Decisions on every tool call that the thread's run waits for."
    )
    messages: list[Message] = Field(description="Only the user's last message counts.")
    tools: Annotated[list[JsonValue], AfterValidator(_none_of_the_clients)] | None = Field(
        default=None, description="None: the client has no tools here."
    )
    forwarded_props: Annotated[ForwardedProps, BeforeValidator(_object)] = ForwardedProps()

    @field_validator("messages")
    @classmethod
    def _says_something(cls, messages: list[Message], info: ValidationInfo) -> list[Message]:
        if not info.data.get("resume") or _ends_with_the_user(messages):
            _last_of_user(messages).words()
        return messages

    def to_decisions(self) -> list[CallDecision]:
        """Return what was decided."""
        return [entry.to_decision() for entry in self.resume or ()]

    def to_message(self) -> NewMessage | None:
        """Return what is to be carried out; None where there are decisions and no words behind what they are about."""
        if self.resume and not _ends_with_the_user(self.messages):
            return None
        return NewMessage(
            _last_of_user(self.messages).words(),
            timezone=self.forwarded_props.timezone,
            on_busy=self.forwarded_props.on_busy,
            replaces=self.forwarded_props.replaces,
            idempotency_key=self.run_id,
            client_thread_id=self.thread_id,
            client_run_id=self.run_id,
        )


def _ends_with_the_user(messages: Sequence[Message]) -> bool:
    return bool(messages) and messages[-1].role == "user"


def _last_of_user(messages: Sequence[Message]) -> Message:
    for message in reversed(messages):
        if message.role == "user":
            return message
    raise ValueError("must hold a message of the user's")
