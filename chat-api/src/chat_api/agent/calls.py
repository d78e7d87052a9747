"""A model's tool calls, made fit to be journalled, sent, and read back by every provider."""

import json
import math
import re
from collections.abc import Collection
from typing import Any, Final

from openai.types.responses import ResponseFunctionToolCall

from chat_api.agent.text import clean_json, clean_text, compact_json
from chat_api.agent.turn import ToolCall, ToolOutcome, call_id

TOOL_NAME_MAX_CHARS: Final = 64
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_QUOTED_CHARS: Final = 200


def adopt(
    item: ResponseFunctionToolCall, run_id: str, ordinal: int, index: int, tools: Collection[str]
) -> tuple[ToolCall, ToolOutcome | None]:
    """Give a call the run's own id and well-formed arguments, in place.

    Args:
        item: The call as the provider worded it.
        run_id: The run whose model asks for it.
        ordinal: Place of its response among the run's responses.
        index: Its place among that response's calls.
        tools: Names of the tools on offer.

    Returns:
        The call, and its outcome where it cannot be sent at all: no such tool, or no usable arguments.
    """
    item.call_id = call_id(run_id, ordinal, index)
    arguments = _parse_object(item.arguments)
    refusal: str | None = None
    if item.name not in tools:
        refusal = f"Tool '{clean_text(item.name[:_QUOTED_CHARS])}' not found."
    elif arguments is None:
        quoted = clean_text(item.arguments[:_QUOTED_CHARS])
        refusal = f"The arguments must be one JSON object; got: {quoted}"
    # A made-up name goes back to the provider, and those refuse what no tool could be called.
    item.name = _NOT_IN_A_NAME.sub("_", item.name)[:TOOL_NAME_MAX_CHARS] or "unknown"
    item.arguments = compact_json(arguments or {})
    call = ToolCall(ordinal, index, item.name, item.arguments)
    if refusal is None:
        return call, None
    return call, ToolOutcome(compact_json({"error": refusal}), is_error=True)


def _parse_object(text: str) -> dict[str, Any] | None:
    if not text.strip():
        return {}
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
        return clean_json(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} cannot be written as JSON")
    return number
