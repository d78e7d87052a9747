"""What the agent's tests put in the place of the model, the todo server and the journal."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from agents import Model, ModelResponse
from agents.items import TResponseOutputItem, TResponseStreamEvent
from chat_api.agent.errors import StoppedError
from chat_api.agent.todo_server import TodoServer
from chat_api.agent.turn import ModelStep, PastCall, ToolCall, ToolOutcome, Usage
from mcp.types import Tool, ToolAnnotations
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseReasoningItem,
    ResponseTextDeltaEvent,
)

RUN_ID = "0199c0de-0000-7000-8000-00000000abcd"


class MemoryJournal:
    """A journal that remembers its entries in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, Any]] = []
        self.steps: list[ModelStep] = []
        self.outcomes: dict[tuple[int, int], ToolOutcome] = {}
        self.past: list[tuple[str, ToolCall, ToolOutcome]] = []
        self.usage = Usage()
        self.words = ""
        self.stopped = False
        self._callbacks: list[Callable[[], object]] = []

    def check_owned(self) -> None:
        """Nobody else is there, but the run may have been stopped."""
        if self.stopped:
            raise StoppedError

    @contextmanager
    def on_stop(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call back when `stop` is called."""
        if self.stopped:
            callback()
        self._callbacks.append(callback)
        try:
            yield
        finally:
            self._callbacks.remove(callback)

    def stop(self) -> None:
        """Ask the run to stop."""
        self.stopped = True
        for callback in self._callbacks:
            callback()

    def sends(self, call: ToolCall | None = None) -> None:
        """Nothing is measured here."""

    def text(self, delta: str) -> None:
        """Take words."""
        self.words += delta

    async def responded(self, step: ModelStep, usage: Usage) -> None:
        """Note the response."""
        self.usage += usage
        self.entries.append(("responded", step.ordinal))
        if step.calls:
            self.steps.append(step)
            for past in step.calls:
                if past.outcome is not None:
                    self._note(past.call, past.outcome)

    async def call_ended(self, call: ToolCall, outcome: ToolOutcome) -> None:
        """Note the outcome."""
        self.entries.append(("ended", (call.response_ordinal, call.call_index)))
        self._note(call, outcome)

    def _note(self, call: ToolCall, outcome: ToolOutcome) -> None:
        self.outcomes[(call.response_ordinal, call.call_index)] = outcome

    async def settled(self, run_id: str, call: ToolCall, outcome: ToolOutcome) -> None:
        """Note what an earlier call came to."""
        self.past.append((run_id, call, outcome))

    def done(self) -> tuple[ModelStep, ...]:
        """Return what a next attempt is told, after a passage through a database's text."""
        return tuple(
            ModelStep(
                step.ordinal,
                step.items.encode().decode(),
                tuple(
                    PastCall(
                        past.call,
                        self.outcomes.get((past.call.response_ordinal, past.call.call_index)),
                        past.awaits_approval,
                    )
                    for past in step.calls
                ),
            )
            for step in self.steps
        )


Reply = list[TResponseOutputItem] | Exception | Callable[[], AsyncIterator[TResponseStreamEvent]]


class StreamingModel(Model):
    """Streams given items, response by response, or fails, or streams what it is given; keeps what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.inputs: list[Any] = []
        self.streaming = asyncio.Event()
        """Set once a first event was taken."""
        self.closed = 0
        """Streams that were closed, at their end or before."""

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        """Not used: the agent streams."""
        raise AssertionError("the agent streams")

    async def stream_response(self, *given: Any, **_: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Stream the next reply."""
        self.inputs.append(json.loads(json.dumps(given[1])))
        reply = self._replies.pop(0)
        try:
            if isinstance(reply, Exception):
                raise reply
            if isinstance(reply, list):
                for item in reply:
                    if isinstance(item, ResponseOutputMessage):
                        yield delta(item.model_dump()["content"][0]["text"])
                yield completed(reply)
            else:
                async for event in reply():
                    yield event
                    self.streaming.set()
        finally:
            self.closed += 1


def tool(name: str, **annotations: bool) -> Tool:
    """Make a tool of the todo server."""
    hints = ToolAnnotations(**annotations) if annotations else None
    return Tool(name=name, input_schema={"type": "object"}, annotations=hints)


class MemoryTodo(TodoServer):
    """A todo server that answers each effect key once and tells what was sent."""

    def __init__(self, *tools: Tool) -> None:
        self.offered: Sequence[Tool] = tools or (
            tool("add_task", destructive_hint=False),
            tool("delete_task", destructive_hint=True),
            tool("list_tasks", read_only_hint=True),
        )
        self.sent: list[tuple[str, dict[str, Any], str]] = []
        self.settled_keys: list[str] = []
        self.failures: dict[str, Exception] = {}
        """Raised for a call with that effect key."""
        self.before: Callable[[], object] = lambda: None
        """Called while a call is under way."""

    async def tools(self, user_id: str) -> Sequence[Tool]:
        """Return the tools on offer."""
        return self.offered

    async def call(self, user_id: str, name: str, arguments: dict[str, Any], effect_key: str) -> ToolOutcome:
        """Answer a call."""
        self.sent.append((name, arguments, effect_key))
        self.before()
        await asyncio.sleep(0)
        if effect_key in self.failures:
            raise self.failures[effect_key]
        return ToolOutcome(json.dumps({"did": [name, effect_key]}), is_error=False)

    async def settle(self, user_id: str, name: str, arguments: dict[str, Any], effect_key: str) -> ToolOutcome:
        """Settle a call."""
        self.settled_keys.append(effect_key)
        if effect_key in self.failures:
            raise self.failures[effect_key]
        return ToolOutcome(json.dumps({"error": f"{name} was never carried out"}), is_error=True)


def call(name: str, arguments: str = "{}", call_id: str = "call_1", **more: Any) -> TResponseOutputItem:
    """Make a call item."""
    return ResponseFunctionToolCall(type="function_call", name=name, arguments=arguments, call_id=call_id, **more)


def reasoning(text: str, number: int) -> TResponseOutputItem:
    """Make a reasoning item as the Responses wire has them."""
    return ResponseReasoningItem.construct(
        id=f"rs_{number}",
        type="reasoning",
        summary=[{"type": "summary_text", "text": text}],
        encrypted_content=f"secret-{number}",
        provider_data={"model": "m", "nested": [number]},
    )


def delta(text: Any) -> TResponseStreamEvent:
    """Make an event with a piece of the answer."""
    return ResponseTextDeltaEvent.construct(
        type="response.output_text.delta", delta=text, item_id="m", output_index=0, content_index=0, sequence_number=0
    )


def completed(output: Any, **fields: Any) -> TResponseStreamEvent:
    """Make a response's last event."""
    response = Response.construct(id="resp_1", output=output, **fields)
    return ResponseCompletedEvent.construct(type="response.completed", response=response, sequence_number=0)
