"""TCP proxies between clients, services and databases: they cut, hold and lose what passes through them."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""PostgreSQL's simple query message as psycopg sends it at a transaction's end."""
TOOL_CALL: Final = b'"tools/call"'
"""Stands in the body of every MCP request that calls a tool."""
ANYTHING: Final = b""
"""Stands in every request: what is committed by its own statement has no COMMIT."""
_CHUNK_BYTES: Final = 65_536

Address = tuple[str, int]


@dataclass(eq=False)
class Catch:
    """A trap for one request, or for the answer to it: whoever set it decides what becomes of it."""

    match: bytes
    """Bytes that the request holds."""
    held: Literal["request", "answer"]
    skip: int = 0
    """How many such requests pass first."""
    caught: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the request, or its answer, waits in the proxy."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the server has answered a request that was passed on."""
    _verdict: asyncio.Event = field(default_factory=asyncio.Event)
    _passes: bool = False

    def pass_on(self) -> None:
        """Let what was caught go on its way."""
        self._passes = True
        self._verdict.set()

    def drop(self) -> None:
        """Lose what was caught, and its connection."""
        self._verdict.set()

    async def judged(self) -> bool:
        """Wait for the verdict; True where it goes on."""
        self.caught.set()
        await self._verdict.wait()
        return self._passes


class _Connection:
    """One connection through the proxy, both of its ends."""

    def __init__(self, client: tuple[StreamReader, StreamWriter], server: tuple[StreamReader, StreamWriter]) -> None:
        self.from_client, self.to_client = client
        self.from_server, self.to_server = server
        self.answer: Catch | None = None
        self.late: Catch | None = None
        """A request that is held, or was: its answer is awaited."""
        self.released = asyncio.Event()
        self.released.set()

    async def reopen(self, target: Address) -> None:
        """Connect to the server anew, where it has closed a connection on which nothing came any more."""
        if self.from_server.at_eof():
            self.to_server.transport.abort()
            self.from_server, self.to_server = await asyncio.open_connection(*target)

    def abort(self) -> None:
        for end in (self.to_client, self.to_server):
            end.transport.abort()


class Proxy:
    """Forwards connections to an address that may change. It keeps its own port while it is cut."""

    def __init__(self, target: Callable[[], Address]) -> None:
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._forwarding: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._catches: list[Catch] = []

    @property
    def address(self) -> Address:
        """Where it listens."""
        return "127.0.0.1", self.port

    async def start(self) -> None:
        """Listen, on a free port the first time."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Drop every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def cut(self) -> int:
        """Drop every connection, and take new ones at once; returns how many there were."""
        forwarding = list(self._forwarding)
        for task in forwarding:
            task.cancel()
        await asyncio.gather(*forwarding, return_exceptions=True)
        return len(forwarding)

    def freeze(self) -> None:
        """Keep every connection open and forward nothing, as where the network swallows packets."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Forward again, first of all what has waited."""
        self._flowing.set()

    def catch(self, match: bytes, held: Literal["request", "answer"], *, skip: int = 0) -> Catch:
        """Set a trap."""
        catch = Catch(match, held, skip)
        self._catches.append(catch)
        return catch

    def forget(self, catch: Catch) -> None:
        """Take a trap away, unless something is caught in it."""
        if catch in self._catches:
            self._catches.remove(catch)

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._forwarding.add(task)
        task.add_done_callback(self._forwarding.discard)

    async def _forward(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await self._flowing.wait()
            connection = _Connection((reader, writer), await asyncio.open_connection(*self._target()))
        except OSError:
            writer.transport.abort()
            return
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        directions = [
            asyncio.create_task(self._requests(connection)),
            asyncio.create_task(self._answers(connection)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Before anything is awaited: whoever closes the proxy may cancel this task a second time.
            connection.abort()
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _requests(self, connection: _Connection) -> None:
        while data := await connection.from_client.read(_CHUNK_BYTES):
            await self._flowing.wait()
            catch = self._caught(data)
            if catch is not None and catch.held == "answer":
                connection.answer = catch
            elif catch is not None:
                connection.late = catch
                connection.released.clear()
                if not await catch.judged():
                    return
                await connection.reopen(self._target())
                connection.released.set()
            connection.to_server.write(data)
            await connection.to_server.drain()
        if connection.late is not None:
            # The client has gone long ago; its request arrives all the same.
            await connection.late.answered.wait()

    async def _answers(self, connection: _Connection) -> None:
        while True:
            data = await connection.from_server.read(_CHUNK_BYTES)
            if not data and connection.released.is_set():
                return
            # What is held is to arrive, however long the server has waited for it.
            await connection.released.wait()
            await self._flowing.wait()
            if not data:
                continue
            catch, connection.answer = connection.answer, None
            if catch is not None and not await catch.judged():
                return
            if connection.late is not None:
                connection.late.answered.set()
            connection.to_client.write(data)
            await connection.to_client.drain()

    def _caught(self, data: bytes) -> Catch | None:
        for catch in self._catches:
            if catch.match not in data:
                continue
            if catch.skip == 0:
                self._catches.remove(catch)
                return catch
            catch.skip -= 1
        return None
