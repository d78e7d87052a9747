"""The database: PostgreSQL through psycopg, or a SQLite file. Transactions and times mean the same on both."""

import asyncio
import datetime as dt
import select
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import psycopg
import sqlalchemy
from sqlalchemy import Dialect, Double, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import registry
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import DateTime, TypeDecorator
from sqlmodel import SQLModel

Connection = AsyncConnection
"""What repositories work on: one connection, inside the transaction that a service has opened."""

WAIT_SECONDS: Final = 5
"""Longest wait for a free pool connection, for PostgreSQL to accept one, and for SQLite's write lock."""
STATEMENT_SECONDS: Final = 10
"""Longest time that one statement may take on PostgreSQL."""
TRANSACTION_SECONDS: Final = 8
"""Longest time from asking for a connection to the transaction's end, even where the server says nothing at all.
(psycopg then takes up to ten more to give the connection up.)"""

_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite+aiosqlite"}
_WRITES: Final = "chat_writes"
_SNAPSHOT: Final[dict[str, Any]] = {"isolation_level": "REPEATABLE READ"}
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


class Table(SQLModel, registry=registry()):
    """Base of this service's tables. Their metadata is their own: a process may hold other tables too."""


def table_of(model: type[Table]) -> sqlalchemy.Table:
    """Return the table behind a model. Statements over it skip the ORM, which would double their cost."""
    return Table.metadata.tables[str(model.__tablename__)]


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


class epoch_now(FunctionElement[float]):  # noqa: N801 - a SQL function, named as SQLAlchemy names them
    """The database's own clock, in seconds since the epoch: leases are written and compared by it alone."""

    type = Double()
    inherit_cache = True


@compiles(epoch_now, "postgresql")
def _epoch_now_postgresql(_element: epoch_now, _compiler: SQLCompiler, **_: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(epoch_now, "sqlite")
def _epoch_now_sqlite(_element: epoch_now, _compiler: SQLCompiler, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


class DatabaseUnavailableError(Exception):
    """The database does not answer; the transaction, if there was one, may be sent again."""


class ConnectionLostError(DatabaseUnavailableError):
    """A connection was found dead before COMMIT was sent: nothing was written, and a new one may well work."""


class Database:
    """The service's connections. They are taken for one transaction and never held across an outward call."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine: Final = create_engine(url, pool_size=pool_size)
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        self._writing_engine = self.engine.execution_options(**{_WRITES: True})
        self._reading_engine = self.engine if self._is_sqlite else self.engine.execution_options(**_SNAPSHOT)
        self._autocommit_engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        # SQLite's own waiting for its one write lock is a lottery that a busy service can lose for too long;
        # within this process writers therefore queue.
        self._writers = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads alone, all of which see the same.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        with _unavailable():
            async with asyncio.timeout(TRANSACTION_SECONDS), self._reading_engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads that need no transaction around them, which would be two round trips more.

        On PostgreSQL each statement sees what is committed when it begins; on SQLite all see the same.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        if self._is_sqlite:
            async with self.reading() as connection:
                yield connection
        else:
            async with self._autocommitting() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A connection in one transaction: committed at the end, rolled back where an exception leaves it.

        Raises:
            ConnectionLostError: The connection is dead, and nothing was written.
            DatabaseUnavailableError: The database does not answer.
        """
        with _unavailable():
            async with (
                asyncio.timeout(TRANSACTION_SECONDS),
                self._turn_to_write(),
                self._writing_engine.begin() as connection,
            ):
                with _lost_before_commit():
                    yield connection

    def _turn_to_write(self) -> AbstractAsyncContextManager[None]:
        return self._writers if self._is_sqlite else nullcontext()

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one writing statement, which is its own transaction: one round trip instead of three.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        if self._is_sqlite:
            async with self.writing() as connection:
                yield connection
        else:
            async with self._autocommitting() as connection:
                yield connection

    @asynccontextmanager
    async def _autocommitting(self) -> AsyncIterator[AsyncConnection]:
        with _unavailable():
            async with asyncio.timeout(TRANSACTION_SECONDS), self._autocommit_engine.connect() as connection:
                yield connection

    async def ping(self) -> None:
        """Ask the database something.

        Raises:
            DatabaseUnavailableError: It does not answer.
        """
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


@contextmanager
def _lost_before_commit() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise ConnectionLostError from error
        raise


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (PoolTimeoutError, TimeoutError) as error:
        raise DatabaseUnavailableError from error
    except DBAPIError as error:
        # SQLite calls a wrong statement operational too, by this name.
        wrong = getattr(error.orig, "sqlite_errorname", None) == "SQLITE_ERROR"
        if error.connection_invalidated or (isinstance(error, (OperationalError, InterfaceError)) and not wrong):
            raise DatabaseUnavailableError from error
        raise


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
        hide_parameters=True,  # they are users' words, and errors are logged
        connect_args=arguments,
    )
    event.listen(engine.sync_engine, "checkout", _replace_if_closed)
    return engine


def _replace_if_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool replace a connection that a restarted database has dropped.

    A server says nothing on an idle connection unless it ends it, so one that has something to read is gone. That
    is known without the round trip of a ping, which would come before every transaction.
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
        hide_parameters=True,
        connect_args={"timeout": WAIT_SECONDS},
    )

    def configure(connection: Any, _record: object) -> None:
        # Python's driver begins transactions by guessing from the statement; here `begin` below decides.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")
        cursor.execute(f"PRAGMA foreign_keys = {'OFF' if for_migration else 'ON'}")
        cursor.close()

    def begin(connection: sqlalchemy.Connection) -> None:
        # A transaction that reads and then writes must hold the write lock while it reads: otherwise it
        # decides on what another one is just changing, or fails at its first write.
        writes = for_migration or connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine.sync_engine, "connect", configure)
    event.listen(engine.sync_engine, "begin", begin)
    return engine
