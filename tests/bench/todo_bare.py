"""The floor under the todo server: two bare Starlette endpoints on the same queries. No token, no MCP, no checks."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.bench.todo_store import Store


def main(port: str, url: str, user: str) -> None:
    """Serve until the process ends."""
    store = Store(url, user)

    async def list_tasks(request: Request) -> JSONResponse:
        return JSONResponse(await store.list_tasks((await request.json())["limit"]))

    async def add_task(request: Request) -> JSONResponse:
        return JSONResponse(await store.add_task((await request.json())["title"]))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await store.open()
        yield

    routes = [Route(f"/{call.__name__}", call, methods=["POST"]) for call in (list_tasks, add_task)]
    uvicorn.run(
        Starlette(routes=routes, lifespan=lifespan),
        port=int(port),
        http="h11",
        loop="asyncio",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
