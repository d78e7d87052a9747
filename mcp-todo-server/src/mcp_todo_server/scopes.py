"""Which scope a request needs, and the challenge to a token without it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from todo_chat_shared.tokens import ALL_SCOPES, SCOPE_READ

from mcp_todo_server.auth import current_caller
from mcp_todo_server.endpoint import replaying
from mcp_todo_server.oauth import Challenges

READING_METHODS: Final = frozenset(
    {"completion/complete", "prompts/get", "resources/subscribe", "subscriptions/listen"}
)
"""Methods whose answers hold something of the user's tasks, beside `tools/call` and `resources/read`."""
TASKS_SCHEME: Final = "todo://"
"""Of the resources, those that hold something of the user's tasks."""


class ScopeCheck:
    """ASGI middleware: 403 for a request that its token's scopes do not reach.

    For OAuth mode, where this makes a client ask its user for more (MCP 2026-07-28, scope challenge handling). In
    header mode nobody could be asked, and what is called answers with a refusal that the model reads.

    It reads the body in one piece, so it belongs inside a limit of bodies that hands them on like that.
    """

    def __init__(self, app: ASGIApp, challenges: Challenges, tool_scopes: Mapping[str, str]) -> None:
        """Wrap `app`; `tool_scopes` tells the scope that each tool needs."""
        self._app = app
        self._challenges = challenges
        self._tool_scopes = tool_scopes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request that its token reaches."""
        held = current_caller().scopes
        if held.issuperset(ALL_SCOPES):
            await self._app(scope, receive, send)
            return
        body = await receive()
        needed = needed_scope(_parsed(body), self._tool_scopes)
        if needed is None or needed in held:
            await self._app(scope, replaying(body, receive), send)
        else:
            await self._challenges.insufficient_scope(needed, held)(scope, receive, send)


def needed_scope(request: Any, tool_scopes: Mapping[str, str]) -> str | None:
    """Return the scope that a JSON-RPC request needs; None for one that shows nothing of a user's, or is no request."""
    match request:
        case {"method": "tools/call", "params": {"name": str(name)}}:
            return tool_scopes.get(name)
        case {"method": "resources/read", "params": {"uri": str(uri)}} if uri.startswith(TASKS_SCHEME):
            return SCOPE_READ
        case {"method": str(method)} if method in READING_METHODS:
            return SCOPE_READ
        case _:
            return None


def _parsed(message: Message) -> Any:
    try:
        return json.loads(message.get("body", b""))
    except (ValueError, RecursionError):
        return None  # the endpoint says what is wrong with it
