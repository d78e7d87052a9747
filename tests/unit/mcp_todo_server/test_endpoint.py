"""The endpoint by itself: clients that leave before they have said all."""

import logging

import pytest
from mcp.server.transport_security import TransportSecuritySettings
from mcp_todo_server.endpoint import Endpoint
from mcp_todo_server.server import TodoServer
from starlette.types import Message, Scope

SCOPE: Scope = {
    "type": "http",
    "method": "POST",
    "path": "/mcp",
    "query_string": b"",
    "headers": [
        (b"host", b"127.0.0.1"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
    ],
}
PART: Message = {"type": "http.request", "body": b'{"jsonrpc":', "more_body": True}
GONE: Message = {"type": "http.disconnect"}


@pytest.mark.parametrize("messages", [[GONE], [PART, GONE], [PART, PART, GONE]])
async def test_a_client_that_leaves_while_it_sends_is_no_error(
    messages: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = Endpoint(
        TodoServer(tools=[]),
        max_body_bytes=1000,
        security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    coming = iter(messages)
    sent: list[Message] = []

    async def receive() -> Message:
        return next(coming, GONE)

    async def send(message: Message) -> None:
        sent.append(message)

    async with endpoint.running():
        await endpoint(SCOPE, receive, send)
    assert sent == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
