"""Who is told of changes of tasks over HTTP: two replicas on one database, one that tells and one that changes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import httpx2
import pytest
import pytest_asyncio
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import Subscription, SubscriptionLost
from mcp.shared.subscriptions import ResourceUpdated
from mcp_todo_server.changes.service import POLL_SECONDS, URIS_MAX, USER_SUBSCRIPTIONS_MAX
from mcp_todo_server.cli import STOP_SECONDS
from sqlalchemy.engine import make_url
from todo_chat_shared.tokens import LEEWAY_SECONDS, SCOPE_WRITE

from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.databases import NewDatabase
from tests.support.services import Service, run_command, running_todo_server
from tests.support.tcp_proxy import tcp_proxy
from tests.support.tokens import SECRET, mcp_token
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASKS, TODAY = "todo://tasks", "todo://today"
SOON = 1.0
"""Seconds within which a change is told, where nothing holds the processes up."""
AT_LAST = 20.0
"""Seconds after which nothing is told any more, on a machine that is busy with other tests."""
QUIET = 2.5 * POLL_SECONDS
"""Seconds after which what is told has been told."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other(server: Service, module_database_url: str) -> AsyncIterator[Service]:
    """A second replica on the database of `server`."""
    async with running_todo_server(module_database_url) as service:
        yield service


@dataclass(frozen=True)
class Replicas:
    """Two servers on one database, and a user's token."""

    one: Service
    another: Service
    token: str

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[tuple[Client, Client]]:
        """Clients of the same user, one at each."""
        async with (
            mcp_client(self.one.mcp_url, self.token) as ears,
            mcp_client(self.another.mcp_url, self.token) as hands,
        ):
            yield ears, hands


@pytest.fixture
def replicas(server: Service, other: Service, token: str) -> Replicas:
    """The replicas of this file, for the test's user."""
    return Replicas(server, other, token)


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return cast("dict[str, Any]", result.structured_content)


async def heard(subscription: Subscription, *uris: str) -> None:
    """Wait for just these to be told, in any order."""
    told: set[str] = set()
    async with asyncio.timeout(AT_LAST):
        while told != set(uris):
            event = await anext(subscription)
            assert isinstance(event, ResourceUpdated)
            told.add(event.uri)
            assert told <= set(uris)


async def nothing_is_heard(subscription: Subscription) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(QUIET):
            await anext(subscription)


async def test_every_change_by_another_replica_is_told_within_a_second(replicas: Replicas) -> None:
    async with replicas.clients() as (ears, hands):
        await call(hands, "add_task", title="one")
        changes: list[tuple[str, dict[str, Any]]] = [
            ("update_task", {"task_id": 1, "title": "uno"}),
            ("complete_task", {"task_id": 1}),
            ("reopen_task", {"task_id": 1}),
            ("delete_task", {"task_id": 1}),
            ("restore_task", {"task_id": 1}),
            ("batch_tasks", {"complete": [1]}),
        ]
        waits: list[float] = []
        async with ears.listen(resource_subscriptions=[TASKS, TODAY, f"{TASKS}/1"]) as subscription:
            for tool, arguments in changes:
                await call(hands, tool, **arguments)
                changed_at = time.monotonic()
                await heard(subscription, TASKS, TODAY, f"{TASKS}/1")
                waits.append(time.monotonic() - changed_at)
    # A busy machine may hold up the one or the other.
    assert sorted(waits)[len(waits) // 2] < SOON, waits


async def test_one_task_is_told_of_by_itself_and_before_it_exists(replicas: Replicas) -> None:
    async with replicas.clients() as (ears, hands):
        await call(hands, "add_task", title="one")
        async with ears.listen(resource_subscriptions=[f"{TASKS}/2"]) as subscription:
            await call(hands, "complete_task", task_id=1)
            await nothing_is_heard(subscription)
            await call(hands, "add_task", title="two")
            await heard(subscription, f"{TASKS}/2")


async def test_a_new_zone_is_told(replicas: Replicas) -> None:
    async with replicas.clients() as (ears, hands):
        await call(hands, "add_task", title="one", due="2026-11-23")
        async with ears.listen(resource_subscriptions=[TODAY]) as subscription:
            await call(hands, "set_timezone", timezone="Pacific/Auckland")
            await heard(subscription, TODAY)


async def test_nobody_hears_of_other_users_tasks(replicas: Replicas, other: Service, user: str) -> None:
    async with (
        replicas.clients() as (ears, _),
        mcp_client(other.mcp_url, mcp_token(f"other-{user}")) as stranger,
        ears.listen(resource_subscriptions=[TASKS, TODAY, f"{TASKS}/1"]) as subscription,
    ):
        await call(stranger, "add_task", title="not yours")
        await nothing_is_heard(subscription)


async def test_what_does_not_change_is_not_promised(replicas: Replicas) -> None:
    async with replicas.clients() as (ears, _):
        wanted = ["todo://nothing", f"{TASKS}/0", f"{TASKS}/007", f"{TASKS}/x", "ui://todo/tasks.html", TODAY, TODAY]
        async with ears.listen(resource_subscriptions=wanted, tools_list_changed=True) as subscription:
            assert subscription.honored.model_dump(exclude_none=True) == {"resource_subscriptions": [TODAY]}
        many = [f"{TASKS}/{number}" for number in range(1, URIS_MAX + 2)]
        async with ears.listen(resource_subscriptions=many) as subscription:
            assert subscription.honored.resource_subscriptions == many[:URIS_MAX]


async def test_many_changes_at_once_are_told_once(replicas: Replicas) -> None:
    async with replicas.clients() as (ears, hands), ears.listen(resource_subscriptions=[TASKS]) as subscription:
        await call(hands, "batch_tasks", add=[{"title": str(number)} for number in range(50)])
        await heard(subscription, TASKS)
        await nothing_is_heard(subscription)


async def test_a_stream_ends_with_its_token(server: Service, user: str) -> None:
    def ending_in(seconds: float) -> dict[str, str]:
        # The server forgives a clock that is a little off, and so it does here.
        return {"Authorization": f"Bearer {mcp_token(user, lifetime_seconds=seconds - LEEWAY_SECONDS)}"}

    async with (
        httpx2.AsyncClient(headers=ending_in(600), timeout=30, trust_env=False) as http,
        Client(streamable_http_client(server.mcp_url, http_client=http)) as client,
        AsyncExitStack() as listening,
    ):
        for seconds in (2, 8, 32):  # on a busy machine a token may end before the server gets to see it
            began = time.time()
            http.headers.update(ending_in(seconds))
            with suppress(MCPError):
                subscription = await listening.enter_async_context(client.listen(resource_subscriptions=[TASKS]))
                break
        else:
            pytest.fail("no token was good for long enough")
        async with asyncio.timeout(seconds + AT_LAST):
            with pytest.raises(StopAsyncIteration):
                await anext(subscription)
        assert time.time() - began > seconds - 1.1  # a token's times are whole seconds


async def test_a_stream_ends_when_its_token_is_revoked(replicas: Replicas, module_database_url: str, user: str) -> None:
    async with replicas.clients() as (ears, _):
        variables = {"DATABASE_URL": module_database_url, "BETTER_AUTH_SECRET": SECRET}
        async with ears.listen(resource_subscriptions=[TASKS]) as subscription:
            code, _, errors = await run_command("mcp-todo-server", "token", "--revoke", "--user", user, **variables)
            assert code == 0, errors
            async with asyncio.timeout(AT_LAST):
                with pytest.raises(StopAsyncIteration):
                    await anext(subscription)


async def test_a_token_that_may_not_read_may_not_listen(server: Service, user: str) -> None:
    async with mcp_client(server.mcp_url, mcp_token(user, scopes=[SCOPE_WRITE])) as client:
        with pytest.raises(MCPError, match="lacks the scope tasks:read"):
            async with client.listen(resource_subscriptions=[TASKS]):
                pass


async def test_one_user_cannot_take_all_streams(replicas: Replicas, server: Service, user: str) -> None:
    async with replicas.clients() as (ears, _):
        async with AsyncExitStack() as stack:
            for _ in range(USER_SUBSCRIPTIONS_MAX):
                await stack.enter_async_context(ears.listen(resource_subscriptions=[TASKS]))
            with pytest.raises(MCPError, match="too many subscriptions"):
                await stack.enter_async_context(ears.listen(resource_subscriptions=[TASKS]))
            async with mcp_client(server.mcp_url, mcp_token(f"other-{user}")) as somebody:
                await stack.enter_async_context(somebody.listen(resource_subscriptions=[TASKS]))
        async with asyncio.timeout(AT_LAST):
            while True:  # the server sees a closed stream a moment later
                try:
                    async with ears.listen(resource_subscriptions=[TASKS]):
                        return
                except MCPError:
                    await asyncio.sleep(0.1)


async def test_a_stop_ends_open_streams_at_once_and_cleanly(new_database: NewDatabase) -> None:
    async with (
        running_todo_server(new_database("sqlite")) as service,
        mcp_client(service.mcp_url, mcp_token("ann")) as client,
        client.listen(resource_subscriptions=[TASKS]) as subscription,
    ):
        started = time.monotonic()
        stopping = asyncio.create_task(service.stop())
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)
        assert await stopping == 0
        # Streams that were left to end by themselves would be waited for so long.
        assert time.monotonic() - started < STOP_SECONDS
        assert "Traceback" not in service.log


async def test_killed_replicas_cost_nothing_but_the_stream(
    replicas: Replicas, module_database_url: str, token: str
) -> None:
    async with (
        replicas.clients() as (_, hands),
        running_todo_server(module_database_url) as doomed,
        mcp_client(doomed.mcp_url, token) as client,
        client.listen(resource_subscriptions=[TASKS]) as subscription,
        hands.listen(resource_subscriptions=[TASKS]) as survivor,
    ):
        await call(client, "add_task", title="its last deed")
        await heard(subscription, TASKS)
        await doomed.kill()
        with pytest.raises(SubscriptionLost):
            await anext(subscription)
        await heard(survivor, TASKS)
        await call(hands, "add_task", title="after")
        await heard(survivor, TASKS)


@pytest.mark.docker
async def test_what_changed_while_the_database_was_away_is_told_when_it_is_back(new_database: NewDatabase) -> None:
    url = make_url(new_database("postgresql"))
    assert url.host is not None
    assert url.port is not None
    direct, token = url.render_as_string(hide_password=False), mcp_token("ann")
    async with tcp_proxy(url.host, url.port) as between, running_todo_server(direct) as other:
        through = url.set(host="127.0.0.1", port=between.port).render_as_string(hide_password=False)
        async with (
            running_todo_server(through) as service,
            mcp_client(service.mcp_url, token) as ears,
            mcp_client(other.mcp_url, token) as hands,
            ears.listen(resource_subscriptions=[TASKS]) as subscription,
        ):
            await between.cut()
            await call(hands, "add_task", title="meanwhile")
            await nothing_is_heard(subscription)
            await until(lambda: "changes are not told at the moment" in service.log)
            await between.mend()
            await heard(subscription, TASKS)
            await call(hands, "add_task", title="again")
            await heard(subscription, TASKS)
            assert "Traceback" not in service.log
            assert service.log.count("changes are not told at the moment") == 1
