"""uvicorn, as this service needs it: open event streams end when the process is asked to stop."""

import socket
from collections.abc import Callable

import uvicorn


class StreamEndingServer(uvicorn.Server):
    """Ends open event streams first of all when it is asked to stop.

    They would never end by themselves, and uvicorn tells an application of a stop only when every response has.
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then wait for the responses under way."""
        self._end_streams()
        await super().shutdown(sockets)
