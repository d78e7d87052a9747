"""Both services, and a Better Auth whose users they serve."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.better_auth import BetterAuth, Person, running_better_auth
from tests.support.databases import sqlite_database
from tests.support.services import Service, running_chat_api, running_todo_server


@pytest.fixture(scope="session")
def npm_cache(request: pytest.FixtureRequest) -> pytest.Cache:
    """pytest's own cache, where packages outlive the tests."""
    found = request.config.cache
    assert found is not None
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["EdDSA"])
async def better_auth(request: pytest.FixtureRequest, npm_cache: pytest.Cache) -> AsyncIterator[BetterAuth]:
    """A Better Auth for all tests of a file; do not kill it. A file may ask for other algorithms of its keys."""
    async with running_better_auth(npm_cache, request.param) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def todo(better_auth: BetterAuth, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A todo server that takes its users' tokens; no database makes a difference to that."""
    database_url = sqlite_database(tmp_path_factory.mktemp("todo"))
    async with running_todo_server(database_url, **better_auth.variables) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(
    better_auth: BetterAuth, todo: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """A chat-api that takes its users' tokens."""
    database_url = sqlite_database(tmp_path_factory.mktemp("chat"))
    async with running_chat_api(database_url, todo.mcp_url, **better_auth.variables) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def ann(better_auth: BetterAuth) -> AsyncIterator[Person]:
    """Somebody who has signed up."""
    async with better_auth.somebody() as person:
        yield person
