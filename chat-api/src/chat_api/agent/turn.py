"""The data that crosses the agent package's border."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that the model asked for. Its place in the run, not the provider's id, is its identity."""

    response_ordinal: int
    """Which of the run's model responses asked for it, counted from 0."""
    call_index: int
    """Its place among that response's calls, counted from 0."""
    tool_name: str
    arguments: str
    """A JSON object as text."""


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a call came to: the tool's structured answer, or `{"error": …}` where it refused."""

    result: str
    """JSON text, as the model gets it."""
    is_error: bool


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call of an earlier run with its outcome."""

    call: ToolCall
    outcome: ToolOutcome


@dataclass(frozen=True, slots=True)
class PastRun:
    """An earlier, completed run of the conversation."""

    run_id: str
    message: str
    calls: Sequence[PastCall]
    answer: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One run as the agent sees it."""

    user_id: str
    run_id: str
    message: str
    history: Sequence[PastRun]
    """Oldest first."""
    now: dt.datetime
    """The run's frozen clock, in the user's zone."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them, over all the run's model calls."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The assistant's final words."""

    text: str


class Journal(Protocol):
    """Where the agent writes what it is about to do and what came of it, so that a lost process loses nothing."""

    def model_responded(self, usage: Usage) -> None:
        """Count a model response, whatever becomes of the run."""

    def check_owned(self) -> None:
        """Raise where the run may be somebody else's by now: then nothing may be sent for it."""

    async def calls_requested(self, calls: Sequence[ToolCall]) -> None:
        """Record calls before the first of them is sent."""

    async def call_ended(self, call: ToolCall, outcome: ToolOutcome) -> None:
        """Record the outcome of a call before the model hears of it."""


def call_id(run_id: str, response_ordinal: int, call_index: int) -> str:
    """Name a call in what is sent to a model.

    The same in the run itself and in every later history, so that a provider's prompt cache keeps matching, and
    never the provider's own id, which can be empty or repeat.
    """
    return f"call_{run_id.replace('-', '')[-12:]}_{response_ordinal}_{call_index}"


def effect_key(run_id: str, call: ToolCall) -> str:
    """Name the one effect that a call may have, however often it is sent."""
    return f"{run_id}/{call.response_ordinal}/{call.call_index}"
