"""The client that docs/api.md shows, on a connection that breaks."""

import asyncio
import re
import shutil
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support.databases import sqlite_database
from tests.support.documents import ROOT, examples, matches_text
from tests.support.services import clean_environment, running_chat_api, running_todo_server
from tests.support.tokens import user_token

CLIENT_SECONDS: Final = 60
CHUNK_BYTES: Final = 65_536
API: Final = "http://127.0.0.1:8000"
BREAKS: Final = (0, 700, 1100)
"""Bytes of an answer that come through on the first connections: none, its first events, a few of those that follow."""


async def test_the_shown_client_sends_once_and_shows_every_event_once(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    (client,) = (one for one in examples(ROOT / "docs" / "api.md") if one.command.language == "js")
    assert client.result is not None
    async with (
        running_todo_server(sqlite_database(tmp_path)) as todo,
        running_chat_api(sqlite_database(tmp_path), todo.mcp_url) as chat,
        _breaking(chat.port, BREAKS) as (port, requests),
    ):
        process = await asyncio.create_subprocess_exec(
            *(node, "--input-type=module", "--eval", client.command.text.replace(API, f"http://127.0.0.1:{port}")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(TOKEN=user_token("demo"), NO_PROXY="127.0.0.1"),
        )
        output, errors = await asyncio.wait_for(process.communicate(), CLIENT_SECONDS)
        headers = {"Authorization": f"Bearer {user_token('demo')}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False) as http:
            page = (await http.get(f"{chat.base_url}/api/demo/conversations")).json()
            messages = (await http.get(f"{chat.base_url}/api/demo/conversations/1/messages")).json()["items"]
    assert process.returncode == 0, errors.decode()
    # The document's tasks before this one are not here.
    assert matches_text(re.sub(r"#\d+", "#1", client.result.text), output.decode())
    assert len(page["items"]) == 1
    assert [message["content"] for message in messages] == ["Added #1 buy a map.", "add buy a map"]
    methods = [request.split(" ")[0] for request in requests]
    # Where the client was held up, it may have found the second answer broken before it had read an event of it.
    assert methods in (["POST", "POST", "GET", "GET"], ["POST", "POST", "POST", "GET"])


@asynccontextmanager
async def _breaking(port: int, breaks: tuple[int, ...]) -> AsyncIterator[tuple[int, list[str]]]:
    """Run a proxy that breaks its first connections off; yields its port and the requests that went through it."""
    requests: list[str] = []
    connections: list[asyncio.Task[None]] = []

    async def forward(reader: StreamReader, writer: StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            limit = breaks[len(requests)] if len(requests) < len(breaks) else None
            request = await reader.read(CHUNK_BYTES)
            requests.append(request.decode().splitlines()[0])
            upstream_writer.write(request)
            copying = asyncio.create_task(_copy(reader, upstream_writer))
            await _answer(upstream_reader, writer, limit)
            copying.cancel()
            await asyncio.gather(copying, return_exceptions=True)
        finally:
            upstream_writer.transport.abort()
            writer.transport.abort()

    def accept(reader: StreamReader, writer: StreamWriter) -> None:
        connections.append(asyncio.create_task(forward(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


async def _answer(reader: StreamReader, writer: StreamWriter, limit: int | None) -> None:
    """Pass an answer on, or its first bytes. What is held back has left the server."""
    passed = 0
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data if limit is None else data[: limit - passed])
        await writer.drain()
        passed += len(data)
        if limit is not None and passed > limit:
            # Let the client read what was sent before it finds the connection broken.
            await asyncio.sleep(0.2)
            return
