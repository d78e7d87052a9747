"""The model of one run: any Agents SDK model, with the rules of a run laid around each of its responses."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from typing import Any, Final, cast

from agents import Model, ModelResponse, ModelSettings, ModelTracing, Tool
from agents import Usage as SDKUsage
from agents.agent_output import AgentOutputSchemaBase
from agents.exceptions import ModelBehaviorError
from agents.handoffs import Handoff
from agents.items import TResponseInputItem, TResponseOutputItem, TResponseStreamEvent
from openai import BaseModel
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from chat_api.agent.calls import adopt
from chat_api.agent.errors import AgentError, ApprovalNeededError, StoppedError
from chat_api.agent.items import dump_items, load_items
from chat_api.agent.stream import ResponseStream, timed_out, unusable
from chat_api.agent.text import clean_text
from chat_api.agent.turn import Journal, ModelStep, PastCall, ToolCall, ToolOutcome, Turn, Usage, call_id

NO_ITEMS: Final = "[]"
"""The items of a response without calls: it is never given again."""


class RunModel(Model):
    """Wraps a model for one run.

    The responses that earlier attempts of the run have journalled are given again, unasked. Each further one is
    streamed, bounded in time, its words told as they come, its texts made fit for storage; its calls get the run's
    own ids and well-formed arguments, and are journalled before the Agents SDK can start the first one.

    Args:
        model: The provider's model.
        turn: The run, with what is done of it.
        journal: Where responses are written.
        timeout_seconds: Longest time of one response, the client's own retries included.
        ask_first: Names of the tools that may be called only with the user's approval.
    """

    def __init__(
        self, model: Model, turn: Turn, journal: Journal, timeout_seconds: float, ask_first: Collection[str] = ()
    ) -> None:
        self._model = model
        self._run_id = turn.run_id
        self._journal = journal
        self._timeout_seconds = timeout_seconds
        self._ask_first = ask_first
        self._done = list(reversed(turn.done))
        self._ordinal = 0
        self.calls: dict[str, ToolCall] = {}
        """Every call of the run by the id under which the Agents SDK knows it."""
        self.outcomes: dict[str, ToolOutcome] = {}
        """Outcomes that are known before the Agents SDK asks for the call, by the same ids."""

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
        """Return the run's next response.

        Raises:
            ModelTimeoutError: No answer within the time-out.
            ModelFailedError: Any other failure of the model or of what it answered.
            StoppedError: The run is to stop; what was streamed of the response so far is all there will be.
            ApprovalNeededError: The response is journalled, and the user has to decide on a call of it.
        """
        if self._done:
            step = self._done.pop()
            output = load_items(step.items)
        else:
            self._journal.check_owned()
            self._journal.sends()
            events = self._model.stream_response(
                system_instructions,
                input,
                model_settings,
                tools,
                output_schema,
                handoffs,
                tracing,
                **options,
            )
            response = await self._read(events)
            output, step = await self._record(response, {tool.name for tool in tools})
        self._remember(step)
        # Usage is counted by the journal, over all attempts; the Agents SDK's own count would only cost time.
        return ModelResponse(output=output, usage=SDKUsage(), response_id=None)

    def stream_response(self, *args: Any, **options: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Not used: the Agents SDK gets whole responses, and whoever reads along gets the words from the journal."""
        raise ModelBehaviorError("this model does not stream")

    async def _read(self, events: AsyncIterator[TResponseStreamEvent]) -> ResponseStream:
        response = ResponseStream(self._run_id, self._journal.text)
        stopped = False
        try:
            async with asyncio.timeout(self._timeout_seconds) as limit:

                def stop() -> None:
                    nonlocal stopped
                    stopped = True
                    if not limit.expired():
                        limit.reschedule(asyncio.get_running_loop().time())

                # Closed here and now: what is left to the garbage collector keeps the provider writing, and billing.
                async with contextlib.aclosing(cast("AsyncGenerator[TResponseStreamEvent]", events)):
                    with self._journal.on_stop(stop):
                        await response.read(events)
        except (TimeoutError, AgentError) as error:
            if response.complete:
                return response
            if stopped:
                raise StoppedError("the run was stopped while its model answered") from None
            if response.usage is not None:
                await self._journal.responded(ModelStep(self._ordinal, NO_ITEMS, ()), response.usage)
            raise error if isinstance(error, AgentError) else timed_out(self._run_id) from None
        return response

    async def _record(
        self, response: ResponseStream, tools: Collection[str]
    ) -> tuple[list[TResponseOutputItem], ModelStep]:
        """Journal a response and return its items as they stand in the journal."""
        items, text = response.output, NO_ITEMS
        spent = response.usage or Usage(requests=1)
        try:
            calls = self._adopt(items, tools)
            if calls:
                text, items = dump_items(items)
        except (AttributeError, TypeError, ValueError) as error:
            # The client checks no types: an answer of the wrong shape is found out by whoever reads it.
            await self._journal.responded(ModelStep(self._ordinal, NO_ITEMS, ()), spent)
            raise unusable(self._run_id, error) from None
        step = ModelStep(self._ordinal, text, calls)
        await self._journal.responded(step, spent)
        return items, step

    def _adopt(self, items: list[TResponseOutputItem], tools: Collection[str]) -> list[PastCall]:
        """Make the items fit to be stored and sent back, in place, and return their calls."""
        calls: list[PastCall] = []
        for item in items:
            match item:
                case ResponseOutputMessage():
                    for part in item.content:
                        if isinstance(part, ResponseOutputText):
                            part.text = clean_text(part.text)
                case ResponseFunctionToolCall():
                    call, refusal = adopt(item, self._run_id, self._ordinal, len(calls), tools)
                    asks = refusal is None and call.tool_name in self._ask_first
                    calls.append(PastCall(call, refusal, asks))
                case BaseModel():
                    pass  # reasoning, and whatever else a provider has it keep of itself
                case _:
                    raise TypeError("an output item that is no object")
        return calls

    def _remember(self, step: ModelStep) -> None:
        self._ordinal = step.ordinal + 1
        for past in step.calls:
            name = call_id(self._run_id, past.call.response_ordinal, past.call.call_index)
            self.calls[name] = past.call
            if past.outcome is not None:
                self.outcomes[name] = past.outcome
        if any(past.awaits_approval for past in step.calls):
            raise ApprovalNeededError("the user has to decide on a call first")
