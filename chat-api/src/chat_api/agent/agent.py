"""One turn on the Agents SDK's `Runner`."""

import copy
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from agents import Agent, FunctionTool, RunConfig, RunContextWrapper, Runner
from agents.exceptions import AgentsException, MaxTurnsExceeded, ModelBehaviorError, ModelRefusalError
from agents.run_config import ToolErrorFormatterArgs, ToolExecutionConfig
from agents.tool import set_function_tool_failure_error_function
from agents.tool_context import ToolContext
from mcp.types import Tool

from chat_api.agent.errors import ModelFailedError
from chat_api.agent.history import input_items
from chat_api.agent.instructions import instructions
from chat_api.agent.model import RunModel
from chat_api.agent.providers import ModelProvider
from chat_api.agent.text import clean_text
from chat_api.agent.todo_server import TodoServer
from chat_api.agent.turn import Answer, Journal, Turn, effect_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _RunContext:
    turn: Turn
    model: RunModel
    journal: Journal


class _NoOutcomeError(AgentsException):
    """Carries an `AgentError` through the Agents SDK, which wraps what it does not know."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class TodoAgent:
    """Answers turns with a model and the todo server's tools."""

    def __init__(self, provider: ModelProvider, todo: TodoServer, *, max_rounds: int, model_timeout: float) -> None:
        self._provider = provider
        self._todo = todo
        self._max_rounds = max_rounds
        self._model_timeout = model_timeout
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
        """Run the turn to its end.

        Raises:
            AgentError: There is no answer; its class says whose failure that is.
        """
        agent = self._agent_for(await self._todo.tools(turn.user_id))
        model = RunModel(self._provider.model_for(turn), turn.run_id, journal, self._model_timeout)
        # Copied, because making one costs half a millisecond of type inspection.
        config = copy.copy(self._config)
        config.model = model
        try:
            result = await Runner.run(
                agent,
                input_items(turn),
                context=_RunContext(turn, model, journal),
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

    def _agent_for(self, tools: Sequence[Tool]) -> Agent[_RunContext]:
        if self._agent is None or tools is not self._tools:
            self._tools = tools
            self._agent = Agent(
                name="Todo assistant",
                instructions=_instructions,
                tools=[self._function_tool(tool) for tool in tools],
                model_settings=self._provider.settings,
            )
        return self._agent

    def _function_tool(self, tool: Tool) -> FunctionTool:
        async def invoke(context: ToolContext[_RunContext], arguments: str) -> str:
            return await self._invoke(context, arguments)

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

    async def _invoke(self, context: ToolContext[_RunContext], arguments: str) -> str:
        run = context.context
        refusal = run.model.refusals.get(context.tool_call_id)
        if refusal is not None:
            return refusal.result
        call = run.model.calls[context.tool_call_id]
        try:
            run.journal.check_owned()
            outcome = await self._todo.call(
                run.turn.user_id, call.tool_name, json.loads(arguments), effect_key(run.turn.run_id, call)
            )
            await run.journal.call_ended(call, outcome)
        except Exception as error:
            # No outcome is not an outcome: the model must not hear of it, the run has to end.
            raise _NoOutcomeError(error) from error
        return outcome.result


def _not_found(arguments: ToolErrorFormatterArgs[_RunContext]) -> str:
    # The same words that the journal has for this call.
    return arguments.run_context.context.model.refusals[arguments.call_id].result


def _instructions(context: RunContextWrapper[_RunContext], _: Agent[_RunContext]) -> str:
    return instructions(context.context.turn)
