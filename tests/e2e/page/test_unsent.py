"""That words of which nobody knows whether they arrived are done once, shown once and kept, in one tab or in more."""

import asyncio

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.stage import Stage
from tests.e2e.page.test_outbox import REFUSED, refuse, said_by_user
from tests.integration.chat_api.conftest import REQUEST_SECONDS
from tests.support.openai_stub import Fail, OpenAIStub, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = "{ const now = Date.now; Date.now = () => now() + 31 * 60_000; }"
"""Lets half an hour pass for a page, as a laptop does that sleeps."""
NO_NETWORK = ("net::ERR_",)
"""What the browser says of each request that nothing answers."""


async def unanswered(page: Page) -> tuple[asyncio.Event, asyncio.Event]:
    """Let the next message arrive and be carried out at one event, and cut it off without an answer at the other."""
    arrive, cut = asyncio.Event(), asyncio.Event()

    async def keep(route: Route) -> None:
        request = route.request
        await arrive.wait()
        async with httpx.AsyncClient(trust_env=False, timeout=REQUEST_SECONDS) as http:
            await http.post(request.url, content=request.post_data or "", headers=await request.all_headers())
        await cut.wait()
        await route.abort()

    await page.route("**/chat", keep, times=1)
    return arrive, cut


async def waits_for_the_reader(chat: Chat) -> None:
    """See that the last message was not sent by itself, and that it can be sent by hand."""
    await expect(chat.status).to_contain_text("no answer for half an hour")
    await expect(chat.button("Send again")).to_be_visible()
    await chat.settled()


async def test_what_slept_for_half_an_hour_is_not_sent_by_itself(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=NO_NETWORK) as chat:
        await expect(chat.tasks.get_by_text("Nothing to do.")).to_be_visible()
        await chat.page.context.set_offline(True)
        await chat.say("tomorrow")
        await expect(chat.status).to_contain_text("Connecting again")
        await chat.page.evaluate(LATER)
        await chat.page.context.set_offline(False)
        await waits_for_the_reader(chat)
        assert await said_by_user(chat) == []
        stub.reply(Say("Noted."))
        await chat.button("Send again").click()
        await expect(chat.answer).to_have_text("Noted.")
        assert await said_by_user(chat) == [["tomorrow"]]


async def test_what_became_a_draft_in_another_tab_is_not_sent_by_the_first(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=NO_NETWORK) as chat:
        stub.answer = lambda _: Say("Noted.")
        await chat.page.route("**/chat", lambda route: route.abort())
        await chat.say("tomorrow")
        await expect(chat.status).to_contain_text("Connecting again")
        await chat.page.context.add_init_script(LATER)
        async with chat.tab("/") as other:
            await expect(other.composer).to_have_value("tomorrow")
            await other.composer.press("Enter")
            await expect(other.answer).to_have_text("Noted.")
            await chat.page.evaluate(LATER)
            await chat.page.unroute("**/chat")
            await waits_for_the_reader(chat)
        assert await said_by_user(chat) == [["tomorrow"]]
        # It is no draft once more.
        await chat.page.goto("/")
        await expect(chat.conversation("tomorrow")).to_be_visible()
        await expect(chat.composer).to_have_value("")


async def test_a_message_stands_once_while_its_answer_is_missing(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=NO_NETWORK) as chat:
        stub.answer = lambda _: Say("Yes.")
        await chat.ask("again", "Yes.")
        arrive, cut = await unanswered(chat.page)
        stub.answer = lambda _: Say("Sure.")
        await chat.say("again")
        await expect(chat.questions).to_have_text(["again", "again"])
        arrive.set()
        await expect(chat.answers).to_have_text(["Yes.", "Sure."])
        await expect(chat.questions).to_have_text(["again", "again"])
        cut.set()
        await chat.settled()
        await expect(chat.questions).to_have_text(["again", "again"])
        await expect(chat.answers).to_have_text(["Yes.", "Sure."])
        assert await said_by_user(chat) == [["again", "again"]]


async def test_a_stop_that_comes_too_late_to_be_known_ends_with_the_run(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=NO_NETWORK) as chat:
        stub.reply(Say("Yes."))
        await chat.ask("hello", "Yes.")
        arrive, cut = await unanswered(chat.page)
        stub.reply(Say("Sure."))
        await chat.say("go")
        await chat.button("Stop the answer").click()
        await expect(chat.status).to_contain_text("Stopping")
        arrive.set()
        await expect(chat.answers).to_have_text(["Yes.", "Sure."])
        cut.set()
        await chat.settled()
        await expect(chat.questions).to_have_text(["hello", "go"])
        await expect(chat.status).to_be_hidden()


async def test_a_stop_holds_where_the_same_key_goes_on_with_a_failed_run(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=NO_NETWORK) as chat:
        stub.reply(Say("Yes."))
        await chat.ask("hello", "Yes.")
        arrive, cut = await unanswered(chat.page)
        stub.reply(Fail(400), Say("One two three", hold=asyncio.Event()))
        await chat.say("go")
        await chat.button("Stop the answer").click()
        await expect(chat.status).to_contain_text("Stopping")
        arrive.set()
        await expect(chat.status).to_contain_text("model")
        cut.set()
        await expect(chat.status).to_contain_text("Stopped.")
        await chat.settled()
        async with chat.api() as api:
            assert [run["status"] for run in await api.runs(1)] == ["cancelled", "completed"]


async def test_what_was_sent_long_ago_is_no_draft_again(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.answer = lambda _: Say("Yes.")
        await chat.ask("hello", "Yes.")
        await chat.begin()
        await chat.composer.fill("later")
        await chat.conversation("hello").click()
        await expect(chat.questions).to_have_text(["hello"])
        await chat.begin()
        await expect(chat.composer).to_have_value("later")
        await chat.composer.press("Enter")
        await expect(chat.answer).to_have_text("Yes.")
        async with chat.tab("/") as other:
            await other.ask("news", "Yes.")
            await expect(chat.conversation("news")).to_be_visible()
        await chat.begin()
        await expect(chat.turns).to_have_count(0)
        await expect(chat.composer).to_have_value("")


async def test_a_conversation_that_gets_its_number_leaves_the_next_ones_draft(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        free = asyncio.Event()

        async def hold(route: Route) -> None:
            await free.wait()
            await route.continue_()

        await chat.page.route("**/chat", hold, times=1)
        await chat.say("alpha")
        await expect(chat.questions).to_have_text(["alpha"])
        await chat.begin()
        await expect(chat.turns).to_have_count(0)
        await chat.composer.fill("half a thought")
        stub.reply(Say("Yes."))
        free.set()
        await chat.page.wait_for_function("() => !Object.keys(localStorage).some((key) => key.includes('/outbox/'))")
        await chat.page.reload()
        await expect(chat.conversation("alpha")).to_be_visible()
        await expect(chat.composer).to_have_value("half a thought")


async def test_what_another_tab_sends_leaves_this_ones_draft(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.answer = lambda _: Say("Yes.")
        await chat.ask("hello", "Yes.")
        async with chat.tab() as other:
            await expect(other.answer).to_have_text("Yes.")
            await chat.composer.fill("half a thought")
            await other.ask("quickly", "Yes.")
            await expect(chat.questions).to_have_text(["hello", "quickly"])
            await chat.page.wait_for_function(
                "() => Object.values(localStorage).some((kept) => kept.includes('thought'))"
            )
        await chat.page.reload()
        await expect(chat.questions).to_have_text(["hello", "quickly"])
        await expect(chat.composer).to_have_value("half a thought")


async def test_a_refusal_is_told_in_another_conversation(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=REFUSED) as chat:
        stub.reply(Say("Hello."))
        await chat.ask("hello", "Hello.")
        looked_away = asyncio.Event()

        async def refuse_later(route: Route) -> None:
            await looked_away.wait()
            await refuse(route)

        await chat.page.route("**/chat", refuse_later, times=1)
        await chat.say("alpha")
        await expect(chat.questions).to_have_text(["hello", "alpha"])
        await chat.begin()
        await expect(chat.turns).to_have_count(0)
        looked_away.set()
        await expect(chat.toasts).to_contain_text("About “alpha”: Too many messages.")
        await chat.toasts.get_by_role("button", name="Open").click()
        await expect(chat.questions).to_have_text(["hello", "alpha"])
        await expect(chat.status).to_contain_text("Too many messages.")
