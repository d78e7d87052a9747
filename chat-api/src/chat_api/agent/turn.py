"""The data that crosses the agent package's border."""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal, Protocol

_ENDS_LIKE_A_RUNS: Final = re.compile(r"/[0-9]+/[0-9]+\Z")


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
    """A call with its outcome; None while that is not known."""

    call: ToolCall
    outcome: ToolOutcome | None
    awaits_approval: bool = False
    """Nobody has decided yet whether it may be sent."""


Ending = Literal["completed", "cancelled", "failed", "replaced"]


@dataclass(frozen=True, slots=True)
class PastRun:
    """An earlier run of the conversation, as later turns are told of it."""

    run_id: str
    message: str
    calls: Sequence[PastCall]
    answer: str
    """The assistant's words: whole of a completed run, as far as they came of a cancelled one, else empty."""
    ending: Ending = "completed"
    can_be_settled: bool = True
    """Whether the todo server still knows what its calls came to: one that has forgotten a call would call it void."""


@dataclass(frozen=True, slots=True)
class ModelStep:
    """A model response that asked for tools, as it was journalled."""

    ordinal: int
    """Its place among the run's model responses, counted from 0."""
    items: str
    """JSON array of its output items, verbatim, reasoning included; calls carry the run's own ids. Empty where the
    response asked for no tools: it ends the turn and is never needed again."""
    calls: Sequence[PastCall]


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
    done: Sequence[ModelStep] = ()
    """What earlier attempts of the run have journalled, in order: it is not asked or done again."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them, of one model call or of several."""

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

    def check_owned(self) -> None:
        """Return if something may be sent in the run's name.

        Raises:
            StoppedError: The run is to stop.
            Exception: The run may be somebody else's by now.
        """

    def on_stop(self, callback: Callable[[], object]) -> AbstractContextManager[None]:
        """Call `callback` once, as soon as the run is to stop, while the context lasts; at once if it already is."""

    def sends(self, call: ToolCall | None = None) -> None:
        """Take note that a call is sent now, or, without one, that the model is asked."""

    def text(self, delta: str) -> None:
        """Take words as they come from the model, and return at once. They reach readers once they are stored."""

    async def responded(self, step: ModelStep, usage: Usage) -> None:
        """Record a model response: with calls, durably before it returns; without, its cost is counted."""

    async def call_ended(self, call: ToolCall, outcome: ToolOutcome) -> None:
        """Record the outcome of a call before the model hears of it."""

    async def settled(self, run_id: str, call: ToolCall, outcome: ToolOutcome) -> None:
        """Record what a call of an earlier run came to, which was not known until now."""


def call_id(run_id: str, response_ordinal: int, call_index: int) -> str:
    """Name a call in what is sent to a model.

    The same in the run itself and in every later history, so that a provider's prompt cache keeps matching, and
    never the provider's own id, which can be empty or repeat.
    """
    return f"call_{run_id.replace('-', '')[-12:]}_{response_ordinal}_{call_index}"


def effect_key(run_id: str, call: ToolCall) -> str:
    """Name the one effect that a call may have, however often it is sent."""
    return f"{run_id}/{call.response_ordinal}/{call.call_index}"


def could_be_a_runs(key: str) -> bool:
    """Tell whether an effect key has the form of those that runs use."""
    return _ENDS_LIKE_A_RUNS.search(key) is not None
