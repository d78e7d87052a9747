"""Resources and prompts over HTTP, in both eras, as clients read them."""

import datetime as dt
import json
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from mcp import Client, MCPError
from mcp.types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)
from todo_chat_shared.tokens import SCOPE_READ, SCOPE_WRITE

from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.services import Service
from tests.support.tokens import mcp_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASKS, TODAY, TASK = "todo://tasks", "todo://today", "todo://tasks/{task_id}"
ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
NOT_FOUND = {"legacy": -32002, "2026-07-28": INVALID_PARAMS}
"""The codes that MCP 2025-11-25 and 2026-07-28 give a resource that does not exist."""


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return cast("dict[str, Any]", result.structured_content)


async def read(client: Client, uri: str) -> dict[str, Any]:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    payload: dict[str, Any] = json.loads(content.text)
    return payload


async def prompt(client: Client, name: str, **arguments: str) -> str:
    (message,) = (await client.get_prompt(name, arguments)).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text


async def completed(client: Client, reference: PromptReference | ResourceTemplateReference, **typed: str) -> list[str]:
    ((name, value),) = typed.items()
    completion = (await client.complete(reference, {"name": name, "value": value})).completion
    assert completion.has_more is False
    return completion.values


def far_from_midnight(*zones: str) -> str:
    """Return the first of these zones in which today does not end within the hour, and so not during the test."""
    return next(zone for zone in zones if dt.datetime.now(ZoneInfo(zone)).hour < 23)


@ERAS
async def test_what_there_is_to_read(server: Service, token: str, mode: str) -> None:
    async with mcp_client(server.mcp_url, token, mode) as client:
        resources = {each.uri: each for each in (await client.list_resources()).resources}
        (template,) = (await client.list_resource_templates()).resource_templates
    assert {TASKS, TODAY} <= set(resources)
    assert template.uri_template == TASK
    for each in (resources[TASKS], resources[TODAY], template):
        assert each.mime_type == "application/json"
        assert each.title
        assert each.description
        assert each.annotations is not None
        assert each.annotations.audience == ["user", "assistant"]


@ERAS
async def test_resources_hold_what_the_tools_answer(server: Service, token: str, mode: str) -> None:
    async with mcp_client(server.mcp_url, token, mode) as client:
        zone = far_from_midnight("Asia/Tokyo", "Asia/Kolkata")
        await call(client, "set_timezone", timezone=zone)
        today = dt.datetime.now(ZoneInfo(zone)).date()
        for title, due in (("late", -3), ("now", 0), ("soon", 1)):
            await call(client, "add_task", title=title, due=str(today + dt.timedelta(days=due)))
        await call(client, "add_task", title="some day", tags=["home"])
        await call(client, "add_task", title="done", due=str(today))
        done = await call(client, "complete_task", task_id=5)
        assert await read(client, TASKS) == await call(client, "list_tasks")
        assert [task["title"] for task in (await read(client, TODAY))["tasks"]] == ["late", "now"]
        assert await read(client, f"{TASKS}/4") == await call(client, "get_task", task_id=4)
        assert await read(client, f"{TASKS}/5") == done


async def test_a_long_list_is_cut_and_says_how_to_read_on(server: Service, token: str) -> None:
    async with mcp_client(server.mcp_url, token) as client:
        for _ in range(3):
            await call(client, "batch_tasks", add=[{"title": "x", "due": "2020-02-02"} for _ in range(40)])
        for uri in (TASKS, TODAY):
            first = await read(client, uri)
            assert first["more"]["tool"] == "list_tasks"
            rest = await call(client, "list_tasks", **first["more"]["arguments"])
            numbers = [task["task_id"] for page in (first, rest) for task in page["tasks"]]
            assert (len(first["tasks"]), sorted(numbers)) == (100, list(range(1, 121)))
            assert "next_cursor" not in rest


@ERAS
async def test_what_does_not_exist_is_not_found(server: Service, token: str, user: str, mode: str) -> None:
    async with mcp_client(server.mcp_url, mcp_token(f"other-{user}"), mode) as other:
        await call(other, "add_task", title="somebody else's")
    async with mcp_client(server.mcp_url, token, mode) as client:
        for uri in (f"{TASKS}/1", f"{TASKS}/0", f"{TASKS}/x", f"{TASKS}/01", f"{TASKS}/{2**63}", "todo://nothing"):
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            assert refused.value.error.code == NOT_FOUND[mode]
            assert refused.value.error.data == {"uri": uri}


@ERAS
async def test_a_token_that_may_not_read_reads_nothing(server: Service, user: str, mode: str) -> None:
    async with mcp_client(server.mcp_url, mcp_token(user, scopes=[SCOPE_WRITE]), mode) as client:
        reference = ResourceTemplateReference(uri=TASK)
        for attempt in (
            lambda: client.read_resource(TASKS),
            lambda: client.read_resource(f"{TASKS}/1"),
            lambda: client.get_prompt("plan_my_day"),
            lambda: client.complete(reference, {"name": "task_id", "value": ""}),
        ):
            with pytest.raises(MCPError, match="lacks the scope tasks:read") as refused:
                await attempt()
            assert refused.value.error.code == INVALID_REQUEST
    async with mcp_client(server.mcp_url, mcp_token(user, scopes=[SCOPE_READ]), mode) as client:
        assert (await read(client, TASKS))["tasks"] == []


@ERAS
async def test_numbers_complete_by_number_and_by_title(server: Service, token: str, mode: str) -> None:
    reference = ResourceTemplateReference(uri=TASK)
    async with mcp_client(server.mcp_url, token, mode) as client:
        for title in ("Milk", "milkshake", "buy milk", "100 % wool", "ÄPFEL"):
            await call(client, "add_task", title=title)
        await call(client, "batch_tasks", add=[{"title": "x"}] * 8)
        await call(client, "add_task", title="milk that is done")
        await call(client, "complete_task", task_id=14)
        assert await completed(client, reference, task_id="MIL") == ["1", "2", "3"]
        assert await completed(client, reference, task_id="äp") == ["5"]
        assert await completed(client, reference, task_id="1") == ["1", "10", "11", "12", "13", "4"]
        assert await completed(client, reference, task_id="100 %") == ["4"]
        assert await completed(client, reference, task_id="%") == ["4"]
        assert await completed(client, reference, task_id="_") == []
        assert await completed(client, reference, task_id="x" * 1000) == []
        for digits in (19, 20, 100_000):
            assert await completed(client, reference, task_id="9" * digits) == []
        assert await completed(client, reference, task_id="a\0b") == []
        assert len(await completed(client, reference, task_id="")) == 13
        assert await completed(client, reference, title="m") == []
        assert await completed(client, ResourceTemplateReference(uri="todo://x/{task_id}"), task_id="") == []
        await call(client, "batch_tasks", add=[{"title": "y"}] * 100)
        many = (await client.complete(reference, {"name": "task_id", "value": ""})).completion
        assert (len(many.values), many.has_more) == (100, True)


@ERAS
async def test_a_focus_completes_to_priorities_and_ones_own_tags(
    server: Service, token: str, user: str, mode: str
) -> None:
    async with mcp_client(server.mcp_url, mcp_token(f"other-{user}"), mode) as other:
        await call(other, "add_task", title="x", tags=["hidden"])
    async with mcp_client(server.mcp_url, token, mode) as client:
        await call(client, "add_task", title="x", tags=["Home", "garden"])
        await call(client, "add_task", title="x", tags=["home", "harbour"])
        for name in ("plan_my_day", "weekly_review"):
            reference = PromptReference(name=name)
            everything = await completed(client, reference, focus="")
            assert everything[:4] == ["urgent", "high", "normal", "low"]
            # Of two spellings of a tag, one is offered.
            assert [value.lower() for value in everything[4:]] == ["garden", "harbour", "home"]
            some = await completed(client, reference, focus="H")
            assert [value.lower() for value in some] == ["high", "harbour", "home"]
        assert await completed(client, PromptReference(name="nothing"), focus="") == []


@ERAS
async def test_a_prompts_calls_work_as_they_stand(server: Service, token: str, mode: str) -> None:
    async with mcp_client(server.mcp_url, token, mode) as client:
        assert {each.name for each in (await client.list_prompts()).prompts} == {"plan_my_day", "weekly_review"}
        zone = far_from_midnight("Pacific/Kiritimati", "Pacific/Tongatapu")
        await call(client, "set_timezone", timezone=zone)
        today = dt.datetime.now(ZoneInfo(zone)).date()
        for name in ("plan_my_day", "weekly_review"):
            for focus in ("", "high", 'ho"me\\', "{today}"):
                text = await prompt(client, name, **({"focus": focus} if focus else {}))
                assert f"Today is {today:%A}, {today}." in text
                calls = [line.partition("Call list_tasks with ")[2] for line in text.splitlines()]
                calls = [call for call in calls if call]
                assert calls
                for line in calls:
                    arguments, _ = json.JSONDecoder().raw_decode(line)
                    await call(client, "list_tasks", **arguments)
                    assert focus in {"", arguments.get("tag"), arguments.get("priority")}


@ERAS
async def test_a_wrong_prompt_is_refused_by_name(server: Service, token: str, mode: str) -> None:
    async with mcp_client(server.mcp_url, token, mode) as client:
        for name, arguments, message in (
            ("nothing", {}, "Unknown prompt: nothing"),
            ("plan_my_day", {"mood": "x"}, "Unknown arguments of plan_my_day: mood"),
            ("plan_my_day", {"focus": "x" * 51}, "focus must have at most 50 characters"),
            ("weekly_review", {"focus": "a\nb"}, "focus must not hold control characters"),
        ):
            with pytest.raises(MCPError, match=message) as refused:
                await client.get_prompt(name, arguments)
            assert refused.value.error.code == INVALID_PARAMS
    assert "Traceback" not in server.log


async def test_lists_may_be_kept_by_anybody_and_tasks_by_nobody(server: Service, token: str) -> None:
    async with mcp_client(server.mcp_url, token, "2026-07-28") as client:
        for listed in (
            await client.list_tools(),
            await client.list_prompts(),
            await client.list_resources(),
            await client.list_resource_templates(),
        ):
            assert (listed.ttl_ms, listed.cache_scope) == (300_000, "public")
        tasks = await client.read_resource(TASKS)
        assert (tasks.ttl_ms, tasks.cache_scope) == (0, "private")
