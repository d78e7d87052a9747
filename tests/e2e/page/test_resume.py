"""What happens to an answer and to words not yet sent when the page, the network or the service goes away."""

import asyncio
import uuid
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Route, expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.stage import Stage, running_stage
from tests.integration.chat_api.conftest import REQUEST_SECONDS, running_chat
from tests.support.databases import NewDatabase
from tests.support.openai_stub import OpenAIStub, Say
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = "One two three four five six seven eight."
HALF = "One two three four"
NO_NETWORK = ("net::ERR_",)
"""What the browser says of each request that nothing answers."""


async def begin(chat: Chat, stub: OpenAIStub, hold: asyncio.Event) -> None:
    """Send a message whose answer stands still in its middle."""
    stub.reply(Say(COUNT, hold=hold))
    await chat.say("count")
    await expect(chat.answer).to_have_text(HALF)


async def begin_for_ever(chat: Chat, stub: OpenAIStub) -> None:
    """The same, where the answer stands still in its middle however often the model is asked.

    A lease of two seconds may run out while its process is only held up; the run then begins another attempt.
    """
    stub.answer = lambda _: Say(COUNT, hold=asyncio.Event())
    await chat.say("count")
    await expect(chat.answer).to_have_text(HALF)


async def is_whole(chat: Chat) -> None:
    """See that the question stands there once, with its whole answer, once."""
    await expect(chat.answers).to_have_text([COUNT])
    await chat.settled()
    await expect(chat.questions).to_have_text(["count"])


async def one_run(chat: Chat) -> None:
    """See that the server knows one conversation with one question and one answer."""
    async with chat.api() as api:
        assert [each["id"] for each in (await api.read("conversations"))["items"]] == [1]
        assert await api.said(1) == [("user", "count"), ("assistant", COUNT)]
        assert len(await api.runs(1)) == 1


async def test_a_reload_in_the_middle_shows_the_answer_once(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        hold = asyncio.Event()
        await begin(chat, stub, hold)
        await chat.page.reload()
        await expect(chat.answer).to_have_text(HALF)
        await expect(chat.button("Stop the answer")).to_be_visible()
        hold.set()
        await is_whole(chat)
        await one_run(chat)
        await chat.page.reload()
        await is_whole(chat)


async def test_a_message_that_never_left_is_sent_after_a_reload(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        held = asyncio.Event()
        await chat.page.route("**/chat", lambda _: held.set())
        await chat.say("count")
        await expect(chat.turns).to_have_count(1)
        await expect(chat.composer).to_have_value("")
        await until(held.is_set)
        stub.reply(Say(COUNT))
        await chat.page.unroute("**/chat")
        await chat.page.reload()
        await is_whole(chat)
        await one_run(chat)


async def test_a_message_whose_answer_was_lost_is_sent_again_and_answered_once(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=NO_NETWORK) as chat:

        async def lose(route: Route) -> None:
            request = route.request
            async with httpx.AsyncClient(trust_env=False, timeout=REQUEST_SECONDS) as http:
                await http.post(request.url, content=request.post_data or "", headers=await request.all_headers())
            await route.abort()

        await chat.page.route("**/chat", lose, times=1)
        stub.reply(Say(COUNT))
        await chat.say("count")
        await is_whole(chat)
        await one_run(chat)
        assert len(stub.requests) == 1


async def test_a_message_written_without_a_network_is_sent_when_it_is_back(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=NO_NETWORK) as chat:
        await chat.stands()
        await chat.page.context.set_offline(True)
        await chat.say("count")
        await expect(chat.turns).to_have_count(1)
        stub.reply(Say(COUNT))
        await chat.page.context.set_offline(False)
        await is_whole(chat)
        await one_run(chat)


async def test_a_second_tab_shows_the_same_run_as_it_goes(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("Hello."))
        await chat.ask("hello", "Hello.")
        async with chat.tab() as other:
            await expect(other.answer).to_have_text("Hello.")
            hold = asyncio.Event()
            await begin(chat, stub, hold)
            await expect(other.answer).to_have_text(HALF)
            hold.set()
            await expect(chat.answers).to_have_text(["Hello.", COUNT])
            await expect(other.answers).to_have_text(["Hello.", COUNT])
            await expect(other.turns).to_have_count(2)

            stub.reply(Say(COUNT, hold=asyncio.Event()))
            await chat.say("count again")
            await expect(other.answer).to_have_text(HALF)
            await other.button("Stop the answer").click()
            await expect(chat.status).to_contain_text("Stopped.")
            await other.settled()


async def test_the_network_goes_and_comes_back_in_the_middle(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=NO_NETWORK) as chat:
        hold = asyncio.Event()
        await chat.stands()
        await begin(chat, stub, hold)
        await chat.page.context.set_offline(True)
        await expect(chat.connection).to_be_visible()
        await expect(chat.answer).to_have_text(HALF)
        hold.set()
        await chat.page.context.set_offline(False)
        await is_whole(chat)
        await expect(chat.connection).to_be_hidden()
        await one_run(chat)


async def test_a_cut_connection_is_made_again_and_nothing_is_shown_twice(stage: Stage, stub: OpenAIStub) -> None:
    async with tcp_proxy("127.0.0.1", stage.chat.port) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        async with stage.visit(base_url=address, expected=NO_NETWORK) as chat:
            hold = asyncio.Event()
            await chat.stands()
            await begin(chat, stub, hold)
            for _ in range(2):
                await proxy.cut()
                await expect(chat.connection).to_be_visible()
                await proxy.mend()
                await expect(chat.connection).to_be_hidden()
            await expect(chat.answer).to_have_text(HALF)
            await proxy.cut()
            hold.set()
            await proxy.mend()
            await is_whole(chat)
            await one_run(chat)


async def test_the_service_dies_in_the_middle_and_the_answer_comes(
    browser: Browser, stub: OpenAIStub, tmp_path: Path
) -> None:
    async with (
        running_stage(browser, stub, tmp_path, RUN_LEASE_SECONDS="2") as stage,
        stage.visit(expected=NO_NETWORK) as chat,
    ):
        await chat.stands()
        await begin_for_ever(chat, stub)
        await stage.chat.kill()
        await expect(chat.connection).to_be_visible()
        stub.answer = lambda _: Say(COUNT)
        await stage.chat.restart()
        await is_whole(chat)
        await expect(chat.connection).to_be_hidden()
        await one_run(chat)


@pytest.mark.docker
async def test_another_replica_takes_the_answer_over(
    browser: Browser, stub: OpenAIStub, tmp_path: Path, new_database: NewDatabase
) -> None:
    url, user = new_database("postgresql"), f"user-{uuid.uuid4().hex}"
    lease = {"RUN_LEASE_SECONDS": "2"}
    async with running_stage(browser, stub, tmp_path, url, **lease) as stage:
        settings = {name: stage.chat.environment[name] for name in ("TOKEN_COOKIE", *lease)}
        async with (
            running_chat(url, stage.todo, stub, **settings) as replica,
            stage.visit(user, expected=NO_NETWORK) as chat,
            stage.visit(user, base_url=replica.base_url, expected=NO_NETWORK) as elsewhere,
        ):
            await chat.stands()
            await elsewhere.stands()
            await begin_for_ever(chat, stub)
            await elsewhere.conversation("count").click()
            await expect(elsewhere.answer).to_have_text(HALF)
            # Set before: from the kill on, the lease runs out.
            stub.answer = lambda _: Say(COUNT)
            await stage.chat.kill()
            await is_whole(elsewhere)
            await stage.chat.restart()
            await is_whole(chat)
            await one_run(chat)


async def test_words_not_yet_sent_outlive_the_page(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("Hello."))
        await chat.ask("hello", "Hello.")
        await chat.composer.fill("half a though")
        await chat.page.reload()
        await expect(chat.composer).to_have_value("half a though")
        await chat.begin()
        await expect(chat.composer).to_have_value("")
        await chat.composer.fill("another")
        await chat.conversation("hello").click()
        await expect(chat.composer).to_have_value("half a though")
        await chat.begin()
        await expect(chat.composer).to_have_value("another")
        stub.reply(Say("Sent."))
        await chat.composer.press("Enter")
        await expect(chat.answer).to_have_text("Sent.")
        await chat.page.reload()
        await expect(chat.answer).to_have_text("Sent.")
        await expect(chat.composer).to_have_value("")


async def test_back_and_forward_move_between_conversations(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("First."), Say("Second."))
        await chat.ask("one", "First.")
        await chat.begin()
        await expect(chat.turns).to_have_count(0)
        await chat.ask("two", "Second.")
        await expect(chat.page).to_have_url("/?c=2")
        await chat.conversation("one").click()
        await expect(chat.answer).to_have_text("First.")
        await chat.page.go_back()
        await expect(chat.answer).to_have_text("Second.")
        await chat.page.go_forward()
        await expect(chat.answer).to_have_text("First.")
        await expect(chat.page).to_have_url("/?c=1")
        await expect(chat.title).to_have_text("one")
