"""Running the API: the schema first, then uvicorn."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from chat_api.app import create_app
from chat_api.schema import prepare
from chat_api.settings import Settings

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SHUTDOWN_SECONDS: Final = 20
"""Time that answers under way get to end after a signal."""
QUIET_LOGGERS: Final = ("alembic.runtime.plugins", "httpx", "httpx2", "mcp", "openai")
"""They log every request, or the text of every error."""


class StreamEndingServer(uvicorn.Server):
    """Ends endless streams first of all when it is asked to stop.

    uvicorn tells an application of a stop only when every response has ended.
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then wait for the responses under way."""
        self._end_streams()
        await super().shutdown(sockets)


def run(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises:
        SettingsError: A needed variable is missing.
        SchemaError: The database does not answer, or its schema is older than this code.
    """
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    app = create_app(settings)
    asyncio.run(prepare(settings.database_url))
    # uvicorn raises the signal again once it has stopped: asked to stop and stopped is a success.
    signal.signal(signal.SIGTERM, _end)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http="auto",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = StreamEndingServer(config, lambda: app.state.task_changes.close())
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)
