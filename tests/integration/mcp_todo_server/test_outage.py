"""The database away: no call is answered as if it had an outcome, and nothing has to be restarted."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.types import INTERNAL_ERROR
from mcp_todo_server import schema
from mcp_todo_server.database import Database
from mcp_todo_server.tasks.tools import TOOLS
from sqlalchemy.engine import make_url

from tests.integration.mcp_todo_server.conftest import Clock, Todo, effect_meta, mcp_client
from tests.support.databases import NewDatabase
from tests.support.services import Service, running_todo_server
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.tokens import mcp_token

pytestmark = pytest.mark.docker

UNAVAILABLE = "temporarily unavailable; send the same call again"
PERHAPS_DONE = "temporarily unavailable; it may have been done: check with list_tasks first"


@pytest.fixture
async def proxy(new_database: NewDatabase) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy before a PostgreSQL database, and the DATABASE_URL through it."""
    url = make_url(new_database("postgresql"))
    assert url.host is not None
    assert url.port is not None
    async with tcp_proxy(url.host, url.port) as between:
        through = url.set(host="127.0.0.1", port=between.port)
        yield between, through.render_as_string(hide_password=False)


async def status(service: Service, path: str) -> int:
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        return (await http.get(f"{service.base_url}{path}")).status_code


async def outcome(client: Client, effect_key: str) -> str:
    """Send one add under a key, and say how that went."""
    try:
        result = await client.call_tool("add_task", {"title": "x"}, meta=effect_meta(effect_key))
    except MCPError as error:
        return error.error.message
    except httpx2.HTTPStatusError as error:
        return str(error.response.status_code)
    assert not result.is_error
    return "done"


async def test_a_database_that_goes_and_comes_back(proxy: tuple[TcpProxy, str]) -> None:
    between, url = proxy
    async with running_todo_server(url) as service, mcp_client(service.mcp_url, mcp_token("ann")) as client:
        assert await outcome(client, "k/0") == "done"
        await between.cut()
        assert await status(service, "/readyz") == 503
        assert await status(service, "/livez") == 200
        assert await outcome(client, "k/1") != "done"
        await between.mend()
        assert await status(service, "/readyz") == 200
        for _ in range(2):
            assert await outcome(client, "k/0") == "done"
            assert await outcome(client, "k/1") == "done"
        listed = await client.call_tool("list_tasks", {})
        assert listed.structured_content is not None
        assert [task["task_id"] for task in listed.structured_content["tasks"]] == [1, 2]
        assert "password" not in service.log


async def test_a_database_that_restarts_between_two_calls_is_not_noticed(proxy: tuple[TcpProxy, str]) -> None:
    between, url = proxy
    async with running_todo_server(url) as service, mcp_client(service.mcp_url, mcp_token("ann")) as client:
        assert await outcome(client, "k/0") == "done"
        await between.cut()
        await between.mend()
        assert await outcome(client, "k/1") == "done"


async def test_a_database_that_stops_answering_is_not_waited_for_for_ever(proxy: tuple[TcpProxy, str]) -> None:
    between, url = proxy
    async with running_todo_server(url) as service, mcp_client(service.mcp_url, mcp_token("ann")) as client:
        assert await outcome(client, "k/0") == "done"
        between.freeze()
        started = time.monotonic()
        outcomes = await asyncio.gather(*(outcome(client, f"k/{n}") for n in range(3)), status(service, "/readyz"))
        # Psycopg takes ten seconds more to give such a connection up, and chat-api gives a tool fifteen; the other
        # ten are a busy machine's. Who waited for the database would give up after thirty.
        assert time.monotonic() - started < 25, outcomes
        assert "done" not in outcomes
        assert outcomes[-1] == 503
        assert await status(service, "/livez") == 200
        await between.mend()
        assert await outcome(client, "k/0") == "done"
        assert await outcome(client, "k/1") == "done"


async def test_each_tool_without_its_database_is_an_error_of_the_protocol_not_an_answer(
    proxy: tuple[TcpProxy, str],
) -> None:
    between, url = proxy
    await schema.migrate(url)
    database = Database(url)
    todo = Todo(database, Clock())
    await todo.call("add_task", title="x")
    await between.cut()
    for spec in TOOLS:
        arguments: dict[str, Any] = {"title": "y", "task_id": 1, "complete": [1], "timezone": "Europe/Berlin"}
        known = {name: value for name, value in arguments.items() if name in spec.arguments.model_fields}
        for effect_key in (None, f"{spec.name}/0"):
            with pytest.raises(MCPError) as failure:
                await todo.call(spec.name, effect_key, **known)
            assert failure.value.error.code == INTERNAL_ERROR
            repeatable = spec.reads_only or effect_key is not None
            assert failure.value.error.message == (UNAVAILABLE if repeatable else PERHAPS_DONE)
    await between.mend()
    assert (await todo.call("get_task", task_id=1))["version"] == 1
    await database.close()
