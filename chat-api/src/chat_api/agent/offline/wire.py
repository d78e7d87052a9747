"""What the model answers, as items and events of the Responses format."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from agents.items import TResponseOutputItem, TResponseStreamEvent
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseContentPartAddedEvent,
    ResponseContentPartDoneEvent,
    ResponseCreatedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionCallArgumentsDoneEvent,
    ResponseFunctionToolCall,
    ResponseInProgressEvent,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
    ResponseUsage,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from chat_api.agent.offline.replay import Request

MODEL_NAME = "offline"
_WORDS = re.compile(r"\S+\s*|\s+")


def message_item(text: str, seed: str) -> ResponseOutputMessage:
    """Return an assistant message. The same `seed` and text give the same id."""
    return ResponseOutputMessage(
        id=_name("msg", seed, text),
        type="message",
        role="assistant",
        status="completed",
        content=[_part(text)],
    )


def call_items(requests: Sequence[Request], seed: str) -> list[TResponseOutputItem]:
    """Return tool calls. Ids are unique among calls of different seeds and within the response."""
    items: list[TResponseOutputItem] = []
    for index, request in enumerate(requests):
        arguments = json.dumps(request.arguments, ensure_ascii=False, separators=(",", ":"))
        call_id = _name("call", seed, str(index), request.name, arguments)
        items.append(
            ResponseFunctionToolCall(
                type="function_call",
                id=f"fc_{call_id}",
                call_id=call_id,
                name=request.name,
                arguments=arguments,
                status="completed",
            )
        )
    return items


def events(output: Sequence[TResponseOutputItem], response_id: str) -> Iterator[TResponseStreamEvent]:
    """Return the events of a streamed response, numbered from 0, text in pieces of a word each."""
    finished = _response(response_id, output)
    begun = finished.model_copy(update={"output": [], "status": "in_progress", "usage": None})
    for number, event in enumerate(_events(output, begun, finished)):
        event.sequence_number = number
        yield event


def response_id(seed: str) -> str:
    """Name a response."""
    return _name("resp", seed)


def _events(
    output: Sequence[TResponseOutputItem], begun: Response, finished: Response
) -> Iterator[TResponseStreamEvent]:
    yield ResponseCreatedEvent(type="response.created", response=begun, sequence_number=0)
    yield ResponseInProgressEvent(type="response.in_progress", response=begun, sequence_number=0)
    for index, item in enumerate(output):
        if isinstance(item, ResponseOutputMessage):
            yield from _message_events(item, index)
        elif isinstance(item, ResponseFunctionToolCall):
            yield from _call_events(item, index)
        yield ResponseOutputItemDoneEvent(
            type="response.output_item.done", item=item, output_index=index, sequence_number=0
        )
    yield ResponseCompletedEvent(type="response.completed", response=finished, sequence_number=0)


def _message_events(item: ResponseOutputMessage, index: int) -> Iterator[TResponseStreamEvent]:
    text = "".join(part.text for part in item.content if isinstance(part, ResponseOutputText))
    place: dict[str, Any] = {
        "item_id": item.id,
        "output_index": index,
        "content_index": 0,
        "sequence_number": 0,
    }
    empty = item.model_copy(update={"content": [], "status": "in_progress"})
    yield ResponseOutputItemAddedEvent(
        type="response.output_item.added", item=empty, output_index=index, sequence_number=0
    )
    yield ResponseContentPartAddedEvent(type="response.content_part.added", part=_part(""), **place)
    for word in _WORDS.findall(text):
        yield ResponseTextDeltaEvent(type="response.output_text.delta", delta=word, logprobs=[], **place)
    yield ResponseTextDoneEvent(type="response.output_text.done", text=text, logprobs=[], **place)
    yield ResponseContentPartDoneEvent(type="response.content_part.done", part=_part(text), **place)


def _call_events(item: ResponseFunctionToolCall, index: int) -> Iterator[TResponseStreamEvent]:
    place: dict[str, Any] = {"item_id": item.id, "output_index": index, "sequence_number": 0}
    empty = item.model_copy(update={"arguments": "", "status": "in_progress"})
    yield ResponseOutputItemAddedEvent(
        type="response.output_item.added", item=empty, output_index=index, sequence_number=0
    )
    yield ResponseFunctionCallArgumentsDeltaEvent(
        type="response.function_call_arguments.delta", delta=item.arguments, **place
    )
    yield ResponseFunctionCallArgumentsDoneEvent.model_validate(
        {
            "type": "response.function_call_arguments.done",
            "arguments": item.arguments,
            "name": item.name,
            **place,
        }
    )


def _part(text: str) -> ResponseOutputText:
    return ResponseOutputText(type="output_text", text=text, annotations=[], logprobs=[])


def _response(name: str, output: Sequence[TResponseOutputItem]) -> Response:
    return Response(
        id=name,
        created_at=0,
        model=MODEL_NAME,
        object="response",
        output=list(output),
        parallel_tool_calls=True,
        tool_choice="auto",
        tools=[],
        status="completed",
        usage=ResponseUsage(
            input_tokens=0,
            input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
            output_tokens=0,
            output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
            total_tokens=0,
        ),
    )


def _name(kind: str, *parts: str) -> str:
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{kind}_{digest[:24]}"
