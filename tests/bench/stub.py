"""A model that costs nothing: answers at once, one tool call and then the final words, on either wire.

Run as a program with a port; it serves until it is ended.
"""

import json
import sys
from itertools import count

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
    answer = _responses(request) if scope["path"].endswith("/responses") else _chat_completion(request)
    content = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


ARGUMENTS = json.dumps({"title": "buy milk"})


def _responses(request: dict[str, list[dict[str, str]]]) -> dict[str, object]:
    number = next(_ids)
    if request["input"][-1].get("type") == "function_call_output":
        text = {"type": "output_text", "text": "Done.", "annotations": []}
        item: dict[str, object] = {
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


def _chat_completion(request: dict[str, list[dict[str, str]]]) -> dict[str, object]:
    number = next(_ids)
    message: dict[str, object] = {"role": "assistant", "content": None}
    done = request["messages"][-1]["role"] == "tool"
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


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", lifespan="off")
