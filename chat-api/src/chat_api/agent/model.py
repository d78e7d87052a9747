"""The model of one run: any Agents SDK model, with the rules of a run laid around each of its responses."""

import asyncio
import json
import logging
import math
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import openai
from agents import Model, ModelResponse, ModelSettings, ModelTracing, Tool
from agents.agent_output import AgentOutputSchemaBase
from agents.exceptions import ModelBehaviorError
from agents.handoffs import Handoff
from agents.items import TResponseInputItem, TResponseStreamEvent
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from chat_api.agent.errors import ModelFailedError, ModelTimeoutError
from chat_api.agent.text import clean_json, clean_text, compact_json
from chat_api.agent.turn import Journal, ToolCall, ToolOutcome, Usage, call_id

logger = logging.getLogger(__name__)

TOOL_NAME_MAX_CHARS: Final = 64
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_QUOTED_CHARS: Final = 200


class RunModel(Model):
    """Wraps a model for one run.

    Each response is bounded in time, its texts are made fit for storage, its calls get the run's own ids and
    well-formed arguments, and those calls are journalled before the Agents SDK can start the first one.
    """

    def __init__(self, model: Model, run_id: str, journal: Journal, timeout_seconds: float) -> None:
        self._model = model
        self._run_id = run_id
        self._journal = journal
        self._timeout_seconds = timeout_seconds
        self._responses = 0
        self.calls: dict[str, ToolCall] = {}
        """Every call of the run by the id under which the Agents SDK knows it."""
        self.refusals: dict[str, ToolOutcome] = {}
        """Outcomes of calls that cannot be sent at all, by the same ids."""

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002 - the SDK's name
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        **options: Any,
    ) -> ModelResponse:
        """Ask the model once.

        Raises:
            ModelTimeoutError: No answer within the time-out, the client's own retries included.
            ModelFailedError: Any other failure of the model or of what it answered.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._model.get_response(
                    system_instructions,
                    input,
                    model_settings,
                    tools,
                    output_schema,
                    handoffs,
                    tracing,
                    **options,
                )
        except (TimeoutError, openai.APITimeoutError):
            logger.warning("run %s: the model timed out", self._run_id)
            raise ModelTimeoutError("The model did not answer in time.") from None
        except Exception as error:
            # Providers fail in every way there is, and their texts can quote the key: type and status are enough.
            status = getattr(error, "status_code", None)
            logger.warning("run %s: the model failed: %s (status %s)", self._run_id, type(error).__name__, status)
            raise ModelFailedError(_explain(error)) from None
        await self._take(response, {tool.name for tool in tools})
        return response

    def stream_response(self, *args: Any, **options: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Not used: runs are answered whole."""
        raise ModelBehaviorError("this model does not stream")

    async def _take(self, response: ModelResponse, known_tools: set[str]) -> None:
        usage = response.usage
        self._journal.model_responded(Usage(usage.requests, usage.input_tokens, usage.output_tokens))
        try:
            calls, refused = self._read(response, known_tools)
        except (AttributeError, TypeError) as error:
            # The client checks no types: an answer of the wrong shape is found out by whoever reads it.
            logger.warning("run %s: the model's answer has the wrong shape: %s", self._run_id, type(error).__name__)
            raise ModelFailedError("The model's answer cannot be used. Try again in a while.") from None
        if calls:
            await self._journal.calls_requested(calls)
        for call, refusal in refused:
            await self._journal.call_ended(call, refusal)

    def _read(
        self, response: ModelResponse, known_tools: set[str]
    ) -> tuple[list[ToolCall], list[tuple[ToolCall, ToolOutcome]]]:
        """Return a response's calls, and those of them that cannot be sent with their refusals."""
        ordinal = self._responses
        self._responses += 1
        calls: list[ToolCall] = []
        refused: list[tuple[ToolCall, ToolOutcome]] = []
        for item in response.output:
            match item:
                case ResponseOutputMessage():
                    for part in item.content:
                        if isinstance(part, ResponseOutputText):
                            part.text = clean_text(part.text)
                case ResponseFunctionToolCall():
                    call, refusal = self._adopt(item, ordinal, len(calls), known_tools)
                    calls.append(call)
                    if refusal is not None:
                        refused.append((call, refusal))
        return calls, refused

    def _adopt(
        self, item: ResponseFunctionToolCall, ordinal: int, index: int, known_tools: set[str]
    ) -> tuple[ToolCall, ToolOutcome | None]:
        """Give a call the run's id and arguments that every provider can read back."""
        item.call_id = call_id(self._run_id, ordinal, index)
        arguments = _parse_object(item.arguments)
        refusal: str | None = None
        if item.name not in known_tools:
            refusal = f"Tool '{clean_text(item.name[:_QUOTED_CHARS])}' not found."
        elif arguments is None:
            quoted = clean_text(item.arguments[:_QUOTED_CHARS])
            refusal = f"The arguments must be one JSON object; got: {quoted}"
        # A made-up name goes back to the provider, and those refuse what no tool could be called.
        item.name = _NOT_IN_A_NAME.sub("_", item.name)[:TOOL_NAME_MAX_CHARS] or "unknown"
        item.arguments = compact_json(arguments or {})
        call = ToolCall(ordinal, index, item.name, item.arguments)
        self.calls[item.call_id] = call
        if refusal is None:
            return call, None
        outcome = ToolOutcome(compact_json({"error": refusal}), is_error=True)
        self.refusals[item.call_id] = outcome
        return call, outcome


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


def _explain(error: Exception) -> str:
    match error:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return "The model's provider refused this service's credentials. Its operator has to mend that."
        case openai.RateLimitError():
            return "The model's provider is limiting requests. Try again in a while."
        case openai.APIConnectionError():
            return "The model cannot be reached. Try again in a while."
        case _:
            return "The model failed to answer. Try again in a while."
