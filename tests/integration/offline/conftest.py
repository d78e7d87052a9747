"""A migrated database for all conversations of a test session; each has a user of its own."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from mcp_todo_server.schema import migrate

from tests.integration.offline.todo_list import TodoList, open_list

OpenList = Callable[[], AbstractAsyncContextManager[TodoList]]


@pytest.fixture(scope="session")
def todo_database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a SQLite database that is up to date."""
    url = f"sqlite:///{tmp_path_factory.mktemp('offline') / 'todo.db'}"
    asyncio.run(migrate(url))
    return url


@pytest.fixture
def opened(todo_database: str, request: pytest.FixtureRequest) -> OpenList:
    """Opens an empty list of a user who exists in this test alone.

    The test enters it itself: the client's tasks have to end in the task that began them.
    """
    # Numbered, because names of tests can be longer than a user's may be.
    user_id = f"user-{request.session.items.index(request.node)}"
    return lambda: open_list(todo_database, user_id)
