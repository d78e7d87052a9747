"""A real process and a real MCP client, in both eras of the protocol and on each kind of database."""

import asyncio
import json
import uuid
from typing import Any

import jsonschema
import pytest
from mcp_todo_server.tasks.tools import TOOLS

from tests.integration.mcp_todo_server.conftest import effect_meta, mcp_client
from tests.support.services import Service, running_todo_server
from tests.support.tokens import mcp_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

ERAS = pytest.mark.parametrize("era", ["2026-07-28", "legacy"])


@ERAS
async def test_every_tool_does_its_work_and_keeps_to_its_schema(server: Service, token: str, era: str) -> None:
    async with mcp_client(server.mcp_url, token, era) as client:
        schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
        assert set(schemas) == {spec.name for spec in TOOLS}
        calls: list[tuple[str, dict[str, Any], str | None]] = [
            ("add_task", {"title": "Buy milk", "due": "2026-12-24", "tags": ["home"], "description": "two"}, "open"),
            ("get_task", {"task_id": 1}, "open"),
            ("update_task", {"task_id": 1, "due_at": "2026-12-24T17:00:00+01:00", "priority": "high"}, "open"),
            ("complete_task", {"task_id": 1}, "completed"),
            ("reopen_task", {"task_id": 1}, "open"),
            ("delete_task", {"task_id": 1}, "deleted"),
            ("restore_task", {"task_id": 1}, "open"),
            ("list_tasks", {"limit": 1}, None),
            ("batch_tasks", {"add": [{"title": "Buy bread"}], "complete": [1, 99]}, None),
            ("set_timezone", {"timezone": "Europe/Berlin"}, None),
        ]
        assert {tool for tool, _, _ in calls} == set(schemas)
        for tool, arguments, status in calls:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content
            assert result.structured_content is not None
            schema = schemas[tool]
            assert schema is not None
            jsonschema.validate(result.structured_content, schema)
            assert json.loads(result.model_dump()["content"][0]["text"]) == result.structured_content
            assert result.structured_content.get("status") == status


@ERAS
async def test_a_refusal_reaches_the_model_as_it_was_written(server: Service, token: str, era: str) -> None:
    async with mcp_client(server.mcp_url, token, era) as client:
        result = await client.call_tool("add_task", {"title": "x", "due": "next week"})
        assert result.is_error
        assert result.model_dump()["content"][0]["text"] == ('due must be a date such as "2026-12-24"; got "next week"')
        unknown = await client.call_tool("drop_tables", {})
        assert unknown.is_error


@ERAS
async def test_the_effect_key_in_meta_makes_a_repeat_harmless(server: Service, token: str, era: str) -> None:
    meta = effect_meta(f"{uuid.uuid4()}/0/0")
    async with mcp_client(server.mcp_url, token, era) as client:
        results = await asyncio.gather(*(client.call_tool("add_task", {"title": "x"}, meta=meta) for _ in range(20)))
        assert len({result.model_dump()["content"][0]["text"] for result in results}) == 1
        listed = await client.call_tool("list_tasks", {})
        assert listed.structured_content is not None
        assert len(listed.structured_content["tasks"]) == 1


async def test_two_users_on_one_server_have_each_their_own_list(server: Service, token: str, user: str) -> None:
    async with (
        mcp_client(server.mcp_url, token) as ann,
        mcp_client(server.mcp_url, mcp_token(f"other-{user}")) as bob,
    ):
        await ann.call_tool("add_task", {"title": "Ann's own"})
        listed = await bob.call_tool("list_tasks", {"status": "all"})
        assert listed.structured_content is not None
        assert listed.structured_content["tasks"] == []
        assert (await bob.call_tool("get_task", {"task_id": 1})).is_error


@ERAS
async def test_a_token_that_may_only_read_reads(server: Service, user: str, era: str) -> None:
    async with mcp_client(server.mcp_url, mcp_token(user), era) as writer:
        await writer.call_tool("add_task", {"title": "x"})
    async with mcp_client(server.mcp_url, mcp_token(user, scopes=["tasks:read"]), era) as reader:
        assert not (await reader.call_tool("get_task", {"task_id": 1})).is_error
        for spec in TOOLS:
            if not spec.reads_only:
                refused = await reader.call_tool(spec.name, {"task_id": 1})
                assert refused.is_error
                assert "lacks the scope tasks:write" in refused.model_dump()["content"][0]["text"]
    async with mcp_client(server.mcp_url, mcp_token(user, scopes=[]), era) as nobody:
        refused = await nobody.call_tool("list_tasks", {})
        assert "lacks the scope tasks:read" in refused.model_dump()["content"][0]["text"]


async def test_a_killed_server_has_lost_nothing_and_repeats_nothing(module_database_url: str, token: str) -> None:
    meta = effect_meta(f"{uuid.uuid4()}/0/0")
    async with running_todo_server(module_database_url) as service:
        async with mcp_client(service.mcp_url, token) as client:
            first = await client.call_tool("add_task", {"title": "x"}, meta=meta)
        await service.kill()
        await service.restart()
        async with mcp_client(service.mcp_url, token) as client:
            again = await client.call_tool("add_task", {"title": "x"}, meta=meta)
        assert again.structured_content == first.structured_content
        assert await service.stop() == 0
