"""Fixtures that every test may use."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.databases import (
    DatabaseKind,
    NewDatabase,
    postgres_container,
    postgres_database,
    sqlite_database,
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The administrator's URL of a PostgreSQL server that lives as long as the test session."""
    with postgres_container() as url:
        yield url


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDatabase]:
    """Makes empty databases of either kind, gone after the test."""
    with ExitStack() as stack:

        def make(kind: DatabaseKind) -> str:
            if kind == "sqlite":
                return sqlite_database(tmp_path)
            # Asked for here, so that tests on SQLite start no container.
            return stack.enter_context(postgres_database(request.getfixturevalue("postgres")))

        yield make


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.docker)])
def database_kind(request: pytest.FixtureRequest) -> DatabaseKind:
    """Runs the test once on each kind of database."""
    kind: DatabaseKind = request.param
    return kind


@pytest.fixture
def database_url(new_database: NewDatabase, database_kind: DatabaseKind) -> str:
    """DATABASE_URL of an empty database; the test runs once on each kind."""
    return new_database(database_kind)
