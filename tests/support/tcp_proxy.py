"""A TCP proxy that a test cuts, freezes and mends, in front of a server that stays up."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CHUNK_BYTES = 65_536


class TcpProxy:
    """Forwards connections to one address. It keeps its own port while it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def connections(self) -> int:
        """Number of connections that are open at the moment."""
        return len(self._pipes)

    async def mend(self) -> None:
        """Accept connections and forward what they send, from the beginning or again."""
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Drop every connection and refuse new ones, as where the server is gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        self._flowing.set()

    def freeze(self) -> None:
        """Keep every connection open and forward nothing, as where the network swallows packets."""
        self._flowing.clear()

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        pipe = asyncio.create_task(self._forward(reader, writer))
        self._pipes.add(pipe)
        pipe.add_done_callback(self._pipes.discard)

    async def _forward(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await self._flowing.wait()
            target_reader, target_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        try:
            directions = [
                asyncio.create_task(self._copy(reader, target_writer)),
                asyncio.create_task(self._copy(target_reader, writer)),
            ]
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for direction in directions:
                    direction.cancel()
                await asyncio.gather(*directions, return_exceptions=True)
        finally:
            for end in (writer, target_writer):
                end.transport.abort()

    async def _copy(self, reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def tcp_proxy(host: str, port: int, *, listen_on: int = 0) -> AsyncIterator[TcpProxy]:
    """Run a proxy to that address, on a free port unless one is given."""
    proxy = TcpProxy(host, port)
    proxy.port = listen_on
    await proxy.mend()
    try:
        yield proxy
    finally:
        await proxy.cut()
