"""An OpenAI-wire server that answers from a script: the stand-in for the paid model, over real HTTP.

It speaks Responses and Chat Completions, whole or streamed as the request asks. Replies are taken from a queue, or
made by a function of the request.
"""

import asyncio
import itertools
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.support.asgi import served
from tests.support.openai_replies import Call, Calls, Cut, Fail, Raw, Reply, Say
from tests.support.openai_wire import (
    USAGE,
    Frame,
    chat_chunks,
    chat_completion,
    foreign_events,
    response_events,
    response_object,
)

__all__ = [
    "USAGE",
    "Call",
    "Calls",
    "Closed",
    "Cut",
    "Fail",
    "OpenAIStub",
    "Raw",
    "Reply",
    "Say",
    "running_openai_stub",
]

EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True)
class Closed:
    """A request that its client closed before the answer's end."""

    request: int
    """Its index in `OpenAIStub.requests`."""
    at: float
    """Seconds by `time.monotonic`."""


@dataclass
class OpenAIStub:
    """The running stub."""

    base_url: str = ""
    script: deque[Reply] = field(default_factory=deque)
    answer: Callable[[dict[str, Any]], Reply] | None = None
    """Makes the reply where the script is empty."""
    delay_seconds: float = 0.0
    """Before the first byte of every reply."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies as they arrived."""
    headers: list[dict[str, str]] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    """Model calls that were open at the same time, at most."""
    closed_early: list[Closed] = field(default_factory=list)
    """Requests that their clients closed before the end, in that order."""
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def reply(self, *replies: Reply) -> None:
        """Queue replies."""
        self.script.extend(replies)

    def environment(self, api: str = "responses") -> dict[str, str]:
        """Return the variables that point chat-api here."""
        return {
            "MODEL_PROVIDER": "openai",
            "OPENAI_API_KEY": "sk-stub-key-of-the-tests",
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API": api,
            "OPENAI_MODEL": "stub-model",
        }

    async def serve(self, request: Request) -> Response:
        """Answer one model call."""
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        # Taken before any delay: a caller that gives up must not leave somebody who takes another's reply.
        return _Exchange(self, len(self.requests) - 1, self._next(body), body)

    def _next(self, body: dict[str, Any]) -> Reply:
        if self.script:
            return self.script.popleft()
        if self.answer is not None:
            return self.answer(body)
        return Fail(500, "the stub's script is at its end")

    def _response(self, reply: Reply, responses_wire: bool) -> Response:
        match reply:
            case Fail():
                error = {"message": reply.message, "type": "stub", "code": None, "param": None}
                return _json({"error": error}, reply.status, reply.headers)
            case Raw():
                return Response(reply.body, media_type=reply.media_type)
            case Cut():
                return self._response(reply.reply, responses_wire)
            case Call():
                reply = Calls((reply,))
        make = response_object if responses_wire else chat_completion
        return _json(make(reply, next(self._ids)))

    def _frames(self, reply: Say | Call | Calls, body: dict[str, Any]) -> Iterable[Frame]:
        number = next(self._ids)
        if isinstance(reply, Call):
            reply = Calls((reply,))
        if "input" in body:
            return response_events(response_object(reply, number))
        include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return chat_chunks(chat_completion(reply, number), include_usage=include_usage)


class _Exchange(Response):
    """The answer to one request, sent while the client wants it."""

    def __init__(self, stub: OpenAIStub, request: int, reply: Reply, body: dict[str, Any]) -> None:
        super().__init__()
        self._stub = stub
        self._request = request
        self._reply = reply
        self._asked = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stub = self._stub
        stub.open += 1
        stub.most_open = max(stub.most_open, stub.open)
        answer = asyncio.create_task(self._answer(scope, receive, send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                stub.closed_early.append(Closed(self._request, time.monotonic()))
        finally:
            stub.open -= 1
            for task in (answer, gone):
                task.cancel()
            results = await asyncio.gather(answer, gone, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._stub.delay_seconds:
            await asyncio.sleep(self._stub.delay_seconds)
        reply, responses_wire = self._reply, "input" in self._asked
        frames = self._stream(reply, responses_wire) if self._asked.get("stream") else None
        if frames is None:
            whole = self._stub._response(reply, responses_wire)
            if isinstance(reply, Cut):
                await _start(send, whole.media_type or "", len(whole.body))
                await _send(send, bytes(whole.body[: len(whole.body) // 2]).decode())
            else:
                await whole(scope, receive, send)
            return
        await _start(send, EVENT_STREAM)
        async for text in frames:
            await _send(send, text)
        if not isinstance(reply, Cut):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        # An answer that is not brought to its end makes the server drop the connection.

    def _stream(self, reply: Reply, responses_wire: bool) -> AsyncIterator[str] | None:
        """Return the stream of a reply, or None for what is sent whole."""
        match reply:
            case Fail():
                return None
            case Raw():
                body = _object(reply)
                if body is None:
                    return None
                return _paced(foreign_events(body, responses_wire=responses_wire), Say(""))
            case Cut():
                paced = reply.reply if not isinstance(reply.reply, Call) else Calls((reply.reply,))
                return _paced(self._stub._frames(paced, self._asked), paced, reply.after_chunks)
            case Call():
                reply = Calls((reply,))
        return _paced(self._stub._frames(reply, self._asked), reply)


async def _paced(frames: Iterable[Frame], pace: Say | Calls, cut_after: int | None = None) -> AsyncIterator[str]:
    frames = list(frames)
    chunks = sum(frame.is_chunk for frame in frames)
    sent = 0
    for place, frame in enumerate(frames):
        if cut_after is not None and ((sent == cut_after and frame.is_chunk) or place == len(frames) - 1):
            return
        if frame.is_chunk and sent and pace.pause_seconds:
            await asyncio.sleep(pace.pause_seconds)
        yield frame.text
        if not frame.is_chunk:
            continue
        sent += 1
        if pace.hold is not None and sent == (chunks + 1) // 2:
            await pace.hold.wait()


def _object(reply: Raw) -> dict[str, Any] | None:
    if reply.media_type != "application/json":
        return None
    try:
        body = json.loads(reply.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


async def _start(send: Send, media_type: str, length: int | None = None) -> None:
    headers = [(b"content-type", media_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    # In ASCII, so that lone surrogates can be sent: half an emoji at the end of a token is one.
    return Response(json.dumps(body), status, headers, media_type="application/json")


class _CutsAreMeant(logging.Filter):
    """Keeps uvicorn from reporting an answer that was to break off."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing response" not in record.getMessage()


_CUTS_ARE_MEANT: Final = _CutsAreMeant()


@asynccontextmanager
async def running_openai_stub() -> AsyncIterator[OpenAIStub]:
    """Serve a stub on a free port of this machine, in this event loop."""
    stub = OpenAIStub()
    routes = [
        Route("/v1/responses", stub.serve, methods=["POST"]),
        Route("/v1/chat/completions", stub.serve, methods=["POST"]),
    ]
    # Added as often as may be, a filter is there once.
    logging.getLogger("uvicorn.error").addFilter(_CUTS_ARE_MEANT)
    async with served(Starlette(routes=routes)) as address:
        stub.base_url = f"{address}/v1"
        yield stub
