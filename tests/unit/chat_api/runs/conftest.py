"""Fixtures of the tests of runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chat_api import schema

from tests.unit.chat_api.runs.processes import FaultyDatabase


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[FaultyDatabase]:
    """A SQLite file, without faults so far."""
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    await schema.migrate(url)
    database = FaultyDatabase(url)
    yield database
    await database.close()
