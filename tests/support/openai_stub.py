"""An OpenAI-wire server that answers from a script: the stand-in for the paid model, over real HTTP.

It speaks Responses and Chat Completions, without streaming. Replies are taken from a queue, or made by a function
of the request.
"""

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.asgi import served

USAGE = (11, 7)
"""Input and output tokens that every answer is said to have cost."""


@dataclass(frozen=True)
class Say:
    """Final words."""

    text: str


@dataclass(frozen=True)
class Call:
    """One tool call; `arguments` as a text goes out as it is, well-formed or not."""

    tool: str
    arguments: dict[str, Any] | str = field(default_factory=dict)
    call_id: str | None = None


@dataclass(frozen=True)
class Calls:
    """Tool calls of one response."""

    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Fail:
    """An HTTP error, as a provider words it."""

    status: int
    message: str = "the stub was told to fail"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """A body that is no answer at all."""

    body: str
    media_type: str = "application/json"


Reply = Say | Call | Calls | Fail | Raw


@dataclass
class OpenAIStub:
    """The running stub."""

    base_url: str = ""
    script: deque[Reply] = field(default_factory=deque)
    answer: Callable[[dict[str, Any]], Reply] | None = None
    """Makes the reply where the script is empty."""
    delay_seconds: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies as they arrived."""
    headers: list[dict[str, str]] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    """Model calls that were open at the same time, at most."""
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
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            # Taken before the delay: a caller that gives up must not leave somebody who takes another's reply.
            reply = self._next(body)
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            return self._response(reply, "input" in body)
        finally:
            self.open -= 1

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
            case Call():
                reply = Calls((reply,))
        return _json(self._responses(reply) if responses_wire else self._chat_completion(reply))

    def _responses(self, reply: Say | Calls) -> dict[str, Any]:
        number = next(self._ids)
        output: list[dict[str, Any]]
        if isinstance(reply, Say):
            part = {"type": "output_text", "text": reply.text, "annotations": []}
            output = [
                {
                    "type": "message",
                    "id": f"msg_{number}",
                    "role": "assistant",
                    "status": "completed",
                    "content": [part],
                }
            ]
        else:
            output = [
                {
                    "type": "function_call",
                    "id": f"fc_{number}_{index}",
                    "call_id": f"call_{number}_{index}" if call.call_id is None else call.call_id,
                    "name": call.tool,
                    "arguments": _arguments(call),
                    "status": "completed",
                }
                for index, call in enumerate(reply.calls)
            ]
        return {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": 0,
            "status": "completed",
            "model": "stub-model",
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": USAGE[0],
                "output_tokens": USAGE[1],
                "total_tokens": sum(USAGE),
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
        }

    def _chat_completion(self, reply: Say | Calls) -> dict[str, Any]:
        number = next(self._ids)
        message: dict[str, Any] = {"role": "assistant", "content": None}
        if isinstance(reply, Say):
            message["content"] = reply.text
        else:
            message["tool_calls"] = [
                {
                    "id": f"call_{number}_{index}" if call.call_id is None else call.call_id,
                    "type": "function",
                    "function": {"name": call.tool, "arguments": _arguments(call)},
                }
                for index, call in enumerate(reply.calls)
            ]
        return {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 0,
            "model": "stub-model",
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": "stop" if isinstance(reply, Say) else "tool_calls",
                }
            ],
            "usage": {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1], "total_tokens": sum(USAGE)},
        }


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    # In ASCII, so that lone surrogates can be sent: half an emoji at the end of a token is one.
    return Response(json.dumps(body), status, headers, media_type="application/json")


def _arguments(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


@asynccontextmanager
async def running_openai_stub() -> AsyncIterator[OpenAIStub]:
    """Serve a stub on a free port of this machine, in this event loop."""
    stub = OpenAIStub()
    routes = [
        Route("/v1/responses", stub.serve, methods=["POST"]),
        Route("/v1/chat/completions", stub.serve, methods=["POST"]),
    ]
    async with served(Starlette(routes=routes)) as address:
        stub.base_url = f"{address}/v1"
        yield stub
