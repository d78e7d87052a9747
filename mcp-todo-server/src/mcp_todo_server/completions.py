"""Completions (MCP 2026-07-28, completion): what a client offers while a person types an argument."""

from collections.abc import Callable
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.mcpserver.prompts import Prompt
from mcp.types import (
    CompleteRequestParams,
    CompleteResult,
    Completion,
    CompletionArgument,
    PromptReference,
    ResourceTemplateReference,
)

from mcp_todo_server.prompts import FOCUS
from mcp_todo_server.reading import reading
from mcp_todo_server.resources.service import COMPLETIONS_MAX, ResourceService, Values
from mcp_todo_server.resources.uris import TASK, TASK_ID
from mcp_todo_server.tasks.calls import Caller
from mcp_todo_server.tasks.payloads import PRIORITIES

Context = ServerRequestContext[Any, Any]
Reference = PromptReference | ResourceTemplateReference


class Completions:
    """Values that an argument can take, for whoever is asking."""

    def __init__(self, service: ResourceService, prompts: list[Prompt], caller: Callable[[], Caller]) -> None:
        """Complete arguments of `prompts` and of the template; `caller` tells who asks."""
        self._service = service
        self._prompts = {prompt.name for prompt in prompts}
        self._caller = caller

    async def __call__(self, _context: Context, params: CompleteRequestParams) -> CompleteResult:
        """Return the values that go with what is typed; none for an argument that takes anything.

        Raises:
            MCPError: The caller may not read tasks, or the database does not answer.
        """
        caller = self._caller()
        async with reading(caller, "completion/complete"):
            values, more = await self._values(caller.user_id, params.ref, params.argument)
        return CompleteResult(completion=Completion(values=values, has_more=more))

    async def _values(self, user_id: str, reference: Reference, argument: CompletionArgument) -> Values:
        match reference:
            case ResourceTemplateReference(uri=uri) if uri == TASK and argument.name == TASK_ID:
                return await self._service.numbers(user_id, argument.value)
            case PromptReference(name=name) if name in self._prompts and argument.name == FOCUS:
                typed = argument.value.strip().lower()
                priorities: list[str] = [priority for priority in PRIORITIES if priority.startswith(typed)]
                tags = await self._service.tags(user_id, argument.value, COMPLETIONS_MAX - len(priorities))
                return Values(priorities + tags.values, tags.more)
            case _:
                return Values([], more=False)
