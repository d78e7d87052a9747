"""What the journal is made of, as rows in memory."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import TypeAdapter

from chat_api.agent.turn import ModelStep, PastCall, ToolCall, ToolOutcome, Usage, call_id
from chat_api.journal.keys import RunKey

Approval = Literal["pending", "approved", "denied"]


class StoredEvent(NamedTuple):
    """An event of a run."""

    n: int
    """Its number in the run."""
    data: str
    """Its JSON text."""


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
    """A tool call: columns of its row. `result` is None while its outcome is not known."""

    run_id: str
    response_ordinal: int
    call_index: int
    tool_name: str
    arguments: str
    result: str | None
    is_error: bool | None
    approval: Approval | None = None

    @classmethod
    def of(cls, run_id: str, past: PastCall) -> "ToolCallRecord":
        """Return the row of a call that a model has just asked for."""
        return cls(
            run_id,
            past.call.response_ordinal,
            past.call.call_index,
            past.call.tool_name,
            past.call.arguments,
            past.outcome.result if past.outcome else None,
            past.outcome.is_error if past.outcome else None,
            "pending" if past.awaits_approval else None,
        )

    @property
    def call_id(self) -> str:
        """The call's name outside of this service."""
        return call_id(self.run_id, self.response_ordinal, self.call_index)

    @property
    def call(self) -> ToolCall:
        """The call itself."""
        return ToolCall(self.response_ordinal, self.call_index, self.tool_name, self.arguments)

    @property
    def outcome(self) -> ToolOutcome | None:
        """What it came to."""
        return None if self.result is None else ToolOutcome(self.result, bool(self.is_error))

    @property
    def awaits_approval(self) -> bool:
        """Whether the user has still to decide on it: it was not sent."""
        return self.result is None and self.approval == "pending"

    @property
    def is_unsettled(self) -> bool:
        """Whether it may have been sent, and what came of that is not known."""
        return self.result is None and self.approval != "pending"

    @property
    def past(self) -> PastCall:
        """The call as the agent is told of it."""
        return PastCall(self.call, self.outcome, self.awaits_approval)


@dataclass(frozen=True, slots=True)
class ResponseRecord:
    """A model response that asked for tools."""

    response_ordinal: int
    items: str
    usage: Usage
    created_at: dt.datetime
    """When it had come whole."""
    asked_at: dt.datetime | None = None
    first_word_at: dt.datetime | None = None
    previous_stored_at: dt.datetime | None = None
    """When the owner's entry before this one was known to be stored."""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """The outcome of a call that was journalled before."""

    call: ToolCall
    outcome: ToolOutcome
    at: dt.datetime
    sent_at: dt.datetime | None = None
    previous_stored_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the user decided on a call that waited for it."""

    response_ordinal: int
    call_index: int
    denial: ToolOutcome | None
    """The call's outcome where it is denied; None approves it."""


@dataclass(slots=True)
class Entry:
    """What one run has to write at one time. It is written whole or not at all, and only for the run's owner."""

    key: RunKey
    events: list[StoredEvent] = field(default_factory=list)
    responses: list[ResponseRecord] = field(default_factory=list)
    calls: list[ToolCallRecord] = field(default_factory=list)
    """Of `responses`; they count as asked for when their response came."""
    outcomes: list[EndedCall] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RunState:
    """What readers have to know of a run."""

    status: str
    attempt: int
    cancel_requested: bool
    last_n: int
    """Number of its last event that is stored; 0 where none is."""


@dataclass(frozen=True, slots=True)
class ModelTimes:
    """A model call of which the journal has no response: it gave the answer, or was broken off."""

    asked_at: dt.datetime
    first_word_at: dt.datetime | None = None
    responded_at: dt.datetime | None = None
    """When the provider had said what it cost."""
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class SentCall:
    """A tool call that was sent and whose outcome did not come."""

    response_ordinal: int
    call_index: int
    sent_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """What an owner has measured of the end of its attempt. It is stored with that end."""

    closing_at: dt.datetime
    """When nothing was left but to write the end."""
    stored_at: dt.datetime | None = None
    """When the attempt's last journal entry was known to be stored; None where there is none."""
    model: ModelTimes | None = None
    call: SentCall | None = None

    def dump(self) -> str:
        """Return it as JSON text."""
        return _MEASURED.dump_json(self, exclude_none=True).decode()

    @classmethod
    def load(cls, text: str) -> "Measured":
        """Read it from JSON text."""
        return _MEASURED.validate_json(text)


_MEASURED = TypeAdapter(Measured)


def model_steps(responses: Sequence[ResponseRecord], calls: Sequence[ToolCallRecord]) -> list[ModelStep]:
    """Join a run's journalled responses with its calls, both in the order in which they came."""
    return [
        ModelStep(
            response.response_ordinal,
            response.items,
            [call.past for call in calls if call.response_ordinal == response.response_ordinal],
        )
        for response in responses
    ]
