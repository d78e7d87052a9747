"""mcp-todo-server stdio, started by a real MCP client as Claude Desktop starts it."""

import asyncio
import datetime as dt
import json
import signal
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_todo_server import schema
from mcp_todo_server.database import Database
from mcp_todo_server.effects.models import EffectRow
from mcp_todo_server.tasks.tools import TOOLS
from mcp_todo_server.upkeep.service import EFFECTS_KEPT
from sqlmodel import select

from tests.integration.mcp_todo_server.conftest import PROGRAM, stdio
from tests.support.services import clean_environment, migrate

INITIALIZE: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def database_files(folder: Path) -> list[str]:
    """Return where databases stand below the user's data folder."""
    data = folder / "data"
    return sorted(str(path.relative_to(data)) for path in data.rglob("*.db"))


async def titles(client: Client) -> list[str]:
    listed = await client.call_tool("list_tasks", {})
    assert listed.structured_content is not None
    return [task["title"] for task in listed.structured_content["tasks"]]


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_tasks_are_kept_in_the_users_data_folder_without_any_setting(tmp_path: Path, mode: str) -> None:
    async with stdio("--user", "me", folder=tmp_path, mode=mode) as client:
        assert len((await client.list_tools()).tools) == len(TOOLS)
        assert not (await client.call_tool("add_task", {"title": "kept"})).is_error
    async with stdio("--user", "me", folder=tmp_path, mode=mode) as client:
        assert await titles(client) == ["kept"]
    async with stdio("--user", "somebody-else", folder=tmp_path, mode=mode) as client:
        assert await titles(client) == []
    assert database_files(tmp_path) == ["mcp-todo-server/todo.db"]


async def test_two_clients_start_at_once_on_a_file_that_does_not_exist(tmp_path: Path) -> None:
    async def session(name: str) -> None:
        async with stdio("--user", "me", folder=tmp_path) as client:
            for number in range(10):
                result = await client.call_tool("add_task", {"title": f"{name} {number}"})
                assert not result.is_error, result.content

    await asyncio.gather(session("one"), session("two"))
    async with stdio("--user", "me", folder=tmp_path) as client:
        assert len(await titles(client)) == 20


async def test_a_database_of_ones_own_is_used(tmp_path: Path, database_url: str) -> None:
    if database_url.startswith("postgresql"):
        await migrate("mcp-todo-server", database_url)
    for _ in range(2):
        async with stdio("--user", "me", folder=tmp_path, DATABASE_URL=database_url) as client:
            await client.call_tool("add_task", {"title": "there"})
    async with stdio("--user", "me", folder=tmp_path, DATABASE_URL=database_url) as client:
        assert await titles(client) == ["there", "there"]
    assert database_files(tmp_path) == []


async def test_old_effect_keys_are_gone_after_a_start(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/todo.db")
    now = dt.datetime.now(dt.UTC)
    keys: list[str] = []
    await schema.migrate(f"sqlite:///{tmp_path}/todo.db")
    async with database.writing() as session:
        for key, age in (("old", EFFECTS_KEPT + dt.timedelta(minutes=1)), ("young", dt.timedelta(days=7))):
            session.add(EffectRow(user_id="me", effect_key=key, request_hash="h", result="{}", created_at=now - age))
    async with stdio(folder=tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/todo.db"), asyncio.timeout(20):
        while keys != ["young"]:
            await asyncio.sleep(0.02)
            async with database.reading() as reading:
                keys = list((await reading.exec(select(EffectRow.effect_key))).all())
    await database.close()


async def started(folder: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        PROGRAM,
        "stdio",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(HOME=str(folder), XDG_DATA_HOME=str(folder)),
        cwd=folder,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_while_its_input_is_open(tmp_path: Path, number: signal.Signals) -> None:
    process = await started(tmp_path)
    assert process.stdin is not None
    assert process.stdout is not None
    initialize = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    process.stdin.write(json.dumps(initialize).encode() + b"\n")
    await asyncio.wait_for(process.stdout.readline(), 30)
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), 20) == 0
    assert process.stderr is not None
    assert b"Traceback" not in await process.stderr.read()


async def test_nothing_but_the_protocol_stands_on_standard_output(tmp_path: Path) -> None:
    process = await started(tmp_path)
    assert process.stdin is not None
    assert process.stdout is not None
    messages: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "add_task", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/list"},
    ]
    lines: list[dict[str, Any]] = []
    for message in messages:
        process.stdin.write(json.dumps(message).encode() + b"\n")
        await process.stdin.drain()
        if "id" in message:
            lines.append(json.loads(await asyncio.wait_for(process.stdout.readline(), 30)))
    process.stdin.close()
    rest, _ = await asyncio.wait_for(process.communicate(), 20)
    assert rest == b""
    assert [line["id"] for line in lines] == [1, 2, 3]
    assert process.returncode == 0
