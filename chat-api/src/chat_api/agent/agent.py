"""One turn on the Agents SDK's `Runner`."""

import copy
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agents import Agent, FunctionTool, RunConfig, RunContextWrapper, Runner
from agents.exceptions import AgentsException, MaxTurnsExceeded, ModelBehaviorError, ModelRefusalError
from agents.run_config import ToolErrorFormatterArgs, ToolExecutionConfig
from agents.tool import set_function_tool_failure_error_function
from agents.tool_context import ToolContext
from mcp.types import Tool

from chat_api.agent.errors import AgentError, ModelFailedError
from chat_api.agent.history import input_items
from chat_api.agent.instructions import instructions
from chat_api.agent.model import RunModel
from chat_api.agent.providers import ModelProvider
from chat_api.agent.text import clean_text
from chat_api.agent.todo_server import TodoServer
from chat_api.agent.turn import Answer, Journal, PastRun, ToolCall, ToolOutcome, Turn, call_id, effect_key

logger = logging.getLogger(__name__)

Approval = Literal["never", "destructive", "always"]
"""Which calls wait for the user's approval: none, those of tools that can destroy something, or all."""


@dataclass(frozen=True, slots=True)
class _RunContext:
    turn: Turn
    model: RunModel
    journal: Journal


class _NoOutcomeError(AgentsException):
    """Carries an exception through the Agents SDK, which wraps what it does not know."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class TodoAgent:
    """Answers turns with a model and the todo server's tools.

    Args:
        provider: Where the model of each run comes from.
        todo: The tools.
        max_rounds: Most model responses of a run, over all its attempts.
        model_timeout: Longest time of one model response, in seconds.
        approval: Which calls wait for the user's approval.
    """

    def __init__(
        self,
        provider: ModelProvider,
        todo: TodoServer,
        *,
        max_rounds: int,
        model_timeout: float,
        approval: Approval = "never",
    ) -> None:
        self._provider = provider
        self._todo = todo
        self._max_rounds = max_rounds
        self._model_timeout = model_timeout
        self._approval = approval
        self._ask_first: frozenset[str] = frozenset()
        self._config = RunConfig(
            tracing_disabled=True,
            tool_not_found_behavior="return_error_to_model",
            tool_error_formatter=_not_found,
            # Calls of one response run in their order: "add milk, then eggs" numbers them so.
            tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1),
        )
        self._tools: Sequence[Tool] = ()
        self._agent: Agent[_RunContext] | None = None

    async def answer(self, turn: Turn, journal: Journal) -> Answer:
        """Run the turn to its end; what `turn.done` holds is neither asked nor sent again.

        Raises:
            AgentError: There is no answer; its class says whose failure that is.
            StoppedError: The run is to stop.
            ApprovalNeededError: The user has to decide on a journalled call.
            Exception: What the journal raises comes out as it is.
        """
        tools = await self._todo.tools(turn.user_id)
        agent = self._agent_for(tools)
        turn = await self._settled(turn, journal)
        model = RunModel(self._provider.model_for(turn), turn, journal, self._model_timeout, self._ask_first)
        # Copied, because making one costs half a millisecond of type inspection.
        config = copy.copy(self._config)
        config.model = model
        context = _RunContext(turn, model, journal)
        try:
            await self._send_unlisted(context, {tool.name for tool in tools})
            result = await Runner.run(
                agent,
                input_items(turn),
                context=context,
                max_turns=self._max_rounds,
                run_config=config,
            )
        except _NoOutcomeError as carrier:
            raise carrier.error from None
        except MaxTurnsExceeded:
            raise ModelFailedError(
                f"The model did not come to an end within {self._max_rounds} rounds. Ask for less at once."
            ) from None
        except ModelRefusalError as refused:
            # What the model will not do is its answer; asking again would not change it.
            return Answer(clean_text(refused.refusal))
        except ModelBehaviorError as error:
            logger.warning("run %s: the model's answer is unusable: %s", turn.run_id, type(error).__name__)
            raise ModelFailedError("The model's answer cannot be used. Try again in a while.") from None
        text = str(result.final_output or "").strip()
        if not text:
            raise ModelFailedError("The model gave no answer. Try again in a while.")
        return Answer(text)

    async def settle(self, user_id: str, run_id: str, call: ToolCall) -> ToolOutcome:
        """Return what a call came to whose outcome is not known; afterwards it cannot take effect any more.

        Raises:
            ToolsUnavailableError, ToolsTimeoutError: It is still not known.
        """
        return await self._todo.settle(user_id, call.tool_name, json.loads(call.arguments), effect_key(run_id, call))

    async def _settled(self, turn: Turn, journal: Journal) -> Turn:
        """Find out what calls of earlier runs came to, as far as that can be had now."""
        if all(past.outcome is not None for run in turn.history for past in run.calls):
            return turn
        history: list[PastRun] = list(turn.history)
        try:
            for place, run in enumerate(history):
                calls = list(run.calls)
                for index, past in enumerate(calls):
                    if past.outcome is None and run.can_be_settled:
                        journal.check_owned()
                        outcome = await self.settle(turn.user_id, run.run_id, past.call)
                        await journal.settled(run.run_id, past.call, outcome)
                        calls[index] = replace(past, outcome=outcome)
                        history[place] = replace(run, calls=tuple(calls))
        except AgentError as error:
            # The model is told that it is not known; to ask again for every other call would only take longer.
            logger.warning("run %s: an earlier call stays without an outcome: %s", turn.run_id, type(error).__name__)
        return replace(turn, history=tuple(history))

    def _agent_for(self, tools: Sequence[Tool]) -> Agent[_RunContext]:
        if self._agent is None or tools is not self._tools:
            self._tools = tools
            self._ask_first = frozenset(tool.name for tool in tools if self._asks_first(tool))
            self._agent = Agent(
                name="Todo assistant",
                instructions=_instructions,
                tools=[self._function_tool(tool) for tool in tools],
                model_settings=self._provider.settings,
            )
        return self._agent

    def _function_tool(self, tool: Tool) -> FunctionTool:
        async def invoke(context: ToolContext[_RunContext], _: str) -> str:
            return await self._invoke(context)

        function_tool = FunctionTool(
            name=tool.name,
            description=tool.description or "",
            params_json_schema=tool.input_schema,
            on_invoke_tool=invoke,
            # Strict schemas make every optional argument required, and null does not mean "leave it".
            strict_json_schema=False,
        )
        # The SDK's default would tell the model of a cancelled or failed call as if that were its outcome.
        return set_function_tool_failure_error_function(function_tool, None)

    async def _invoke(self, context: ToolContext[_RunContext]) -> str:
        run = context.context
        outcome = run.model.outcomes.get(context.tool_call_id)
        if outcome is None:
            outcome = await self._send(run, run.model.calls[context.tool_call_id])
        return outcome.result

    async def _send_unlisted(self, run: _RunContext, tools: set[str]) -> None:
        """Send journalled calls of tools that are no longer on offer: the Agents SDK would not, and may have before."""
        for step in run.turn.done:
            if any(past.awaits_approval for past in step.calls):
                continue
            for past in step.calls:
                if past.outcome is None and past.call.tool_name not in tools:
                    name = call_id(run.turn.run_id, past.call.response_ordinal, past.call.call_index)
                    run.model.outcomes[name] = await self._send(run, past.call)

    async def _send(self, run: _RunContext, call: ToolCall) -> ToolOutcome:
        try:
            run.journal.check_owned()
            run.journal.sends(call)
            outcome = await self._todo.call(
                run.turn.user_id, call.tool_name, json.loads(call.arguments), effect_key(run.turn.run_id, call)
            )
            await run.journal.call_ended(call, outcome)
        except Exception as error:
            # No outcome is not an outcome: the model must not hear of it, the run has to end.
            raise _NoOutcomeError(error) from error
        return outcome

    def _asks_first(self, tool: Tool) -> bool:
        if self._approval != "destructive":
            return self._approval == "always"
        hints = tool.annotations
        # A tool that says nothing of itself may destroy: so MCP defines its hints (2026-07-28, ToolAnnotations).
        return hints is None or (hints.read_only_hint is not True and hints.destructive_hint is not False)


def _not_found(arguments: ToolErrorFormatterArgs[_RunContext]) -> str:
    # The same words that the journal has for this call.
    return arguments.run_context.context.model.outcomes[arguments.call_id].result


def _instructions(context: RunContextWrapper[_RunContext], _: Agent[_RunContext]) -> str:
    return instructions(context.context.turn)
