"""Databases: PostgreSQL through psycopg, or a SQLite file. Transactions and times mean the same on both."""

import asyncio
import datetime as dt
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Dialect, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.exc import SQLAlchemyError as DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import registry
from sqlalchemy.types import DateTime, TypeDecorator
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession as Session

__all__ = [
    "Database",
    "DatabaseError",
    "Session",
    "Table",
    "UtcDateTime",
    "check_url",
    "create_engine",
    "insert_into",
    "utc_now",
]

WAIT_SECONDS: Final = 5
"""Longest wait for a free pool connection, for PostgreSQL to accept one, and for SQLite's write lock."""
STATEMENT_SECONDS: Final = 10
"""Longest time that one statement may take on PostgreSQL."""

_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite+aiosqlite"}
_WRITES: Final = "todo_writes"
_POSTGRESQL_LIMITS: Final = {
    "connect_timeout": WAIT_SECONDS,
    # A server that vanished without closing its connections is noticed instead of being waited for.
    "keepalives_idle": WAIT_SECONDS,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": STATEMENT_SECONDS * 1000,
}
# A process that is stopped inside a transaction must not hold its locks against everybody else.
_POSTGRESQL_SESSION: Final = (
    f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s -c idle_in_transaction_session_timeout={WAIT_SECONDS}s"
)


def utc_now() -> dt.datetime:
    """Return this machine's time."""
    return dt.datetime.now(dt.UTC)


class Table(SQLModel, registry=registry()):
    """Base of this service's tables. Their metadata is their own: a process may hold other tables too."""


def insert_into(table: type[Table], dialect: str) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that can say what happens on a conflict, in the words of that dialect."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An instant: aware on the way in, aware and UTC on the way out, whichever database keeps it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Refuse a naive time, which means a different instant to every reader."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a zone")
        utc = value.astimezone(dt.UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Give the zone back that SQLite cannot keep."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Database:
    """The service's connections. Sessions are opened per use case and never outlive it."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine: Final = create_engine(url, pool_size=pool_size)
        self.is_sqlite: Final = self.engine.dialect.name == "sqlite"
        # A file's connections begin transactions by themselves.
        self._reading_engine = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._writing_engine = self.engine.execution_options(**{_WRITES: True})
        # SQLite's own waiting for its one write lock is a lottery that a busy service can lose for too long;
        # within this process writers therefore queue.
        self._writers = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """A session for reads alone.

        On PostgreSQL there is no transaction around them, which would be two round trips more: each statement sees
        what is committed when it begins. On SQLite all see the same.
        """
        async with Session(self._reading_engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Session]:
        """A session in one transaction: committed at the end, rolled back where an exception leaves it."""
        if self.is_sqlite:
            async with self._writers, self._transaction() as session:
                yield session
        else:
            async with self._transaction() as session:
                yield session

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Session]:
        async with Session(self._writing_engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def ping(self) -> None:
        """Ask the database something; raises where it does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def check_url(url: str) -> None:
    """Return if `url` is one that an engine can be made for; whether a database answers there is not asked.

    Raises:
        ValueError: It is not. The text holds nothing of it but the name of an unknown option.
    """
    try:
        parsed = make_url(url)
    except (ValueError, ArgumentError):
        raise ValueError("is not a database's address") from None
    if parsed.get_backend_name() == "sqlite":
        if ":memory:" in (parsed.database or "") or parsed.query.get("mode") == "memory":
            raise ValueError("must name a file: a database in memory is gone between two connections")
        return
    if "[" in (parsed.host or ""):
        raise ValueError("is not a database's address")
    try:
        make_conninfo(**dict.fromkeys(parsed.query, ""))
    except ProgrammingError as error:
        raise ValueError(f"is not a database's address: {str(error).strip()}") from None


def create_engine(url: str, *, pool_size: int = 10, for_migration: bool = False) -> AsyncEngine:
    """Return an engine for a `postgresql://` or `sqlite:///` URL; a SQLite file's folder is made.

    An engine `for_migration` takes SQLite's write lock in every transaction, leaves foreign keys unenforced
    there (Alembic copies tables to change them) and lets statements on PostgreSQL take as long as they need.
    """
    parsed = make_url(url)
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed, pool_size, for_migration=for_migration)
    arguments: dict[str, Any] = dict(_POSTGRESQL_LIMITS)
    if not for_migration:
        own = parsed.query.get("options", "")
        arguments["options"] = f"{_POSTGRESQL_SESSION} {own if isinstance(own, str) else ' '.join(own)}".strip()
    engine = create_async_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        hide_parameters=True,  # users' texts, which errors would carry into the log
        connect_args=arguments,
    )
    event.listen(engine.sync_engine, "checkout", _replace_if_closed)
    return engine


def _replace_if_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool replace a connection that a restarted database has dropped, unnoticed by who asked for one.

    A server says nothing on an idle connection but that it ends, so one with something to read is gone. Asking the
    server instead would be one more round trip before all others.
    """
    try:
        poll = select.poll()
        poll.register(connection.driver_connection.pgconn.socket, select.POLLIN)
        gone = bool(poll.poll(0))
    except psycopg.Error:
        gone = True
    if gone:
        raise DisconnectionError


def _sqlite_engine(url: URL, pool_size: int, *, for_migration: bool) -> AsyncEngine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        hide_parameters=True,  # users' texts, which errors would carry into the log
        connect_args={"timeout": WAIT_SECONDS},
    )

    def configure(connection: Any, _record: object) -> None:
        # Python's driver begins transactions by guessing from the statement; here `begin` below decides.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")
        cursor.execute(f"PRAGMA foreign_keys = {'OFF' if for_migration else 'ON'}")
        cursor.close()

    def begin(connection: Connection) -> None:
        # A transaction that reads and then writes must hold the write lock while it reads: otherwise it
        # decides on what another one is just changing, or fails at its first write.
        writes = for_migration or connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine.sync_engine, "connect", configure)
    event.listen(engine.sync_engine, "begin", begin)
    return engine
