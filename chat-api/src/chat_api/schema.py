"""The database's schema: bringing it up to date, and refusing to serve on one that is older than the code."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from chat_api.database import WAIT_SECONDS, create_engine

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.ext.asyncio import AsyncEngine

VERSION_TABLE: Final = "chat_api_version"

_MIGRATIONS: Final = Path(str(files("chat_api") / "migrations"))
_ADVISORY_LOCK: Final = 0x63686174_61706921
"""Any number, the same in every process that migrates this schema ("chatapi!" in ASCII)."""
_RETRY_SECONDS: Final = 0.05


class SchemaError(Exception):
    """This code cannot work on the database as it is. The text says what to do."""


def known_revisions() -> list[str]:
    """Return the revisions that come with this code, oldest first: a file's name begins with its revision."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def alembic_config(connection: Connection | None = None) -> "Config":
    """Return Alembic's configuration; its commands work on `connection` where one is given."""
    # Alembic takes half a second to import, which a start on an up-to-date schema need not pay.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


async def is_current(engine: "AsyncEngine") -> bool:
    """Tell whether the schema is this code's or newer: a revision unknown to the code is a newer one's."""
    async with engine.connect() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table(VERSION_TABLE)):
            return False
        revision = await connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    known = known_revisions()
    return revision is not None and (revision == known[-1] or revision not in known)


async def check_schema(engine: "AsyncEngine") -> None:
    """Return if the code can work on this schema.

    Raises:
        SchemaError: The schema is missing or older than the code, or sessions are not what the code relies on.
    """
    if not await is_current(engine):
        raise SchemaError("the database's schema is missing or too old; run: chat-api migrate")
    if engine.dialect.name == "postgresql":
        await _check_session(engine)


async def _check_session(engine: "AsyncEngine") -> None:
    """Return if PostgreSQL ends a session that stands still inside a transaction: or its locks would stay.

    Every connection asks for it at its start, and some poolers leave that out.
    """
    async with engine.connect() as connection:
        limit = await connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
    if limit == "0":
        raise SchemaError(
            "DATABASE_URL: what this service asks for at a connection's start does not arrive, as behind a pooler. "
            "Give it to the role: ALTER ROLE … SET idle_in_transaction_session_timeout = '5s' (docs/operations.md)"
        )


async def migrate(url: str) -> None:
    """Bring the schema up to date. Any number of processes may do so at once: one works, the others wait."""
    engine = create_engine(url, pool_size=2, for_migration=True)
    try:
        if engine.dialect.name == "sqlite":
            await _enter_wal(engine)
            if not await is_current(engine):
                upgrade = _upgrading()
                async with engine.begin() as connection:  # BEGIN IMMEDIATE is the lock
                    await connection.run_sync(upgrade)
        else:
            async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as lock:
                # Held by the session, on a connection of its own: a migration may well commit in between.
                await lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
                if not await is_current(engine):
                    async with engine.begin() as connection:
                        await connection.run_sync(_upgrading())
                await lock.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
    finally:
        await engine.dispose()


async def upgrade(url: str) -> None:
    """`migrate`, for commands: a database that does not answer is said in one line.

    Raises:
        SchemaError: The database does not answer.
    """
    with _explained():
        await migrate(url)


async def prepare(url: str) -> None:
    """Make sure that this code can work on the schema: SQLite's is brought up to date, PostgreSQL's is checked.

    Raises:
        SchemaError: The schema is missing or older than the code, or the database does not answer.
    """
    if url.startswith("sqlite"):
        await upgrade(url)
        return
    engine = create_engine(url, pool_size=1)
    try:
        with _explained():
            await check_schema(engine)
    finally:
        await engine.dispose()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        # Not the driver's text: it can hold the whole URL.
        kind = type(error.orig if isinstance(error, DBAPIError) else error).__name__
        raise SchemaError(
            f"DATABASE_URL: the database does not let this service in ({kind}); "
            "is it up, is the URL right, and may its user use it?"
        ) from error
    except OSError as error:
        if error.filename is None:
            raise
        # The folder of a SQLite file cannot be made.
        raise SchemaError(f"DATABASE_URL: {error.strerror}: {error.filename}") from error


def _upgrading() -> Callable[[Connection], None]:
    """Return what brings a schema up to date.

    Alembic is imported here and not by what is returned: for SQLite's lock others wait no longer than `WAIT_SECONDS`.
    """
    from alembic import command

    alembic_config()
    return lambda connection: command.upgrade(alembic_config(connection), "head")


async def _enter_wal(engine: "AsyncEngine") -> None:
    """Turn write-ahead logging on, which the file remembers.

    The switch needs the file for itself and does not wait for it, unlike everything else in SQLite.
    """
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while True:
        try:
            async with engine.connect() as connection:
                await connection.run_sync(_set_wal)
            return
        except (OperationalError, sqlite3.OperationalError):  # the second where the pragma itself is refused
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(_RETRY_SECONDS)


def _set_wal(connection: Connection) -> None:
    # On the driver's own connection, since the pragma does nothing inside a transaction.
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()
