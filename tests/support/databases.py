"""Fresh databases for tests: files for SQLite, one PostgreSQL container that holds a database per test."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NoReturn

import docker
import psycopg
import pytest
from docker.errors import DockerException
from psycopg import sql
from sqlalchemy.engine import make_url

DatabaseKind = Literal["sqlite", "postgresql"]
NewDatabase = Callable[[DatabaseKind], str]
"""Makes an empty database and returns its DATABASE_URL."""

POSTGRES_IMAGE: Final = os.environ.get("POSTGRES_IMAGE", "postgres:17-alpine")


def engine_missing(reason: str) -> NoReturn:
    """End the test: skipped by name, or failed where REQUIRE_DOCKER=1 promises a Docker engine."""
    message = f"needs a Docker engine: {reason}"
    if os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(f"{message} (REQUIRE_DOCKER=1)", pytrace=False)
    pytest.skip(message)


def require_docker() -> None:
    """Return if a Docker engine answers, else end the test."""
    try:
        client = docker.from_env(timeout=10)
    except DockerException as error:
        engine_missing(f"none answers ({error})")
    try:
        client.ping()
    except (DockerException, OSError) as error:
        engine_missing(f"none answers ({error})")
    finally:
        client.close()


@contextmanager
def postgres_container() -> Iterator[str]:
    """Run a PostgreSQL server; the value is the URL of its administrator."""
    require_docker()
    # The fixture stops the container itself; the reaper would be one more image to pull.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer(POSTGRES_IMAGE, driver=None).with_command(
        # Nothing here has to outlive a power cut.
        "postgres -c fsync=off -c full_page_writes=off -c max_connections=300"
    )
    with container:
        yield container.get_connection_url()


@contextmanager
def postgres_database(server_url: str) -> Iterator[str]:
    """Make a database of its own on the server, and drop it afterwards with whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def sqlite_database(folder: Path) -> str:
    """Return the URL of a file that does not exist yet."""
    return f"sqlite:///{folder / f'{uuid.uuid4().hex}.db'}"
