"""The resources as MCP publishes them."""

from collections.abc import Callable
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.types import Annotations

from mcp_todo_server.reading import reading
from mcp_todo_server.resources.service import ResourceService
from mcp_todo_server.resources.uris import TASK, TASKS, TODAY, task_id_of
from mcp_todo_server.tasks.calls import Caller
from mcp_todo_server.tasks.errors import TaskNotFoundError
from mcp_todo_server.tasks.schemas import PAGE_MAX

JSON: Final = "application/json"


def add_resources(server: MCPServer[Any], service: ResourceService, caller: Callable[[], Caller]) -> None:
    """Give `server` the resources; `caller` tells who reads while a request is handled."""

    @server.resource(
        TASKS,
        name="open_tasks",
        title="Open tasks",
        description=f"The open tasks, oldest first: {PAGE_MAX} at most, and how to read on where there are more.",
        mime_type=JSON,
        annotations=_annotations(0.6),
    )
    async def tasks() -> str:
        user = caller()
        async with reading(user, TASKS):
            return await service.open_tasks(user.user_id)

    @server.resource(
        TODAY,
        name="today",
        title="Today",
        description="The open tasks that are due today, in the user's time zone, or overdue; soonest first.",
        mime_type=JSON,
        annotations=_annotations(0.9),
    )
    async def today() -> str:
        user = caller()
        async with reading(user, TODAY):
            return await service.today(user.user_id)

    @server.resource(
        TASK,
        name="task",
        title="Task",
        description="One task by its number, also where it is completed or deleted.",
        mime_type=JSON,
        annotations=_annotations(0.5),
    )
    async def task(task_id: str) -> str:
        uri, user = TASK.format(task_id=task_id), caller()
        async with reading(user, uri):
            if (number := task_id_of(uri)) is not None:
                try:
                    return await service.task(user.user_id, number)
                except TaskNotFoundError:
                    pass
            raise ResourceNotFoundError(f"Unknown resource: {uri}")


def _annotations(priority: float) -> Annotations:
    return Annotations(audience=["user", "assistant"], priority=priority)
