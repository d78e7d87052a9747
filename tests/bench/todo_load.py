"""Load for the todo server's benchmarks: clients that cost little themselves, so that the servers are measured."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

PROTOCOL: Final = "2026-07-28"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server, and how a tool of it is called over HTTP."""

    name: str
    port: int
    pid: int
    request: Callable[[str, dict[str, Any]], bytes]
    """Returns the bytes of a request from a tool's name and arguments."""

    async def wait(self) -> Self:
        """Return when the server answers a call."""
        deadline = time.monotonic() + 60
        while True:
            try:
                await Connection(self).call(self.request("list_tasks", {"limit": 1}))
            except OSError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return self


def mcp_call(token: str) -> Callable[[str, dict[str, Any]], bytes]:
    """Return what writes a tool's call as MCP has it (2026-07-28, streamable HTTP)."""

    def write(tool: str, arguments: dict[str, Any]) -> bytes:
        meta = {
            "io.modelcontextprotocol/protocolVersion": PROTOCOL,
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": PROTOCOL,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        return post("/mcp", headers, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})

    return write


def plain_call(tool: str, arguments: dict[str, Any]) -> bytes:
    """Write a call of the bare endpoints."""
    return post(f"/{tool}", {}, arguments)


def post(path: str, headers: dict[str, str], body: Any) -> bytes:
    """Write a request."""
    content = json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Connection:
    """One client's connection, which it keeps."""

    def __init__(self, contestant: Contestant) -> None:
        self._contestant = contestant
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, request: bytes) -> bytes:
        """Send a request and return the answer's body; an answer that is no success, or an error of MCP, raises."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._contestant.port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        if not head.startswith(b"http/1.1 200") or b'"isError":true' in body or b'"error":' in body:
            raise AssertionError(f"{self._contestant.name}: {head.decode()}{body.decode()}")
        return body

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()


async def load(contestant: Contestant, clients: int, requests: Sequence[bytes]) -> list[float]:
    """Send requests, each client one after the other; returns the milliseconds that each took."""
    waiting = list(reversed(requests))
    took: list[float] = []

    async def client() -> None:
        connection = Connection(contestant)
        while waiting:
            request = waiting.pop()
            began = time.perf_counter()
            await connection.call(request)
            took.append((time.perf_counter() - began) * 1000)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return took
