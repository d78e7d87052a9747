"""A user's calls under way in this process: so many at once, and each leaves its place to another."""

import asyncio
import json

import pytest
from mcp_todo_server.limits.calls import CallLimit
from mcp_todo_server.limits.middleware import UNDER_WAY_MAX, LimitedCalls
from starlette.types import Message, Receive, Scope, Send

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": []}


class Edge:
    """The middleware before an application whose calls last until they are let go; a call can fail."""

    def __init__(self) -> None:
        self.user = "ann"
        self.handled = 0
        self.go_on = asyncio.Event()
        self.fails = False
        self.limited = LimitedCalls(self._handle, CallLimit(1000), lambda: self.user)

    async def _handle(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        self.handled += 1
        await self.go_on.wait()
        if self.fails:
            raise RuntimeError

    async def begin(self, calls: int, user: str = "ann") -> list[asyncio.Task[list[Message]]]:
        """Begin calls, and return what becomes the messages of their answers."""
        self.user = user
        begun = [asyncio.create_task(self._call()) for _ in range(calls)]
        await asyncio.sleep(0)
        return begun

    async def _call(self) -> list[Message]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.limited(SCOPE, receive, send)
        return sent


async def test_a_call_beyond_those_under_way_is_429_and_another_users_is_not() -> None:
    edge = Edge()
    await edge.begin(UNDER_WAY_MAX)
    (refused,) = await edge.begin(1)
    start, body = await asyncio.wait_for(refused, 5)
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (429, b"1")
    message = json.loads(body["body"])["error"]["message"]
    assert message == "too many calls at once, and this one did nothing: send it again in 1 s"
    await edge.begin(1, "bob")
    assert edge.handled == UNDER_WAY_MAX + 1
    edge.go_on.set()


@pytest.mark.parametrize("end", ["answered", "failed", "cancelled"])
async def test_a_call_leaves_its_place_however_it_ends(end: str) -> None:
    edge = Edge()
    for _ in range(3):
        edge.go_on.clear()
        edge.handled = 0
        begun = await edge.begin(UNDER_WAY_MAX)
        assert edge.handled == UNDER_WAY_MAX
        if end == "cancelled":
            for call in begun:
                call.cancel()
        edge.fails = end == "failed"
        edge.go_on.set()
        await asyncio.wait(begun)
    assert not edge.limited._under_way
