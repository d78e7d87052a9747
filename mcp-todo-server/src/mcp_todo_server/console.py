"""What the commands of the console script have in common: settings, the database, and how they end."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from mcp_todo_server.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from mcp_todo_server.database import Database

WRONG_SETTINGS: Final = 2
_STOPPED: Final = 128 + signal.SIGTERM
"""Exit code of work that a signal cut short, as a shell would put it."""


async def open_database(url: str, pool_size: int) -> "Database":
    """Return the database, with a schema that this code can work on."""
    from mcp_todo_server import schema
    from mcp_todo_server.database import Database

    if url.startswith("sqlite"):
        await schema.migrate(url)
    database = Database(url, pool_size=pool_size)
    try:
        await schema.check_schema(database.engine)
    except BaseException:
        await database.close()
        raise
    return database


def run(work: Coroutine[Any, Any, None], *, stopped_code: int = _STOPPED) -> None:
    """Run to the end, or with `stopped_code` to a SIGTERM.

    What an operator has to put right ends with one line, not with a traceback.
    """
    from mcp_todo_server.database import DatabaseError
    from mcp_todo_server.schema import SchemaError

    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(stopped_code))
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        sys.exit(130)
    except SchemaError as error:
        fail(str(error))
    except DatabaseError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        fail(f"the database of DATABASE_URL does not answer: {reason}")
    except OSError as error:
        if error.filename is None:
            raise
        # The folder of a SQLite file that cannot be made.
        fail(f"DATABASE_URL: {error.strerror}: {error.filename}", WRONG_SETTINGS)


def environment_settings(**overrides: Any) -> Settings:
    """Read the settings; wrong ones end the command."""
    try:
        return load_settings(**overrides)
    except SettingsError as error:
        fail(str(error), WRONG_SETTINGS)


def checked_user(user: str) -> str:
    """Return the user that a command is for; one that cannot be ends it."""
    from todo_chat_shared.tokens import USER_ID_MAX_CHARS

    if not user.strip() or not user.isprintable() or len(user) > USER_ID_MAX_CHARS:
        fail(f"--user must be a text of 1 to {USER_ID_MAX_CHARS} printable characters", WRONG_SETTINGS)
    return user


def local_database_url(settings: Settings) -> str:
    """Return the database of a command for one local user: without DATABASE_URL, it is in their data folder."""
    if "database_url" in settings.model_fields_set:
        return settings.database_url
    from platformdirs import user_data_path

    # A client starts this in a folder of its own choosing, so the file cannot be relative to that.
    path: Path = user_data_path("mcp-todo-server", appauthor=False) / "todo.db"
    return f"sqlite:///{path}"


def fail(message: str, code: int = 1) -> NoReturn:
    """End the command with one line on standard error."""
    click.echo(f"error: {message}", err=True)
    sys.exit(code)
