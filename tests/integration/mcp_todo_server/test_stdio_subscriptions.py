"""Who is told of changes over standard input and output: two clients, each with its process, on one file."""

import asyncio
import time
from pathlib import Path

import pytest
from mcp import Client
from mcp.client import stdio as stdio_of_the_sdk
from mcp.client.session import IncomingMessage
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.shared.subscriptions import ResourceUpdated
from mcp.types import ResourceUpdatedNotification

from tests.integration.mcp_todo_server.conftest import stdio

pytestmark = pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning")

TASKS, TODAY = "todo://tasks", "todo://today"
AT_LAST = 20.0
"""Seconds after which nothing is told any more, on a machine that is busy with other tests."""
QUIET = 1.25


class Ear:
    """Hears what a handshake-era server tells its session."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, message: IncomingMessage) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.told.put_nowait(message.params.uri)

    async def hears(self, *uris: str) -> None:
        async with asyncio.timeout(AT_LAST):
            assert {await self.told.get() for _ in uris} == set(uris)

    async def hears_nothing(self) -> None:
        await asyncio.sleep(QUIET)
        assert self.told.empty()


async def add(client: Client, title: str) -> None:
    assert not (await client.call_tool("add_task", {"title": title})).is_error


async def test_a_session_is_told_of_what_it_subscribes_to_until_it_unsubscribes(tmp_path: Path) -> None:
    ear = Ear()
    async with (
        stdio("--user", "me", folder=tmp_path, mode="legacy", message_handler=ear) as ears,
        stdio("--user", "me", folder=tmp_path, mode="legacy") as hands,
        stdio("--user", "you", folder=tmp_path, mode="legacy") as stranger,
    ):
        assert ears.server_capabilities is not None
        assert ears.server_capabilities.resources is not None
        assert ears.server_capabilities.resources.subscribe is True
        await add(hands, "unheard")
        for uri in (TASKS, TODAY, f"{TASKS}/2", "ui://todo/tasks.html", TASKS):
            await ears.subscribe_resource(uri)
        await add(hands, "heard")
        await ear.hears(TASKS, TODAY, f"{TASKS}/2")
        await add(stranger, "somebody else's")
        await ear.hears_nothing()
        for uri in (TASKS, f"{TASKS}/2", f"{TASKS}/7"):
            await ears.unsubscribe_resource(uri)
        await add(ears, "one's own")
        await ear.hears(TODAY)
        await ear.hears_nothing()
    assert "Traceback" not in (tmp_path / "stderr.log").read_text()


async def test_an_unsubscribe_sent_right_behind_its_subscribe_counts(tmp_path: Path) -> None:
    ear = Ear()
    async with stdio("--user", "me", folder=tmp_path, mode="legacy", message_handler=ear) as client:
        for _ in range(5):
            await asyncio.gather(client.subscribe_resource(TASKS), client.unsubscribe_resource(TASKS))
        await add(client, "unheard")
        await ear.hears_nothing()
        await asyncio.gather(client.unsubscribe_resource(TASKS), client.subscribe_resource(TASKS))
        await add(client, "heard")
        await ear.hears(TASKS)


async def test_a_modern_client_listens(tmp_path: Path) -> None:
    async with (
        stdio("--user", "me", folder=tmp_path, mode="2026-07-28") as ears,
        stdio("--user", "me", folder=tmp_path, mode="legacy") as hands,
    ):
        async with ears.listen(resource_subscriptions=[TASKS]) as subscription:
            await add(hands, "heard")
            assert await asyncio.wait_for(anext(subscription), AT_LAST) == ResourceUpdated(TASKS)
        await add(ears, "the connection goes on")
    assert "Traceback" not in (tmp_path / "stderr.log").read_text()


async def test_a_process_with_a_subscription_ends_when_its_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client kills a process that has not ended so long after its input, and says so by no error.
    monkeypatch.setattr(stdio_of_the_sdk, "PROCESS_TERMINATION_TIMEOUT", AT_LAST)
    async with stdio("--user", "me", folder=tmp_path, mode="legacy") as client:
        await client.subscribe_resource(TASKS)
        leaving = time.monotonic()
    assert time.monotonic() - leaving < AT_LAST
