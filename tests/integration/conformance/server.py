"""The test build: the real program, with the conformance suite's fixtures and a token that the suite cannot send.

    python -m tests.integration.conformance.server serve

It runs mcp-todo-server's own console script, so that settings, middleware, authentication, transport and web server are
what an operator gets; it only adds to the MCP server what the suite looks for, and a header to each request.
"""

import os
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from mcp.server import MCPServer
from mcp_todo_server import app
from mcp_todo_server.cli import main
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.integration.conformance.fixtures import add_fixtures


class InjectBearer:
    """ASGI middleware: adds a bearer token to every request that carries none."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._header = (b"authorization", f"Bearer {token}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, with the token."""
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], self._header]}
        await self._app(scope, receive, send)


def with_fixtures(make: Callable[..., MCPServer[Any]]) -> Callable[..., MCPServer[Any]]:
    """Return `make`, which makes the MCP server, with the suite's fixtures added where they are asked for."""

    def made(*arguments: Any, **options: Any) -> MCPServer[Any]:
        server = make(*arguments, **options)
        if os.environ["CONFORMANCE_FIXTURES"]:
            add_fixtures(server)
        return server

    return made


def with_token(make: Callable[..., Starlette], token: str) -> Callable[..., Starlette]:
    """Return `make`, which makes the HTTP application, with a token injected in front of what it makes."""

    def made(*arguments: Any, **options: Any) -> Starlette:
        application = make(*arguments, **options)
        application.add_middleware(InjectBearer, token=token)
        return application

    return made


if __name__ == "__main__":
    with (
        patch.object(app, "mcp_server", with_fixtures(app.mcp_server)),
        patch.object(app, "http_app", with_token(app.http_app, os.environ["CONFORMANCE_TOKEN"])),
    ):
        main()
