"""The console script `mcp-todo-server`."""

import os
import signal
from typing import Final

import click

from mcp_todo_server.console import (
    WRONG_SETTINGS,
    checked_user,
    environment_settings,
    fail,
    local_database_url,
    open_database,
    run,
)
from mcp_todo_server.settings import Settings, SettingsError
from mcp_todo_server.transfer.commands import export_list, import_list

STOP_SECONDS: Final = 10
"""Longest time that requests under way may take once the server is asked to stop."""
TOKEN_DAYS_MAX: Final = 3650
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
    settings = environment_settings(host=host, port=port)
    try:
        _ = settings.signing_secret
    except SettingsError as error:
        fail(str(error), WRONG_SETTINGS)
    # uvicorn raises the signal again once it has stopped: asked to stop and stopped is a success.
    run(_serve(settings), stopped_code=0)


@main.command()
@click.option("--user", default="local", show_envvar=True, help="The user whose tasks they are.")
def stdio(user: str) -> None:
    """Serve MCP over standard input and output, for one local user.

    Tasks are kept in the platform's folder for application data, unless DATABASE_URL is set.
    """
    settings = environment_settings()
    run(_stdio(checked_user(user), local_database_url(settings), settings.database_pool_size), stopped_code=0)


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date. Safe to run at any time, also by several at once."""
    from mcp_todo_server import schema

    run(schema.migrate(environment_settings().database_url))


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
    settings = environment_settings()
    user = checked_user(user)
    if revoke:
        run(_revoke(user, settings))
        return
    from todo_chat_shared import tokens

    try:
        secret = settings.signing_secret
    except SettingsError as error:
        fail(str(error), WRONG_SETTINGS)
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


main.add_command(export_list)
main.add_command(import_list)


async def _serve(settings: Settings) -> None:
    import uvicorn

    from mcp_todo_server.app import configure_logging, http_app
    from mcp_todo_server.serving import StreamEndingServer

    configure_logging()
    database = await open_database(settings.database_url, settings.database_pool_size)
    try:
        app = http_app(settings, database)
        config = uvicorn.Config(
            app,
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
        await StreamEndingServer(config, app.state.feed.close).serve()
    finally:
        await database.close()


async def _stdio(user: str, url: str, pool_size: int) -> None:
    from mcp_todo_server.app import configure_logging, run_stdio

    configure_logging()
    database = await open_database(url, pool_size)
    # The thread that reads standard input cannot be interrupted, and a commit is durable or has not happened.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: os._exit(0))
    try:
        await run_stdio(database, user)
    finally:
        await database.close()


async def _revoke(user: str, settings: Settings) -> None:
    from mcp_todo_server.users.service import UserService

    database = await open_database(settings.database_url, 1)
    try:
        valid_from = await UserService(database).revoke_tokens(user)
    finally:
        await database.close()
    click.echo(f"tokens of {user} issued before {valid_from.isoformat()} are refused", err=True)
