"""Serving an ASGI application of a test in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve on a free port of this machine; the value is the address, without a slash at its end."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    sockets = [config.bind_socket()]
    # Not `serve`, which would take the signal handlers from pytest.
    task = asyncio.create_task(server._serve(sockets))
    while not server.started:  # noqa: ASYNC110 - the flag is all that uvicorn gives
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
