"""The MCP endpoint over HTTP, as an ASGI application: JSON answers, and event streams where only they will do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from mcp.server.streamable_http import check_accept_headers
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_todo_server.server import TodoServer

_WANTS_PROGRESS: Final = b'"progressToken"'


class Endpoint:
    """Serves MCP over streamable HTTP, both eras; any replica answers any request.

    A JSON answer costs half of what an event stream does, so that is what a request gets. Two kinds get a stream:
    `subscriptions/listen`, to which the library never answers otherwise, and a call that names a progress token,
    from a client that accepts one. A token that merely stands in a task's text costs an event stream, no more.
    """

    def __init__(self, server: TodoServer, *, max_body_bytes: int, security: TransportSecuritySettings) -> None:
        """Serve `server`; longer bodies, foreign hosts and foreign origins are refused."""

        def manager(*, json_response: bool) -> StreamableHTTPSessionManager:
            server.streamable_http_app(
                stateless_http=True,
                json_response=json_response,
                max_request_body_size=max_body_bytes,
                transport_security=security,
            )
            return server.session_manager

        self._json = manager(json_response=True)
        self._streaming = manager(json_response=False)
        self._app = RequestBodyLimitMiddleware(self._choose, max_body_bytes)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve requests for as long as the context lasts."""
        async with self._json.run(), self._streaming.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    async def _choose(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The limit of bodies has gathered the whole of it in the first message.
        message = await receive()
        if message["type"] != "http.request" or message.get("more_body"):
            return  # the client left while it was sending: nobody waits for an answer
        chosen = self._json
        if _WANTS_PROGRESS in message.get("body", b"") and all(check_accept_headers(Request(scope))):
            chosen = self._streaming
        await chosen.handle_request(scope, replaying(message, receive), send)


class OnlyPost:
    """ASGI middleware: 405 for every method but POST (MCP 2026-07-28, streamable HTTP).

    In the handshake era a stateless server's GET would open an event stream that never carries an event, and
    keep its client waiting for one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a POST on."""
        if scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        await self._app(scope, receive, send)


def replaying(first: Message, receive: Receive) -> Receive:
    """Return a `receive` that begins with a message that was received already."""
    waiting = [first]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
