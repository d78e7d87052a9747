"""The Agents SDK's model interface over the rules: items in, one response or its stream out."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

from agents import Model, ModelResponse, Tool, Usage
from agents.items import TResponseInputItem, TResponseOutputItem, TResponseStreamEvent

from chat_api.agent.offline.conversation import read_turns
from chat_api.agent.offline.plan import next_step
from chat_api.agent.offline.wire import call_items, events, message_item, response_id


class OfflineModel(Model):
    """Answers with rules for everyday English in place of a language model.

    It keeps nothing between calls: each response follows from the input items and the tools on offer alone, and the
    same input gives the same response.

    Args:
        now: The clock that "tomorrow" refers to, in the user's zone.

    Raises:
        ValueError: `now` has no zone.
    """

    def __init__(self, now: dt.datetime) -> None:
        if now.tzinfo is None:
            raise ValueError("now must have a zone")
        self._now = now

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002  # the interface's name
        model_settings: Any,
        tools: list[Tool],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        **_: Any,
    ) -> ModelResponse:
        """Return the next tool calls, or the final words. Settings, schemas and handoffs have no influence."""
        name, output = await self._respond(input, tools)
        return ModelResponse(output=output, usage=Usage(requests=1), response_id=name)

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002  # the interface's name
        model_settings: Any,
        tools: list[Tool],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        **_: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Stream what `get_response` returns, words one by one."""
        name, output = await self._respond(input, tools)
        for event in events(output, name):
            yield event
            # Lets whoever reads the stream pass each word on before the next.
            await asyncio.sleep(0)

    async def _respond(
        self, items: str | list[TResponseInputItem], tools: list[Tool]
    ) -> tuple[str, list[TResponseOutputItem]]:
        turns = read_turns(items)
        offered = frozenset(tool.name for tool in tools)
        # In a thread, because the first date loads the date library.
        step = await asyncio.to_thread(next_step, turns, offered, self._now)
        made = len(turns[-1].calls) if turns else 0
        seed = f"{self._now.isoformat()}/{len(turns)}/{made}"
        if isinstance(step, str):
            return response_id(seed), [message_item(step, seed)]
        return response_id(seed), call_items(step, seed)
