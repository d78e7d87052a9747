"""The MCP tools over tasks: names, descriptions, annotations, scopes."""

from collections.abc import Callable
from typing import Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp.types import CallToolResult, InputRequiredResult, ToolAnnotations
from todo_chat_shared.effects import EFFECT_KEY_META, SETTLE_META
from todo_chat_shared.tasks import BatchOutcome, TaskPage, UserDay

from mcp_todo_server.tasks.batch import ITEMS_MAX, BatchTasks
from mcp_todo_server.tasks.calls import LONG_CALL_SECONDS, Caller, ToolSpec, answer
from mcp_todo_server.tasks.payloads import input_schema, output_schema
from mcp_todo_server.tasks.schemas import AddTask, ListTasks, SetTimezone, TaskRef, UpdateTask
from mcp_todo_server.tasks.service import TaskService
from mcp_todo_server.widget.page import TOOL_META

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
        meta=TOOL_META,
    ),
    ToolSpec(TaskService.get_task, "Get task", "Read one task.", TaskRef, reads_only=True),
    ToolSpec(
        TaskService.update_task,
        "Update task",
        "Change the given fields of one task; the others stay as they are.",
        UpdateTask,
        destructive=True,
        seconds=LONG_CALL_SECONDS,
    ),
    ToolSpec(TaskService.complete_task, "Complete task", "Mark one task as done.", TaskRef),
    ToolSpec(TaskService.reopen_task, "Reopen task", "Make a completed task open again.", TaskRef),
    ToolSpec(
        TaskService.delete_task,
        "Delete task",
        "Delete one task; restore_task brings it back.",
        TaskRef,
        destructive=True,
        deletes=lambda arguments: [arguments.task_id],
    ),
    ToolSpec(TaskService.restore_task, "Restore task", "Bring a deleted task back.", TaskRef),
    ToolSpec(
        TaskService.batch_tasks,
        "Change several tasks",
        f"Make several changes, up to {ITEMS_MAX}, in one call. Each item succeeds or fails by itself, and is answered "
        "in its place.",
        BatchTasks,
        answer=BatchOutcome,
        destructive=True,
        idempotent=False,
        deletes=lambda arguments: arguments.deleted_ids,
        reports_progress=True,
    ),
    ToolSpec(
        TaskService.set_timezone,
        "Set time zone",
        "Set the user's time zone, in which their days begin and end.",
        SetTimezone,
        answer=UserDay,
        seconds=LONG_CALL_SECONDS,
    ),
)


class TaskTool(Tool):
    """A tool whose handler checks the arguments itself and words every refusal."""

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        """Answer a call."""
        return await self.fn(arguments, context)


def task_tools(service: TaskService, caller: Callable[[], Caller]) -> list[Tool]:
    """Return the tools; `caller` tells who is calling while a call is handled."""
    return [_tool(spec, service, caller) for spec in TOOLS]


def _tool(spec: ToolSpec, service: TaskService, caller: Callable[[], Caller]) -> Tool:
    async def handle(arguments: dict[str, Any], context: Context[Any, Any]) -> CallToolResult | InputRequiredResult:
        meta = dict(context.request_context.meta or {})
        effect_key, settle = meta.get(EFFECT_KEY_META), meta.get(SETTLE_META)
        return await answer(spec, service, caller(), arguments, effect_key, settle, context)

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
        meta=None if spec.meta is None else dict(spec.meta),
    )
