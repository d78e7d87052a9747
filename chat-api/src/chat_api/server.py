"""Running the API: the schema first, then uvicorn."""

import asyncio
import logging
import signal
import sys
from typing import Final, NoReturn

import uvicorn

from chat_api.app import create_app
from chat_api.schema import prepare
from chat_api.settings import Settings

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SHUTDOWN_SECONDS: Final = 20
"""Time that answers under way get to end after a signal."""
QUIET_LOGGERS: Final = ("alembic.runtime.plugins", "httpx", "httpx2", "mcp", "openai")
"""They log every request, or the text of every error."""


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
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        http="auto",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)
