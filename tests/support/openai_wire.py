"""The two wires of OpenAI: an answer as one JSON object, and as the server-sent events of a stream."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.openai_replies import Call, Calls, Say

USAGE: Final = (11, 7)
"""Input and output tokens that every answer is said to have cost."""
_ARGUMENTS_PIECE_CHARS: Final = 12
_WORD: Final = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True)
class Frame:
    """One server-sent event."""

    text: str
    is_chunk: bool = False
    """A word of a text, or a piece of a call's arguments."""


def response_object(reply: Say | Calls, number: int) -> dict[str, Any]:
    """Return an answer on the Responses wire; `number` makes its ids unique."""
    text, calls = _parts(reply)
    output: list[dict[str, Any]] = []
    if text is not None:
        part = {"type": "output_text", "text": text, "annotations": []}
        output.append(
            {
                "type": "message",
                "id": f"msg_{number}",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
    output += [
        {
            "type": "function_call",
            "id": f"fc_{number}_{index}",
            "call_id": _call_id(call, number, index),
            "name": call.tool,
            "arguments": _arguments(call),
            "status": "completed",
        }
        for index, call in enumerate(calls)
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


def chat_completion(reply: Say | Calls, number: int) -> dict[str, Any]:
    """Return an answer on the Chat Completions wire; `number` makes its ids unique."""
    text, calls = _parts(reply)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {
                "id": _call_id(call, number, index),
                "type": "function",
                "function": {"name": call.tool, "arguments": _arguments(call)},
            }
            for index, call in enumerate(calls)
        ]
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": "stub-model",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": _chat_usage(),
    }


def response_events(response: dict[str, Any]) -> Iterator[Frame]:
    """Stream a Responses object, in the order in which the provider sends its events."""
    numbers = iter(range(1_000_000))

    def event(kind: str, *, is_chunk: bool = False, **fields: Any) -> Frame:
        data = {"type": kind, "sequence_number": next(numbers), **fields}
        return Frame(f"event: {kind}\ndata: {json.dumps(data)}\n\n", is_chunk)

    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for index, item in enumerate(response["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "message":
            part = item["content"][0]
            inside = {**place, "content_index": 0}
            empty = {**item, "status": "in_progress", "content": []}
            yield event("response.output_item.added", output_index=index, item=empty)
            yield event("response.content_part.added", **inside, part={**part, "text": ""})
            for word in _words(part["text"]):
                yield event("response.output_text.delta", is_chunk=True, **inside, delta=word, logprobs=[])
            yield event("response.output_text.done", **inside, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **inside, part=part)
        else:
            started = {**item, "status": "in_progress", "arguments": ""}
            yield event("response.output_item.added", output_index=index, item=started)
            for piece in _pieces(item["arguments"]):
                yield event("response.function_call_arguments.delta", is_chunk=True, **place, delta=piece)
            done = {"name": item["name"], "arguments": item["arguments"]}
            yield event("response.function_call_arguments.done", **place, **done)
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=response)


def chat_chunks(completion: dict[str, Any], *, include_usage: bool) -> Iterator[Frame]:
    """Stream a Chat Completions object, in the order in which the provider sends its chunks."""
    head = {name: completion[name] for name in ("id", "created", "model")}
    # The provider sends `usage: null` along with every chunk where the last one will carry it.
    usage = {"usage": None} if include_usage else {}

    def chunk(delta: dict[str, Any], finish_reason: str | None = None, *, is_chunk: bool = False) -> Frame:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return _data({**head, "object": "chat.completion.chunk", "choices": [choice], **usage}, is_chunk)

    choice = completion["choices"][0]
    message = choice["message"]
    yield chunk({"role": "assistant", "content": None if message["content"] is None else ""})
    for word in _words(message["content"] or ""):
        yield chunk({"content": word}, is_chunk=True)
    for index, call in enumerate(message.get("tool_calls", ())):
        started = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield chunk({"tool_calls": [started]})
        for piece in _pieces(call["function"]["arguments"]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, is_chunk=True)
    yield chunk({}, choice["finish_reason"])
    if include_usage:
        yield _data({**head, "object": "chat.completion.chunk", "choices": [], "usage": _chat_usage()})
    yield Frame("data: [DONE]\n\n")


def foreign_events(body: Any, *, responses_wire: bool) -> list[Frame]:
    """Return a stream in which `body` stands in the place of the answer's object, whatever it is."""
    if responses_wire:
        data = {"type": "response.completed", "sequence_number": 0, "response": body}
        return [Frame(f"event: response.completed\ndata: {json.dumps(data)}\n\n")]
    if isinstance(body, dict) and isinstance(body.get("choices"), list):
        body = {**body, "choices": [_with_delta(choice) for choice in body["choices"]]}
    return [_data(body), Frame("data: [DONE]\n\n")]


def _with_delta(choice: Any) -> Any:
    if not isinstance(choice, dict) or "message" not in choice:
        return choice
    delta = choice["message"]
    if isinstance(delta, dict) and isinstance(delta.get("tool_calls"), list):
        # A stream says which call a piece belongs to.
        calls = [{"index": i, **call} if isinstance(call, dict) else call for i, call in enumerate(delta["tool_calls"])]
        delta = {**delta, "tool_calls": calls}
    rest = {name: value for name, value in choice.items() if name != "message"}
    return {"finish_reason": "stop", **rest, "delta": delta}


def _data(body: Any, is_chunk: bool = False) -> Frame:
    return Frame(f"data: {json.dumps(body)}\n\n", is_chunk)


def _parts(reply: Say | Calls) -> tuple[str | None, Sequence[Call]]:
    if isinstance(reply, Say):
        return reply.text, ()
    return reply.say or None, reply.calls


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _pieces(text: str) -> list[str]:
    return [text[start : start + _ARGUMENTS_PIECE_CHARS] for start in range(0, len(text), _ARGUMENTS_PIECE_CHARS)]


def _call_id(call: Call, number: int, index: int) -> str:
    return f"call_{number}_{index}" if call.call_id is None else call.call_id


def _arguments(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def _chat_usage() -> dict[str, int]:
    return {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1], "total_tokens": sum(USAGE)}
