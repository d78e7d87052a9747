"""The console script `mcp-todo-server`."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from mcp_todo_server.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from mcp_todo_server.database import Database

STOP_SECONDS: Final = 10
"""Longest time that requests under way may take once the server is asked to stop."""
TOKEN_DAYS_MAX: Final = 3650
_WRONG_SETTINGS: Final = 2
_STOPPED: Final = 128 + signal.SIGTERM
"""Exit code of work that a signal cut short, as a shell would put it."""
_SECONDS_PER_DAY: Final = 86_400


@click.group(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "MCP_TODO_SERVER",
        "show_default": True,
    }
)
@click.version_option(package_name="mcp-todo-server")
def main() -> None:
    """Todo tasks for MCP clients. Every setting is an environment variable; see the documentation."""


@main.command()
@click.option("--host", allow_from_autoenv=False, help="Address to listen on.  [env: HOST; default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    allow_from_autoenv=False,
    help="Port to listen on.  [env: PORT; default: 8001]",
)
def serve(host: str | None, port: int | None) -> None:
    """Serve MCP over HTTP at /mcp, for many users with bearer tokens."""
    settings = _settings(host=host, port=port)
    try:
        _ = settings.signing_secret
    except SettingsError as error:
        _fail(str(error), _WRONG_SETTINGS)
    # uvicorn raises the signal again once it has stopped: asked to stop and stopped is a success.
    _run(_serve(settings), stopped_code=0)


@main.command()
@click.option("--user", default="local", show_envvar=True, help="The user whose tasks they are.")
def stdio(user: str) -> None:
    """Serve MCP over standard input and output, for one local user.

    Tasks are kept in the platform's folder for application data, unless DATABASE_URL is set.
    """
    settings = _settings()
    url = settings.database_url if "database_url" in settings.model_fields_set else _local_database_url()
    _run(_stdio(_checked_user(user), url, settings.database_pool_size), stopped_code=0)


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date. Safe to run at any time, also by several at once."""
    from mcp_todo_server import schema

    _run(schema.migrate(_settings().database_url))


@main.command()
@click.option("--user", required=True, show_envvar=True, help="The user that the token stands for.")
@click.option(
    "--days",
    type=click.IntRange(1, TOKEN_DAYS_MAX),
    default=90,
    show_envvar=True,
    help="How long the token is good.",
)
@click.option("--read-only", is_flag=True, show_envvar=True, help="Let the token read tasks and change nothing.")
@click.option(
    "--revoke", is_flag=True, show_envvar=True, help="Instead, refuse every token issued to the user until now."
)
def token(user: str, days: int, *, read_only: bool, revoke: bool) -> None:
    """Print a personal token, for Claude Desktop and other clients that are given one."""
    settings = _settings()
    user = _checked_user(user)
    if revoke:
        _run(_revoke(user, settings))
        return
    from todo_chat_shared import tokens

    try:
        secret = settings.signing_secret
    except SettingsError as error:
        _fail(str(error), _WRONG_SETTINGS)
    scopes = (tokens.SCOPE_READ,) if read_only else tokens.ALL_SCOPES
    click.echo(
        tokens.mint(
            secret,
            user,
            audience=tokens.MCP_AUDIENCE,
            scopes=scopes,
            lifetime_seconds=days * _SECONDS_PER_DAY,
        )
    )


async def _serve(settings: Settings) -> None:
    import uvicorn

    from mcp_todo_server.app import configure_logging, http_app

    configure_logging()
    database = await _open(settings.database_url, settings.database_pool_size)
    try:
        config = uvicorn.Config(
            http_app(settings, database),
            host=settings.host,
            port=settings.port,
            # The stricter of uvicorn's parsers: it refuses malformed header values.
            http="h11",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        await uvicorn.Server(config).serve()
    finally:
        await database.close()


async def _stdio(user: str, url: str, pool_size: int) -> None:
    from mcp_todo_server.app import configure_logging, run_stdio

    configure_logging()
    database = await _open(url, pool_size)
    # The thread that reads standard input cannot be interrupted, and a commit is durable or has not happened.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: os._exit(0))
    try:
        await run_stdio(database, user)
    finally:
        await database.close()


async def _revoke(user: str, settings: Settings) -> None:
    from mcp_todo_server.users.service import UserService

    database = await _open(settings.database_url, 1)
    try:
        valid_from = await UserService(database).revoke_tokens(user)
    finally:
        await database.close()
    click.echo(f"tokens of {user} issued before {valid_from.isoformat()} are refused", err=True)


async def _open(url: str, pool_size: int) -> "Database":
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


def _run(work: Coroutine[Any, Any, None], *, stopped_code: int = _STOPPED) -> None:
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
        _fail(str(error))
    except DatabaseError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        _fail(f"the database of DATABASE_URL does not answer: {reason}")
    except OSError as error:
        if error.filename is None:
            raise
        # The folder of a SQLite file that cannot be made.
        _fail(f"DATABASE_URL: {error.strerror}: {error.filename}", _WRONG_SETTINGS)


def _settings(**overrides: Any) -> Settings:
    try:
        return load_settings(**overrides)
    except SettingsError as error:
        _fail(str(error), _WRONG_SETTINGS)


def _checked_user(user: str) -> str:
    from todo_chat_shared.tokens import USER_ID_MAX_CHARS

    if not user.strip() or not user.isprintable() or len(user) > USER_ID_MAX_CHARS:
        _fail(f"--user must be a text of 1 to {USER_ID_MAX_CHARS} printable characters", _WRONG_SETTINGS)
    return user


def _local_database_url() -> str:
    from platformdirs import user_data_path

    # A client starts this in a folder of its own choosing, so the file cannot be relative to that.
    path: Path = user_data_path("mcp-todo-server", appauthor=False) / "todo.db"
    return f"sqlite:///{path}"


def _fail(message: str, code: int = 1) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(code)
