"""The console script: `chat-api serve | migrate | chat`."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import click

from chat_api.settings import Settings, SettingsError, load_settings

USAGE_ERROR = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chat-api")
def main() -> None:
    """Todo Chat's chat service. Every setting is an environment variable too; the README lists them."""


def _settings(**overrides: Any) -> Settings:
    try:
        return load_settings(**overrides)
    except SettingsError as error:
        raise _UsageError(str(error)) from None


class _UsageError(click.ClickException):
    """One clear line on stderr, and an exit code that says the fault is in how the command was started."""

    exit_code = USAGE_ERROR


_database_url: Callable[[Any], Any] = click.option(
    "--database-url", envvar="DATABASE_URL", help="postgresql://… or sqlite:///…"
)


@main.command()
@click.option("--host", envvar="HOST", help="Address to listen on; default 127.0.0.1.")
@click.option("--port", envvar="PORT", help="Port to listen on; default 8000.")
@_database_url
def serve(host: str | None, port: str | None, database_url: str | None) -> None:
    """Serve the API."""
    settings = _settings(host=host or None, port=port or None, database_url=database_url or None)
    # Imported here: the other commands need none of it, and it takes a second.
    from chat_api.schema import SchemaError
    from chat_api.server import run

    try:
        run(settings)
    except (SettingsError, SchemaError) as error:
        raise _UsageError(str(error)) from None


@main.command()
@_database_url
def migrate(database_url: str | None) -> None:
    """Bring the database's schema up to date. Two at once are safe."""
    settings = _settings(database_url=database_url or None)
    from chat_api.schema import SchemaError, upgrade

    try:
        asyncio.run(upgrade(settings.database_url))
    except SchemaError as error:
        raise _UsageError(str(error)) from None


@main.command()
@click.option("--url", envvar="CHAT_API_URL", default="http://127.0.0.1:8000", show_default=True)
@click.option("--token", envvar="CHAT_API_TOKEN", help="The user's JWT; the demo hands one out by itself.")
@click.option("--conversation", envvar="CHAT_API_CONVERSATION", type=click.IntRange(min=1), help="One to go on with.")
def chat(url: str, token: str | None, conversation: int | None) -> None:
    """Talk to the assistant in the terminal."""
    from chat_api.terminal import converse

    sys.exit(converse(url, token, conversation))
