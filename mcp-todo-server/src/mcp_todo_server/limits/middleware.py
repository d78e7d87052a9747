"""The limit at the edge: 429 before anything of a call is read."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_todo_server.limits.calls import CallLimit

TOO_MANY_CALLS: Final = -32010
"""JSON-RPC error code, of the range that MCP 2026-07-28 leaves to servers: -32000 to -32019."""
UNDER_WAY_MAX: Final = 100
"""Most calls of one user that this process handles at once, open event streams among them."""
UNDER_WAY_RETRY_SECONDS: Final = 1


class LimitedCalls:
    """ASGI middleware: 429 with `Retry-After` (RFC 6585, section 4) for a call over its user's limits.

    Such a call has had no effect. The body is a JSON-RPC error, whose message MCP clients show or give to the model.
    """

    def __init__(self, app: ASGIApp, limit: CallLimit, user_id: Callable[[], str]) -> None:
        """Wrap `app`; `user_id` tells who sent the request at hand."""
        self._app = app
        self._limit = limit
        self._user_id = user_id
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request that is within the limits."""
        user_id = self._user_id()
        if self._under_way[user_id] >= UNDER_WAY_MAX:
            await _refusal("at once", UNDER_WAY_RETRY_SECONDS)(scope, receive, send)
        elif wait := self._limit.take(user_id):
            await _refusal("in this minute", math.ceil(wait))(scope, receive, send)
        else:
            await self._counted(user_id, scope, receive, send)

    async def _counted(self, user_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._under_way[user_id] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[user_id] -= 1
            if not self._under_way[user_id]:
                del self._under_way[user_id]


def _refusal(when: str, seconds: int) -> JSONResponse:
    error = {
        "code": TOO_MANY_CALLS,
        "message": f"too many calls {when}, and this one did nothing: send it again in {seconds} s",
        "data": {"retryAfterSeconds": seconds},
    }
    return JSONResponse(
        {"jsonrpc": "2.0", "id": None, "error": error}, status_code=429, headers={"Retry-After": str(seconds)}
    )
