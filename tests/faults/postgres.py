"""PostgreSQL in a container, which can be killed and started again."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import docker
import psycopg
from docker.errors import DockerException
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.faults.proxies import Address
from tests.support.databases import POSTGRES_IMAGE

POSTGRES_SECONDS: Final = 20
"""Longest time until it answers after a start."""


class NoEngineError(Exception):
    """No Docker engine answers."""


class Postgres:
    """A PostgreSQL server in a container, which can be killed and started again."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self.admin = make_url(container.get_connection_url())
        # Remembered, because the engine is asked with a blocking call.
        self._port = int(self.admin.port or 0)

    def address(self) -> Address:
        """Where it listens: another port after each start."""
        return str(self.admin.host), self._port

    def url(self, database: str) -> URL:
        """Return the direct address of a database."""
        host, port = self.address()
        return self.admin.set(host=host, port=port, database=database)

    def create(self, database: str) -> None:
        """Make an empty database."""
        with psycopg.connect(url_text(self.admin), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))

    async def restart(self, seconds_down: float) -> None:
        """Kill it and start it again."""
        wrapped = self._container.get_wrapped_container()
        await asyncio.to_thread(wrapped.kill)
        await asyncio.sleep(seconds_down)
        await asyncio.to_thread(wrapped.start)
        await asyncio.to_thread(wrapped.reload)
        self._port = int(await asyncio.to_thread(self._container.get_exposed_port, 5432))
        for _ in range(int(POSTGRES_SECONDS / 0.05)):
            try:
                connection = await psycopg.AsyncConnection.connect(url_text(self.url("postgres")), connect_timeout=2)
            except psycopg.OperationalError:
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return
        raise AssertionError(f"PostgreSQL is not back after {POSTGRES_SECONDS} s")


@asynccontextmanager
async def running_postgres() -> AsyncIterator[Postgres]:
    """Run a PostgreSQL server.

    Raises:
        NoEngineError: There is no Docker engine to run it.
    """
    try:
        await asyncio.to_thread(lambda: docker.from_env(timeout=10).ping())
    except (DockerException, OSError) as error:
        raise NoEngineError(f"the fault suite needs a Docker engine, and none answers ({error})") from None
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.community.postgres import PostgresContainer

    # What is committed has to outlive a killed server, not a power cut.
    command = "postgres -c fsync=off -c full_page_writes=off -c max_connections=200"
    container = PostgresContainer(POSTGRES_IMAGE, driver=None).with_command(command)
    try:
        await asyncio.to_thread(container.start)
        yield Postgres(container)
    finally:
        await asyncio.to_thread(container.stop)


def url_text(url: URL) -> str:
    """Return a URL with its password."""
    return url.render_as_string(hide_password=False)
