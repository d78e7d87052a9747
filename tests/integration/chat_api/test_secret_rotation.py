"""The shared secret is replaced while people talk: no token stops working and no message fails.

The order is the one in docs/operations.md: the todo server learns the new secret first, since chat-api signs with it
from its own restart on.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.chat_api.conftest import ChatUser, as_user
from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.databases import NewDatabase
from tests.support.problems import problem
from tests.support.services import Service, running_chat_api, running_todo_server
from tests.support.tokens import SECRET, mcp_token

RESTART_SECONDS = 60
"""Longest time that a restart may take on a machine busy with other tests."""
NEW_SECRET = "the-next-secret-of-the-tests-0123456789"
OLD = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_SECRET_PREVIOUS": ""}
BOTH = {"BETTER_AUTH_SECRET": NEW_SECRET, "BETTER_AUTH_SECRET_PREVIOUS": SECRET}
NEW = {"BETTER_AUTH_SECRET": NEW_SECRET, "BETTER_AUTH_SECRET_PREVIOUS": ""}


@pytest.fixture
async def todo(new_database: NewDatabase) -> AsyncIterator[Service]:
    """A todo server that a test restarts with other secrets."""
    async with running_todo_server(new_database("sqlite"), **OLD) as service:
        yield service


@pytest.fixture
async def chat(new_database: NewDatabase, todo: Service) -> AsyncIterator[Service]:
    """A chat-api that a test restarts with other secrets, and that waits for the todo server's restarts."""
    patience = {"TOOL_TIMEOUT_SECONDS": str(RESTART_SECONDS), "RUNS_PER_MINUTE": "1000"}
    async with running_chat_api(new_database("sqlite"), todo.mcp_url, **OLD, **patience) as service:
        yield service


async def restart(service: Service, secrets: dict[str, str]) -> None:
    """Restart a service as an operator does who has changed its secrets."""
    service.environment.update(secrets)
    await service.stop()
    await service.restart()


async def talking(user: ChatUser, stop: asyncio.Event) -> int:
    """Add tasks one after the other until told to stop; returns how many."""
    added = 0
    while not stop.is_set():
        answer = await user.say(f"Add a task to water plant {added}")
        assert [call["tool_name"] for call in answer["tool_calls"]] == ["add_task"]
        added += 1
    return added


async def tasks(todo: Service, secret: str) -> int:
    """Count ann's tasks with a personal token."""
    async with mcp_client(todo.mcp_url, mcp_token("ann", secret=secret)) as client:
        listed = await client.call_tool("list_tasks", {"limit": 100})
    assert listed.structured_content is not None
    return len(listed.structured_content["tasks"])


async def test_nobody_notices_that_the_secret_is_replaced(todo: Service, chat: Service) -> None:
    async with as_user(chat, "ann") as old_ann, as_user(chat, "ann", secret=NEW_SECRET) as new_ann:
        old_ann.http.timeout = httpx.Timeout(2 * RESTART_SECONDS)
        stop = asyncio.Event()
        talk = asyncio.create_task(talking(old_ann, stop))
        await restart(todo, BOTH)
        await asyncio.sleep(1)
        stop.set()
        added = await talk
        assert added > 0
        assert await tasks(todo, SECRET) == await tasks(todo, NEW_SECRET) == added

        # Until chat-api has heard of the new secret, the front end must not sign with it.
        assert (await new_ann.send("hello")).status_code == 401
        await restart(chat, BOTH)
        for ann in (old_ann, new_ann):
            assert (await ann.say("Add a task to buy milk"))["tool_calls"] != []
        assert await tasks(todo, SECRET) == added + 2

        await restart(chat, NEW)
        await restart(todo, NEW)
        assert (await old_ann.send("hello")).status_code == 401
        assert (await new_ann.say("Add a task to buy milk"))["tool_calls"] != []
        assert await tasks(todo, NEW_SECRET) == added + 3


async def test_a_secret_may_be_announced_before_it_signs(todo: Service, chat: Service) -> None:
    await restart(todo, {**OLD, "BETTER_AUTH_SECRET_PREVIOUS": NEW_SECRET})
    await restart(chat, BOTH)
    async with as_user(chat, "ann", secret=NEW_SECRET) as ann:
        assert (await ann.say("Add a task to buy milk"))["tool_calls"] != []


async def test_in_the_wrong_order_messages_fail_and_go_on_once_it_is_mended(todo: Service, chat: Service) -> None:
    await restart(chat, BOTH)
    async with as_user(chat, "ann") as ann:
        failed = problem(await ann.send("Add a task to buy milk"), 503, "todo-server-unavailable")
        assert "both need the same BETTER_AUTH_SECRET" in chat.log
        await restart(todo, BOTH)
        retried = await ann.http.post(f"/api/ann/runs/{failed['run_id']}/retry")
        assert retried.status_code == 200, retried.text
        assert [call["tool_name"] for call in retried.json()["tool_calls"]] == ["add_task"]
    assert await tasks(todo, SECRET) == 1
