"""A long batch tells its client how far it is, where the client asks for that and the transport can carry it."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.server.mcpserver import Context
from mcp_todo_server.tasks import progress as progress_module
from mcp_todo_server.tasks.progress import LAST_WORDS_SECONDS, progress

from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.services import Service, clean_environment

MODERN = "2026-07-28"


def titles(count: int) -> dict[str, Any]:
    return {"add": [f"task {number}" for number in range(count)]}


async def heard_by(client: Client, items: int) -> list[tuple[float, float | None]]:
    news: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        news.append((progress, total))

    result = await client.call_tool("batch_tasks", titles(items), progress_callback=hear)
    assert not result.is_error
    return news


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("era", [MODERN, "legacy"])
async def test_every_tenth_item_and_the_last_are_told_over_http(server: Service, token: str, era: str) -> None:
    async with mcp_client(server.mcp_url, token, era) as client:
        assert await heard_by(client, 25) == [(10, 25), (20, 25), (25, 25)]
        assert await heard_by(client, 100) == [(number, 100) for number in range(10, 101, 10)]


@pytest.mark.parametrize("era", [MODERN, "legacy"])
async def test_and_over_standard_input_and_output(tmp_path: Path, era: str) -> None:
    parameters = StdioServerParameters(
        command=str(Path(sys.executable).parent / "mcp-todo-server"),
        args=["stdio"],
        env=clean_environment(HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path)),
    )
    with (tmp_path / "stderr.log").open("a") as errors:
        async with Client(stdio_client(parameters, errlog=errors), mode=era) as client:
            assert await heard_by(client, 25) == [(10, 25), (20, 25), (25, 25)]


@pytest.mark.asyncio(loop_scope="module")
async def test_who_does_not_ask_or_takes_no_event_stream_gets_the_answer_alone(server: Service, token: str) -> None:
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "batch_tasks", "arguments": titles(25), "_meta": meta}
    headers = {
        "Authorization": f"Bearer {token}",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "batch_tasks",
    }
    async with httpx2.AsyncClient(trust_env=False) as http:
        for accept, asks in (("application/json, text/event-stream", False), ("application/json", True)):
            if asks:
                meta["progressToken"] = "p"
            response = await http.post(
                server.mcp_url,
                json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
                headers={**headers, "Accept": accept},
            )
            assert response.headers["content-type"] == "application/json"
            assert len(response.json()["result"]["structuredContent"]["add"]) == 25


class Deaf:
    """A call's context whose client reads nothing."""

    async def report_progress(self, done: float, total: float | None = None) -> None:
        await asyncio.Event().wait()


async def test_a_client_that_does_not_read_holds_the_work_up_not_at_all_and_the_answer_only_shortly() -> None:
    async with asyncio.timeout(20):
        async with progress(cast("Context[Any, Any]", Deaf())) as reached:
            for number in range(1, 101):
                reached(number, 100)
                await asyncio.sleep(0)
            worked_until = time.monotonic()
        assert time.monotonic() - worked_until >= LAST_WORDS_SECONDS


async def test_work_that_fails_waits_for_no_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "LAST_WORDS_SECONDS", 3600)

    async def failing_work() -> None:
        async with progress(cast("Context[Any, Any]", Deaf())) as reached:
            reached(10, 100)
            raise ConnectionError

    async with asyncio.timeout(20):
        with pytest.raises(ConnectionError):
            await failing_work()
