"""The command line of the npm package @modelcontextprotocol/inspector, which is strict about schemas."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from mcp_todo_server.tasks.tools import TOOLS

from tests.support.databases import sqlite_database
from tests.support.mcp_packages import McpPackages, packages
from tests.support.services import Service, running_todo_server
from tests.support.tokens import mcp_token

__all__ = ["packages"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES: Final = {spec.name for spec in TOOLS}
STDIO: Final = (str(Path(sys.executable).parent / "mcp-todo-server"), "stdio")
ADD: Final = ("--tool-name", "add_task", "--tool-arg", "title=Buy milk")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The real server over HTTP."""
    async with running_todo_server(sqlite_database(tmp_path_factory.mktemp("inspector"))) as running:
        yield running


@pytest.fixture(params=["http", "stdio"])
def target(request: pytest.FixtureRequest, user: str, tmp_path: Path) -> tuple[str, ...]:
    """How the inspector reaches the server, over each transport."""
    if request.param == "stdio":
        return (*STDIO, "-e", f"HOME={tmp_path}", "-e", f"XDG_DATA_HOME={tmp_path}")
    url = request.getfixturevalue("service").mcp_url
    return ("--server-url", url, "--transport", "http", "--header", f"Authorization: Bearer {mcp_token(user)}")


async def inspect(packages: McpPackages, home: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """Return what the inspector prints, and what it complains of."""
    variables = {"HOME": str(home)}
    code, output, errors = await packages.run("mcp-inspector", "--cli", *arguments, **variables)
    assert code == 0, errors
    answer: dict[str, Any] = json.loads(output)
    return answer, errors


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_no_schema_is_found_fault_with_and_a_tool_can_be_called(
    packages: McpPackages, target: tuple[str, ...], tmp_path: Path, era: str
) -> None:
    reach = (*target, "--protocol-era", era)
    listed, complaints = await inspect(packages, tmp_path, *reach, "--method", "tools/list", "--strict")
    assert {tool["name"] for tool in listed["tools"]} == NAMES
    if target[0] != STDIO[0]:  # there the server's own log is among them
        assert complaints == ""
    added, _ = await inspect(packages, tmp_path, *reach, "--method", "tools/call", *ADD)
    assert added["structuredContent"]["title"] == "Buy milk"
