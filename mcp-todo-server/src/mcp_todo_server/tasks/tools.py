"""The MCP tools over tasks: names, descriptions, annotations, scopes; and how a call's outcome is told.

An outcome is definite or unknown, and the two are never confused. What is refused for good is a result with
`is_error`, for the model to read. What may yet succeed (the database does not answer, a defect) is a protocol
error, so that a caller sends the same call again (where it has an effect key, or only reads) rather than showing
it to a model as an answer.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from mcp import MCPError
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp.types import INTERNAL_ERROR, CallToolResult, TextContent, ToolAnnotations
from todo_chat_shared.effects import EFFECT_KEY_META, SETTLE_META
from todo_chat_shared.tasks import Task, TaskPage
from todo_chat_shared.tokens import SCOPE_READ, SCOPE_WRITE

from mcp_todo_server.effects.service import VOID, EffectKeyError, VoidedError, asks_to_settle
from mcp_todo_server.tasks.arguments import parse
from mcp_todo_server.tasks.errors import InvalidArgumentsError, TaskError
from mcp_todo_server.tasks.payloads import input_schema, output_schema
from mcp_todo_server.tasks.schemas import AddTask, Arguments, ListTasks, TaskRef, UpdateTask
from mcp_todo_server.tasks.service import TaskService

CALL_SECONDS: Final = 6
"""Longest time that a call may take; the waits for a pool connection and for SQLite's lock end before it."""
TEMPORARILY_UNAVAILABLE: Final = "temporarily unavailable; send the same call again"
OUTCOME_UNKNOWN: Final = "temporarily unavailable; it may have been done: check with list_tasks first"
"""Said where a repeat could do the same a second time, since the call has no effect key."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what their token lets them do."""

    user_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What is published of a tool, and what its method of `TaskService` needs."""

    method: Callable[..., Awaitable[str]]
    """The work, as a method of `TaskService`; its name is the tool's."""
    title: str
    description: str
    arguments: type[Arguments]
    answer: type[Task] | type[TaskPage] = Task
    reads_only: bool = False
    destructive: bool = False
    idempotent: bool = True

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.method.__name__


TOOLS: Final = (
    ToolSpec(
        TaskService.add_task,
        "Add task",
        "Add one task to the user's list.",
        AddTask,
        idempotent=False,
    ),
    ToolSpec(
        TaskService.list_tasks,
        "List tasks",
        "List the user's tasks with their numbers. Finds a task_id, searches, and tells today's date.",
        ListTasks,
        answer=TaskPage,
        reads_only=True,
    ),
    ToolSpec(TaskService.get_task, "Get task", "Read one task.", TaskRef, reads_only=True),
    ToolSpec(
        TaskService.update_task,
        "Update task",
        "Change the given fields of one task; the others stay as they are.",
        UpdateTask,
        destructive=True,
    ),
    ToolSpec(TaskService.complete_task, "Complete task", "Mark one task as done.", TaskRef),
    ToolSpec(TaskService.reopen_task, "Reopen task", "Make a completed task open again.", TaskRef),
    ToolSpec(
        TaskService.delete_task,
        "Delete task",
        "Delete one task; restore_task brings it back.",
        TaskRef,
        destructive=True,
    ),
    ToolSpec(TaskService.restore_task, "Restore task", "Bring a deleted task back.", TaskRef),
)


class TaskTool(Tool):
    """A tool whose handler checks the arguments itself and words every refusal."""

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        """Answer a call with a `CallToolResult`."""
        return await self.fn(arguments, context)


def task_tools(service: TaskService, caller: Callable[[], Caller]) -> list[Tool]:
    """Return the tools; `caller` tells who is calling while a call is handled."""
    return [_tool(spec, service, caller) for spec in TOOLS]


def _tool(spec: ToolSpec, service: TaskService, caller: Callable[[], Caller]) -> Tool:
    async def handle(arguments: dict[str, Any], context: Context[Any, Any]) -> CallToolResult:
        meta = dict(context.request_context.meta or {})
        return await answer(spec, service, caller(), arguments, meta.get(EFFECT_KEY_META), meta.get(SETTLE_META))

    return TaskTool(
        fn=handle,
        name=spec.name,
        title=spec.title,
        description=spec.description,
        parameters=input_schema(spec.arguments),
        fn_metadata=FuncMetadata(arg_model=ArgModelBase, output_schema=output_schema(spec.answer)),
        is_async=True,
        context_kwarg="context",
        annotations=ToolAnnotations(
            read_only_hint=spec.reads_only,
            destructive_hint=spec.destructive,
            idempotent_hint=spec.idempotent,
            open_world_hint=False,
        ),
    )


async def answer(
    spec: ToolSpec,
    service: TaskService,
    caller: Caller,
    arguments: dict[str, Any],
    effect_key: Any = None,
    settle: Any = None,
) -> CallToolResult:
    """Call a tool for `caller`, or settle such a call.

    Raises:
        MCPError: The outcome is unknown, or nothing happened that a repeat could not mend.
    """
    needed = SCOPE_READ if spec.reads_only else SCOPE_WRITE
    if needed not in caller.scopes:
        # Definite, and every client shows it to the person who can do something about it; a protocol error
        # would read as a fault of the connection, to be tried again.
        return _refusal(f"the access token lacks the scope {needed}, which {spec.name} needs")
    try:
        work = _settle if asks_to_settle(settle) else _perform
        async with asyncio.timeout(CALL_SECONDS):
            payload = await work(spec, service, caller.user_id, arguments, effect_key)
    except (TaskError, EffectKeyError) as error:
        return _refusal(str(error))
    except Exception as error:
        logger.exception("%s failed", spec.name)
        repeatable = spec.reads_only or effect_key is not None
        raise MCPError(INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE if repeatable else OUTCOME_UNKNOWN) from error
    return CallToolResult(content=[TextContent(type="text", text=payload)], structured_content=json.loads(payload))


async def _perform(
    spec: ToolSpec, service: TaskService, user_id: str, arguments: dict[str, Any], effect_key: Any
) -> str:
    checked = parse(spec.arguments, spec.name, arguments)
    keyed = () if spec.reads_only else (effect_key,)
    return await spec.method(service, user_id, checked, *keyed)


async def _settle(
    spec: ToolSpec, service: TaskService, user_id: str, arguments: dict[str, Any], effect_key: Any
) -> str:
    if spec.reads_only:
        raise VoidedError(VOID)
    checked: Arguments | None
    try:
        checked = parse(spec.arguments, spec.name, arguments)
    except InvalidArgumentsError:
        # Refused here, the call may have been taken by another release: its key is asked all the same.
        checked = None
    return await service.settle(spec.name, user_id, checked, effect_key)


def _refusal(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
