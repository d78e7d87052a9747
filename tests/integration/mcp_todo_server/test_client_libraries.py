"""Clients that people use, each with a list of its own: one task added, listed, completed, deleted and restored."""

import json
from asyncio import create_subprocess_exec, wait_for
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from agents.mcp import MCPServerStreamableHttp
from chat_api.agent import todo_server
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult
from mcp_todo_server.tasks.tools import TOOLS

from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.databases import sqlite_database
from tests.support.mcp_packages import MANIFESTS, McpPackages, packages
from tests.support.services import Service, running_todo_server
from tests.support.tokens import SECRET

__all__ = ["packages"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS: Final = 60
LINE_BYTES: Final = 1 << 20
NAMES: Final = {spec.name for spec in TOOLS}

Call = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a tool through a client; returns the result's structured content, or `refused` and the text of an error."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The real server, for all clients; they keep apart by their users."""
    async with running_todo_server(sqlite_database(tmp_path_factory.mktemp("clients"))) as running:
        yield running


async def keeps_a_list(call: Call) -> None:
    """Take a task through its life, with a client's eyes."""
    task = await call("add_task", {"title": "Buy milk", "due": "2026-12-24", "tags": ["home"], "priority": "high"})
    fields = {name: task[name] for name in ("title", "status", "due", "tags", "priority")}
    assert fields == {"title": "Buy milk", "status": "open", "due": "2026-12-24", "tags": ["home"], "priority": "high"}
    this = {"task_id": task["task_id"]}
    listed = await call("list_tasks", {})
    assert [(found["task_id"], found["title"]) for found in listed["tasks"]] == [(task["task_id"], "Buy milk")]
    assert (await call("complete_task", this))["status"] == "completed"
    assert (await call("list_tasks", {}))["tasks"] == []
    assert (await call("delete_task", this))["status"] == "deleted"
    assert (await call("list_tasks", {"status": "completed"}))["tasks"] == []
    assert (await call("restore_task", this))["status"] == "completed"
    assert [found["title"] for found in (await call("list_tasks", {"status": "completed"}))["tasks"]] == ["Buy milk"]
    assert "next week" in (await call("add_task", {"title": "x", "due": "next week"}))["refused"]


def answer(result: CallToolResult) -> dict[str, Any]:
    """Return what a `Call` returns."""
    content = result.model_dump()["content"]
    if result.is_error:
        return {"refused": content[0]["text"]}
    assert result.structured_content is not None
    assert json.loads(content[0]["text"]) == result.structured_content
    return dict(result.structured_content)


def calling(client: Client) -> Call:
    async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return answer(await client.call_tool(tool, arguments))

    return call


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_the_python_sdk(service: Service, token: str, era: str) -> None:
    async with mcp_client(service.mcp_url, token, era) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == NAMES
        await keeps_a_list(calling(client))


@asynccontextmanager
async def typescript(
    packages: McpPackages, generation: str, era: str, url: str, token: str, *answers: str
) -> AsyncIterator[Call]:
    """A client of the TypeScript SDK, in a process of its own; with an answer, its user can be asked."""
    process = await create_subprocess_exec(
        *("node", str(MANIFESTS / "client.mjs"), generation, era, url, token, *answers),
        cwd=packages.folder,
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_BYTES,
        env=packages.environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def read() -> dict[str, Any]:
        line = await wait_for(stdout.readline(), SECONDS)
        assert line, "the client has ended"
        message: dict[str, Any] = json.loads(line)
        return message

    async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        stdin.write(f"{json.dumps({'tool': tool, 'arguments': arguments})}\n".encode())
        return answer(CallToolResult.model_validate(await read()))

    try:
        begun = await read()
        assert set(begun["tools"]) == NAMES
        assert begun["revision"] == era
        yield call
        stdin.close()
        assert await wait_for(process.wait(), SECONDS) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("generation", "era"), [("sdk", "2025-11-25"), ("client", "2025-11-25"), ("client", "2026-07-28")]
)
async def test_the_typescript_sdk(
    service: Service, packages: McpPackages, token: str, generation: str, era: str
) -> None:
    async with typescript(packages, generation, era, service.mcp_url, token) as call:
        await keeps_a_list(call)


@pytest.mark.parametrize(("said", "status"), [("accept", "deleted"), ("decline", "open")])
async def test_the_typescript_sdk_asks_its_user_before_a_deletion(
    service: Service, packages: McpPackages, token: str, said: str, status: str
) -> None:
    async with typescript(packages, "client", "2026-07-28", service.mcp_url, token, said) as call:
        task = {"task_id": (await call("add_task", {"title": "Buy milk"}))["task_id"]}
        assert ("did not agree" in (await call("delete_task", task)).get("refused", "")) == (said == "decline")
        assert (await call("get_task", task))["status"] == status


@pytest.mark.parametrize("protocol", ["legacy", "auto"])
async def test_mcp_remote_as_claude_desktop_starts_it(
    service: Service, packages: McpPackages, token: str, tmp_path: Path, protocol: str
) -> None:
    remote = StdioServerParameters(
        command=packages.program("mcp-remote"),
        args=[service.mcp_url, "--header", "Authorization:${AUTH_HEADER}", "--protocol", protocol],
        env=packages.environment(AUTH_HEADER=f"Bearer {token}", HOME=str(tmp_path)),
        cwd=tmp_path,
    )
    log = tmp_path / "stderr.log"
    with log.open("w") as errors:
        async with Client(stdio_client(remote, errlog=errors), mode="legacy") as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == NAMES
            await keeps_a_list(calling(client))
    told = log.read_text()
    assert ("speaks MCP 2026-07-28" in told) == (protocol == "auto"), told
    assert token not in told


async def test_the_agents_sdk(service: Service, token: str) -> None:
    async with MCPServerStreamableHttp(
        {"url": service.mcp_url, "headers": {"Authorization": f"Bearer {token}"}, "timeout": SECONDS}
    ) as server:
        assert {tool.name for tool in await server.list_tools()} == NAMES

        async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
            return answer(await server.call_tool(tool, arguments))

        await keeps_a_list(call)


async def test_the_client_of_chat_api(service: Service, user: str) -> None:
    async with todo_server.connect(service.mcp_url, SECRET, SECONDS) as todo:
        assert {tool.name for tool in await todo.tools(user)} == NAMES
        keys = iter(range(100))

        async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
            outcome = await todo.call(user, tool, arguments, f"{user}/0/{next(keys)}")
            told: dict[str, Any] = json.loads(outcome.result)
            return {"refused": told["error"]} if outcome.is_error else told

        await keeps_a_list(call)
