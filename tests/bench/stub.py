"""A model that costs nothing: answers at once, one tool call and then the final words, on either wire.

A message that begins with "say" is answered with words alone.

Run as a program with a port; it serves until it is ended.
"""

import json
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

_ids = count(1)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one model call."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    request = json.loads(body)
    responses = scope["path"].endswith("/responses")
    answer = _responses(request) if responses else _chat_completion(request)
    if request.get("stream"):
        content = "".join(_response_events(answer) if responses else _completion_chunks(answer)).encode()
        media_type = b"text/event-stream"
    else:
        content = json.dumps(answer).encode()
        media_type = b"application/json"
    headers = [(b"content-type", media_type), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


ARGUMENTS = json.dumps({"title": "buy milk"})


def _responses(request: dict[str, Any]) -> dict[str, Any]:
    number = next(_ids)
    last = request["input"][-1]
    if last.get("type") == "function_call_output" or str(last.get("content")).startswith("say"):
        text = {"type": "output_text", "text": "Done.", "annotations": []}
        item: dict[str, Any] = {
            "type": "message",
            "id": f"msg_{number}",
            "role": "assistant",
            "status": "completed",
            "content": [text],
        }
    else:
        item = {
            "type": "function_call",
            "id": f"fc_{number}",
            "call_id": f"call_{number}",
            "name": "add_task",
            "arguments": ARGUMENTS,
            "status": "completed",
        }
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": "stub",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _chat_completion(request: dict[str, Any]) -> dict[str, Any]:
    number = next(_ids)
    message: dict[str, Any] = {"role": "assistant", "content": None}
    last = request["messages"][-1]
    done = last["role"] == "tool" or str(last["content"]).startswith("say")
    if done:
        message["content"] = "Done."
    else:
        function = {"name": "add_task", "arguments": ARGUMENTS}
        message["tool_calls"] = [{"id": f"call_{number}", "type": "function", "function": function}]
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop" if done else "tool_calls"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def _response_events(response: dict[str, Any]) -> Iterator[str]:
    """Stream a response as OpenAI does."""
    numbers = count()

    def event(kind: str, **fields: Any) -> str:
        data = {"type": kind, "sequence_number": next(numbers), **fields}
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n"

    [item] = response["output"]
    opening = {**response, "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=opening)
    place = {"item_id": item["id"], "output_index": 0}
    if item["type"] == "function_call":
        begun = {**item, "arguments": "", "status": "in_progress"}
        yield event("response.output_item.added", output_index=0, item=begun)
        yield event("response.function_call_arguments.delta", **place, delta=item["arguments"])
        yield event("response.function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"])
    else:
        [part] = item["content"]
        place["content_index"] = 0
        begun = {**item, "content": [], "status": "in_progress"}
        yield event("response.output_item.added", output_index=0, item=begun)
        yield event("response.content_part.added", **place, part={**part, "text": ""})
        yield event("response.output_text.delta", **place, delta=part["text"], logprobs=[])
        yield event("response.output_text.done", **place, text=part["text"], logprobs=[])
        yield event("response.content_part.done", **place, part=part)
    yield event("response.output_item.done", output_index=0, item=item)
    yield event("response.completed", response=response)


def _completion_chunks(completion: dict[str, Any]) -> Iterator[str]:
    """Stream a completion as OpenAI does."""
    common = {name: completion[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return f"data: {json.dumps({**common, 'choices': [choice], 'usage': None})}\n\n"

    [choice] = completion["choices"]
    message = choice["message"]
    yield chunk({"role": "assistant", "content": None if message.get("tool_calls") else ""})
    if message.get("tool_calls"):
        yield chunk({"tool_calls": [{"index": 0, **message["tool_calls"][0]}]})
    else:
        yield chunk({"content": message["content"]})
    yield chunk({}, choice["finish_reason"])
    yield f"data: {json.dumps({**common, 'choices': [], 'usage': completion['usage']})}\n\n"
    yield "data: [DONE]\n\n"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", lifespan="off")
