"""A model's server-sent events, read with little work.

The OpenAI client makes an object of each event by trying some fifty types on it, and the Agents SDK then looks at a
few kinds only. Here an event's name decides its type, and what nobody looks at is not even parsed. How a stream
fails is told in the client's own exceptions.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Protocol, TypeVar

import httpx2
import openai
from openai import AsyncStream, BaseModel
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import (
    ResponseCompletedEvent,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseIncompleteEvent,
    ResponseOutputItemDoneEvent,
    ResponseRefusalDeltaEvent,
    ResponseTextDeltaEvent,
)
from pydantic import ValidationError

DONE: Final = b"[DONE]"
DRAIN_SECONDS: Final = 0.1
"""How long the body may go on behind `[DONE]`: a connection whose body was read to its end serves again."""
_LOOKED_AT: Final[Mapping[str, type[BaseModel]]] = {
    "response.output_text.delta": ResponseTextDeltaEvent,
    "response.refusal.delta": ResponseRefusalDeltaEvent,
    "response.output_item.done": ResponseOutputItemDoneEvent,
    "response.completed": ResponseCompletedEvent,
    "response.failed": ResponseFailedEvent,
    "response.incomplete": ResponseIncompleteEvent,
    "response.error": ResponseErrorEvent,
    "error": ResponseErrorEvent,
}

_E = TypeVar("_E", bound=BaseModel)


class Wire(Protocol):
    """What the events of one stream are."""

    def parse(self, name: str, data: bytes) -> object | None:
        """Return the event of that name and data, or None where nobody looks at it."""

    @property
    def may_end(self) -> bool:
        """Whether the stream may end here without saying so."""


class ResponsesWire:
    """Events of the Responses wire, whose last one says what became of the response."""

    may_end = True

    def parse(self, name: str, data: bytes) -> object | None:
        """Return the event of that name and data, or None where nobody looks at it."""
        if not name:
            # It stands in the data as well, and servers that are not OpenAI's may leave it at that.
            name = str(json.loads(data).get("type") or "error")
        kind = _LOOKED_AT.get(name)
        return None if kind is None else _event(kind, data)


class ChatWire:
    """Chunks of the Chat Completions wire. Without a finish reason or `[DONE]`, an end is a connection cut."""

    def __init__(self) -> None:
        self.may_end = False

    def parse(self, _: str, data: bytes) -> object | None:
        """Return a chunk."""
        chunk = _event(ChatCompletionChunk, data)
        self.may_end = self.may_end or any(choice.finish_reason for choice in chunk.choices or ())
        return chunk


class LeanStream:
    """Stands in for the client's `AsyncStream`, of which it takes the unread HTTP response."""

    def __init__(self, stream: AsyncStream[Any], wire: Wire) -> None:
        self.response = stream.response
        self._wire = wire
        self._events = self._read()

    def __aiter__(self) -> "LeanStream":
        return self

    async def __anext__(self) -> Any:
        return await anext(self._events)

    async def aclose(self) -> None:
        """Close the connection, or give it back where the body was read to its end."""
        await self.response.aclose()

    async def _read(self) -> AsyncIterator[Any]:
        request = self.response.request
        events = _Events()
        body = self.response.aiter_bytes()
        try:
            async for chunk in body:
                for name, data in events.feed(chunk):
                    if data.startswith(DONE):
                        await _drain(body)
                        return
                    event = self._wire.parse(name, data)
                    if event is not None:
                        yield event
            if not self._wire.may_end:
                raise openai.APIConnectionError(message="the stream ended in the middle", request=request)
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request=request) from error
        except httpx2.RequestError as error:
            raise openai.APIConnectionError(request=request) from error
        except _ReportedError as error:
            raise openai.APIError(str(error), request, body=error.body) from None
        finally:
            await self.response.aclose()


class _ReportedError(Exception):
    """The provider sent an error in place of an event."""

    def __init__(self, body: object) -> None:
        super().__init__("an error in the stream")
        self.body = body


class _Events:
    """Puts events together out of bytes that come in pieces (WHATWG HTML, 9.2.6)."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
        """Return the names and data of the events that are complete now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if not line:
                if self._data:
                    yield self._name, b"\n".join(self._data)
                self._name, self._data = "", []
            elif line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif line.startswith(b"event:"):
                self._name = line[6:].strip().decode("utf-8", "replace")


def _event(kind: type[_E], data: bytes) -> _E:
    try:
        return kind.model_validate_json(data)
    except ValidationError:
        fields = json.loads(data)
        if isinstance(fields, dict) and fields.get("error"):
            raise _ReportedError(fields["error"]) from None
        # As the client does it: what differs from the schema a little is passed on as it is.
        return kind.construct(**fields)


async def _drain(body: AsyncIterator[bytes]) -> None:
    with contextlib.suppress(TimeoutError, httpx2.RequestError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in body:
                pass
