"""Who hears of changes of tasks, how soon, and what of it survives a restart of the todo server."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress

import httpx
import pytest
from chat_api.agent.todo_changes import FOLLOWERS_MAX
from todo_chat_shared.tokens import LEEWAY_SECONDS

from tests.integration.chat_api.bridge.conftest import (
    CHANGED,
    WAIT_SECONDS,
    Changes,
    called,
    following,
    opening,
    outside,
    titles,
)
from tests.integration.chat_api.conftest import ChatUser, OpenClient, as_user
from tests.support.databases import NewDatabase
from tests.support.openai_stub import Call, OpenAIStub, Say
from tests.support.problems import problem
from tests.support.services import Service, running_chat_api, running_todo_server
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON_SECONDS = 1.0
"""Seconds within which a change is told, where nothing holds the machine up."""
QUIET_SECONDS = 1.5
"""What has not been told by then is not told."""
BACK_SECONDS = 10.0
"""Seconds within which changes are told again after the todo server's return, on a machine busy with other tests."""


async def nothing_is_told(changes: Changes) -> None:
    with pytest.raises(TimeoutError):
        await changes.told(QUIET_SECONDS)


async def test_a_stream_is_what_proxies_let_through(ann: ChatUser) -> None:
    async with following(ann) as changes:
        headers = changes.response.headers
        assert headers["Content-Type"].partition(";")[0] == "text/event-stream"
        assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-cache, no-transform", "no")


async def test_changes_by_another_mcp_client_are_told_within_a_second(todo: Service, ann: ChatUser) -> None:
    took = []
    async with outside(todo, ann.user_id) as claude, following(ann) as changes:
        for tool, arguments in (
            ("add_task", {"title": "milk"}),
            ("update_task", {"task_id": 1, "title": "bread"}),
            ("complete_task", {"task_id": 1}),
            ("delete_task", {"task_id": 1}),
        ):
            result = await claude.call_tool(tool, arguments)
            assert not result.is_error
            called_at = time.monotonic()
            await changes.told()
            took.append(time.monotonic() - called_at)
    # A busy machine may hold up the one or the other.
    assert sorted(took)[len(took) // 2] < SOON_SECONDS, took


async def test_changes_in_one_tab_are_told_in_all_of_them(ann: ChatUser, client: OpenClient) -> None:
    again = await client(ann.user_id)
    async with following(ann) as here, following(again) as there:
        await called(again, "add_task", title="milk")
        await asyncio.gather(here.told(), there.told())


async def test_what_the_chat_does_is_told(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(Call("add_task", {"title": "milk"}), Say("Added."))
    async with following(ann) as changes:
        await ann.say("add milk")
        await changes.told()


async def test_two_users_never_hear_each_other(ann: ChatUser, client: OpenClient) -> None:
    bob = await client(f"{ann.user_id}-bob")
    async with following(ann) as anns, following(bob) as bobs:
        await called(ann, "add_task", title="ann's")
        await anns.told()
        await nothing_is_told(bobs)
    async with following(bob) as bobs:
        await called(bob, "add_task", title="bob's")
        await bobs.told()


async def test_a_read_changes_nothing_that_would_be_told(ann: ChatUser) -> None:
    async with following(ann) as changes:
        await titles(ann)
        await nothing_is_told(changes)


async def test_nobody_follows_another_users_tasks(ann: ChatUser, chat: Service) -> None:
    problem(await ann.get("../someone-else/mcp/changes"), 403, "forbidden")
    async with httpx.AsyncClient(base_url=chat.base_url, trust_env=False) as stranger:
        problem(await stranger.get(f"/api/{ann.user_id}/mcp/changes"), 401, "unauthenticated")


async def test_a_user_may_follow_so_many_times_and_no_more(ann: ChatUser) -> None:
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(following(ann)) for _ in range(FOLLOWERS_MAX)]
        refused = await ann.get("mcp/changes")
        problem(refused, 429, "too-many-streams")
        assert int(refused.headers["Retry-After"]) > 0
        await called(ann, "add_task", title="milk")
        await asyncio.gather(*(tab.told() for tab in tabs))

    async def there_is_room() -> bool:
        async with ann.http.stream("GET", f"/api/{ann.user_id}/mcp/changes") as response:
            return response.status_code == httpx.codes.OK

    # Those that were closed make room, as soon as the service has heard of it.
    await until(there_is_room)


async def test_the_stream_ends_with_its_token(chat: Service, user_id: str) -> None:
    lasted = 0.0
    for seconds in (2, 8, 32):  # on a busy machine a token may end before the stream has begun
        # Within the leeway for clocks, an expired token is still a good one.
        async with as_user(chat, user_id, lifetime_seconds=seconds - LEEWAY_SECONDS) as user:
            began = time.time()
            with suppress(AssertionError):
                async with following(user) as changes:
                    await changes.ended(seconds + WAIT_SECONDS)
                    lasted = time.time() - began
        if lasted:
            break
    assert lasted > seconds - 1.1, "a token's times are whole seconds"


async def test_one_listening_serves_all_tabs_and_ends_with_the_last(new_database: NewDatabase) -> None:
    async with (
        running_todo_server(new_database("sqlite")) as todo,
        tcp_proxy("127.0.0.1", todo.port) as proxy,
        running_chat_api(new_database("sqlite"), f"http://127.0.0.1:{proxy.port}/mcp") as chat,
        as_user(chat, "ann") as ann,
        as_user(chat, "bob") as bob,
    ):
        async with following(ann), following(bob):
            async with following(ann), following(ann):
                # The service looked whether the todo server answers, and that connection idles for a while.
                await until(lambda: proxy.connections == 2)
            await asyncio.sleep(0.5)
            assert proxy.connections == 2
        await until(lambda: proxy.connections == 0)
        # And all the same, a tab that comes later is told.
        async with following(ann) as changes:
            await called(ann, "add_task", title="milk")
            await changes.told()


async def test_a_restart_of_the_todo_server_misses_nothing(new_database: NewDatabase) -> None:
    async with (
        running_todo_server(new_database("sqlite")) as todo,
        running_chat_api(new_database("sqlite"), todo.mcp_url) as chat,
        as_user(chat, "ann") as ann,
        as_user(chat, "bob") as bob,
        following(ann) as anns,
        following(bob) as bobs,
    ):
        for stop in (todo.stop, todo.kill):
            await stop()
            await asyncio.sleep(1)
            await todo.restart()
            # Something may have been missed.
            await asyncio.gather(anns.told(BACK_SECONDS), bobs.told(BACK_SECONDS))
            async with outside(todo, "ann") as claude:
                await claude.call_tool("add_task", {"title": "milk"})
            await anns.told()
        assert "Traceback" not in chat.log


async def test_changes_can_be_followed_before_the_todo_server_is_there(new_database: NewDatabase) -> None:
    async with running_todo_server(new_database("sqlite")) as todo:
        await todo.stop()
        async with (
            running_chat_api(new_database("sqlite"), todo.mcp_url) as chat,
            as_user(chat, "ann") as ann,
            opening(ann) as changes,
        ):
            await nothing_is_told(changes)
            await todo.restart()
            await changes.told(BACK_SECONDS)
            assert chat.log.count("changes of tasks are not told at the moment") == 1


async def test_a_network_that_swallows_what_is_sent_ends_nobodys_stream(new_database: NewDatabase) -> None:
    async with (
        running_todo_server(new_database("sqlite")) as todo,
        tcp_proxy("127.0.0.1", todo.port) as proxy,
        running_chat_api(new_database("sqlite"), f"http://127.0.0.1:{proxy.port}/mcp") as chat,
        as_user(chat, "ann") as ann,
        as_user(chat, "bob") as bob,
        following(ann) as anns,
        following(bob) as bobs,
    ):
        await proxy.cut()
        await nothing_is_told(anns)
        await proxy.mend()
        await asyncio.gather(anns.told(BACK_SECONDS), bobs.told(BACK_SECONDS))
        await called(bob, "add_task", title="milk")
        await bobs.told()
        await nothing_is_told(anns)


async def test_open_streams_do_not_keep_the_process_from_stopping(new_database: NewDatabase) -> None:
    async with (
        running_todo_server(new_database("sqlite")) as todo,
        running_chat_api(new_database("sqlite"), todo.mcp_url) as chat,
        as_user(chat, "ann") as ann,
        following(ann) as changes,
    ):
        assert await chat.stop() == 0
        await changes.ended()
        # What uvicorn says of what it had to cancel when its patience was over.
        assert "graceful shutdown exceeded" not in chat.log


async def test_a_change_is_one_event_and_says_no_more_than_where_to_look(ann: ChatUser) -> None:
    async with following(ann) as changes:
        await called(ann, "add_task", title="a secret")
        async with asyncio.timeout(WAIT_SECONDS):
            assert await changes.line() == CHANGED
