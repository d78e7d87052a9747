"""What the model stub can be told to answer."""

import asyncio
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class _Paced:
    """How an answer comes where it is streamed. A chunk is a word of a text, or a piece of a call's arguments."""

    pause_seconds: float = 0.0
    """Between two chunks."""
    hold: asyncio.Event | None = None
    """Half of the chunks, at least one, wait for it to be set."""


@dataclass(frozen=True)
class Say(_Paced):
    """Final words."""

    text: str


@dataclass(frozen=True)
class Call:
    """One tool call; `arguments` as a text goes out as it is, well-formed or not."""

    tool: str
    arguments: dict[str, Any] | str = field(default_factory=dict)
    call_id: str | None = None
    """The provider's id of the call, which may be empty or repeat; by default one of its own."""


@dataclass(frozen=True)
class Calls(_Paced):
    """Tool calls of one response, after what the model has to say about them."""

    calls: tuple[Call, ...]
    say: str = ""


@dataclass(frozen=True)
class Cut:
    """An answer that breaks off: the connection is dropped after so many chunks, whole answer or not.

    Where the request asks for no stream, half of the answer's bytes arrive.
    """

    reply: Say | Call | Calls
    after_chunks: int = 1


@dataclass(frozen=True)
class Fail:
    """An HTTP error, as a provider words it."""

    status: int
    message: str = "the stub was told to fail"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """A body that is no answer at all.

    Where the request asks for a stream, a JSON object takes the place that an answer's object has in it; anything
    else, and what has another media type, goes out as it is.
    """

    body: str
    media_type: str = "application/json"


Reply = Say | Call | Calls | Cut | Fail | Raw
