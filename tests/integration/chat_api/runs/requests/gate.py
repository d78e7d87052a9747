"""What stands between chat-api and the todo server, so that a test decides what gets through."""

import asyncio
import json

import httpx
from starlette.requests import Request
from starlette.responses import Response
from todo_chat_shared.effects import EFFECT_KEY_META, SETTLE_META

from tests.integration.chat_api.conftest import REQUEST_SECONDS, execute_sql
from tests.support.services import Service

NOTHING_THERE = 404
"""What ends a run's wait for an outcome at once: any other failure it outwaits for as long as it has time."""


class Gate:
    """What stands before the todo server: forwards every call, holds it back, or is down."""

    def __init__(self, todo: Service) -> None:
        self._todo = todo
        self.sent: list[str] = []
        """The effect key of every call that arrived."""
        self.settled: list[str] = []
        """The effect key of every call that arrived only to be settled."""
        self.hold: asyncio.Event | None = None
        """Calls wait for it before they are forwarded."""
        self.is_down = False
        """Calls arrive at something that is no todo server, to which nobody sends them again."""
        self.loses_answers = False
        """Calls are carried out, and nobody hears of it."""

    async def serve(self, request: Request) -> Response:
        """Answer one request."""
        content = await request.body()
        body = json.loads(content)
        is_call = body["method"] == "tools/call"
        if is_call:
            meta = body["params"]["_meta"]
            (self.settled if meta.get(SETTLE_META) else self.sent).append(meta[EFFECT_KEY_META])
            if self.is_down:
                return Response(status_code=NOTHING_THERE)
            if self.hold is not None and not meta.get(SETTLE_META):
                await self.hold.wait()
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        async with httpx.AsyncClient(trust_env=False, timeout=REQUEST_SECONDS) as http:
            given = await http.post(self._todo.mcp_url, content=content, headers=headers)
        if is_call and self.loses_answers:
            return Response(status_code=NOTHING_THERE)
        return Response(given.content, given.status_code, {"content-type": given.headers["content-type"]})

    def tasks(self, user_id: str) -> list[str]:
        """Return the titles of all tasks that a user has ever had."""
        rows = execute_sql(
            self._todo.environment["DATABASE_URL"],
            f"SELECT title FROM tasks WHERE user_id = '{user_id}' ORDER BY task_id",  # noqa: S608
        )
        return [title for (title,) in rows]
