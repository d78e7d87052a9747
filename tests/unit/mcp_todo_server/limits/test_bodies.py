"""Bodies have to arrive in time; what is made of them has all the time it needs."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import repeat

import pytest
from mcp.server.transport_security import RequestBodyLimitMiddleware
from mcp_todo_server.limits import bodies
from mcp_todo_server.limits.bodies import BodyDeadline
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": []}
PART: Message = {"type": "http.request", "body": b"part", "more_body": True}
LAST: Message = {"type": "http.request", "body": b"last", "more_body": False}
GONE: Message = {"type": "http.disconnect"}


@pytest.fixture(autouse=True)
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)


async def answer(
    messages: Iterable[Message], pause: float, while_handling: Callable[[], None] | None = None, patience: float = 20
) -> tuple[int, dict[bytes, bytes]]:
    """Send messages with a pause before each, then none; return the status and headers of the answer."""
    waiting = iter(messages)
    sent: list[Message] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        if while_handling is not None:
            while_handling()
            await asyncio.sleep(0.05)
            assert await receive() == GONE
        await PlainTextResponse("done")(scope, receive, send)

    async def receive() -> Message:
        await asyncio.sleep(pause)
        for message in waiting:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(patience):
        await BodyDeadline(RequestBodyLimitMiddleware(handle, 1000))(SCOPE, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize(("messages", "pause"), [([], 0.0), ([PART], 0.0), (repeat(PART), 0.05)])
async def test_a_body_that_stops_or_drips_is_408_and_ends_the_connection(
    messages: Iterable[Message], pause: float
) -> None:
    status, headers = await answer(messages, pause)
    assert (status, headers[b"connection"]) == (408, b"close")


async def test_a_body_in_time_is_handled_however_long_that_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    real_time, passed = loop.time, 0.0
    monkeypatch.setattr(bodies, "BODY_SECONDS", 1000)
    monkeypatch.setattr(loop, "time", lambda: real_time() + passed)

    def let_time_pass() -> None:
        nonlocal passed
        passed += 2 * bodies.BODY_SECONDS

    assert (await answer([PART, LAST, GONE], 0.0, while_handling=let_time_pass, patience=5000))[0] == 200
