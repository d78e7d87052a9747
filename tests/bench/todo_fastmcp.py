"""The same two tools on `fastmcp`, as its documentation has them: typed functions, and its own check of tokens.

Runs in an environment of its own, which `todo_server` makes.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastmcp import FastMCP  # type: ignore[import-not-found]
from fastmcp.server.auth.providers.jwt import JWTVerifier  # type: ignore[import-not-found]
from pydantic import BaseModel, Field

from tests.bench.todo_store import Store

Priority = Literal["low", "normal", "high", "urgent"]


class Task(BaseModel):
    """One task."""

    task_id: int
    title: str
    description: str | None = None
    status: Literal["open", "completed", "deleted"]
    priority: Priority = "normal"
    tags: list[str] = []
    due: str | None = None
    due_at: str | None = None
    version: int
    created_at: str
    updated_at: str
    completed_at: str | None = None


class TaskPage(BaseModel):
    """One page of tasks."""

    tasks: list[Task]
    next_cursor: str | None = None
    today: str
    timezone: str


def main(port: str, url: str, user: str, secret: str) -> None:
    """Serve until the process ends."""
    store = Store(url, user)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        await store.open()
        yield

    verifier = JWTVerifier(public_key=secret, algorithm="HS256", audience="mcp-todo-server")
    server = FastMCP("todo", auth=verifier, lifespan=lifespan)

    @server.tool  # type: ignore[untyped-decorator]
    async def list_tasks(
        status: Annotated[Literal["open", "completed", "deleted", "all"], Field(description="Default open")] = "open",
        query: Annotated[str | None, Field(max_length=200, description="Words of the title")] = None,
        tag: Annotated[str | None, Field(description="Only tasks with this tag")] = None,
        priority: Annotated[Priority | None, Field(description="Only this priority")] = None,
        limit: Annotated[int, Field(ge=1, le=100, description="Tasks per page")] = 50,
        cursor: Annotated[str | None, Field(description="next_cursor of the page before")] = None,
    ) -> TaskPage:
        """List the user's tasks with their numbers."""
        return TaskPage.model_validate(await store.list_tasks(limit))

    @server.tool  # type: ignore[untyped-decorator]
    async def add_task(
        title: Annotated[str, Field(min_length=1, max_length=500, description="What is to be done")],
        description: Annotated[str | None, Field(max_length=10_000, description="Details")] = None,
        due: Annotated[str | None, Field(description="Calendar date, YYYY-MM-DD")] = None,
        priority: Annotated[Priority, Field(description="Default normal")] = "normal",
        tags: Annotated[list[str], Field(max_length=20, description="Labels")] = [],  # noqa: B006
    ) -> Task:
        """Add one task to the user's list."""
        return Task.model_validate(await store.add_task(title))

    server.run(
        transport="http",
        host="127.0.0.1",
        port=int(port),
        path="/mcp",
        stateless_http=True,
        json_response=True,
        show_banner=False,
        log_level="warning",
        uvicorn_config={"http": "h11", "loop": "asyncio", "access_log": False},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
