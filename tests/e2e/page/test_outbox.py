"""That a message is sent once, to its own conversation, and shown once, whatever happens on its way."""

import asyncio

import httpx
import pytest
from playwright.async_api import Page, Response, Route, expect

from tests.e2e.page.chat import WAIT_MS, Chat
from tests.e2e.page.stage import Stage
from tests.integration.chat_api.conftest import REQUEST_SECONDS
from tests.support.openai_stub import Fail, OpenAIStub, Say
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = "One two three four five six seven eight."
HALF = "One two three four"
REFUSED = ("429",)
"""What the browser says of a message that was refused."""


async def held_back(page: Page, address: str) -> asyncio.Event:
    """Let a page's requests of this address, those under way and later ones, through when the event is set."""
    free = asyncio.Event()

    async def hold(route: Route) -> None:
        await free.wait()
        await route.continue_()

    await page.route(address, hold)
    return free


async def refuse(route: Route) -> None:
    """Answer a message as a service does that has been asked too often."""
    body = {"type": "rate-limited", "title": "Too many", "detail": "Too many messages."}
    await route.fulfill(status=429, content_type="application/problem+json", headers={"Retry-After": "60"}, json=body)


async def said_by_user(chat: Chat) -> list[list[str]]:
    """What the server has of the user's words, by conversation, when it is no more at work on any of them."""
    async with chat.api() as api, asyncio.timeout(WAIT_MS / 1000):
        while True:
            conversations = (await api.read("conversations"))["items"]
            if not any(each["active_run_id"] for each in conversations):
                break
            await asyncio.sleep(0.05)
        said = [await api.said(each["id"]) for each in conversations]
    return sorted([text for role, text in messages if role == "user"] for messages in said)


async def test_a_message_sent_before_the_history_has_come_stays_and_streams(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("Hello."))
        await chat.ask("hello", "Hello.")
        history = await held_back(chat.page, "**/messages*")
        await chat.page.reload()
        hold = asyncio.Event()
        stub.reply(Say(COUNT, hold=hold))
        await chat.say("count")
        await expect(chat.answers).to_have_text([HALF])
        history.set()
        await expect(chat.answers).to_have_text(["Hello.", HALF])
        hold.set()
        await expect(chat.answers).to_have_text(["Hello.", COUNT])
        await expect(chat.questions).to_have_text(["hello", "count"])


@pytest.mark.parametrize(("slow", "shown"), [("**/messages*", [HALF]), ("**/chat", ["Hello.", HALF])])
async def test_a_reload_before_the_message_was_confirmed_shows_it_once(
    stage: Stage, stub: OpenAIStub, slow: str, shown: list[str]
) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("Hello."))
        await chat.ask("hello", "Hello.")
        arrived = asyncio.Event()
        hold = asyncio.Event()

        async def lose(route: Route) -> None:
            request = route.request
            headers = await request.all_headers()
            async with (
                httpx.AsyncClient(trust_env=False, timeout=REQUEST_SECONDS) as http,
                http.stream("POST", request.url, content=request.post_data or "", headers=headers),
            ):
                arrived.set()

        await chat.page.route("**/chat", lose, times=1)
        stub.reply(Say(COUNT, hold=hold))
        await chat.say("count")
        await until(arrived.is_set)
        slower = await held_back(chat.page, slow)
        await chat.page.reload()
        await expect(chat.answers).to_have_text(shown)
        async with chat.page.expect_response(slow):
            slower.set()
        await expect(chat.answers).to_have_text(["Hello.", HALF])
        await expect(chat.questions).to_have_text(["hello", "count"])
        hold.set()
        await expect(chat.answers).to_have_text(["Hello.", COUNT])
        assert len(stub.requests) == 2


async def test_a_second_tab_sends_what_waits_to_the_right_conversations(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.answer = lambda _: Say("Yes.")
        taken: list[Response] = []
        chat.page.context.on("response", lambda each: taken.append(each) if each.url.endswith("/chat") else None)
        first = await held_back(chat.page, "**/chat")
        await chat.say("alpha")
        await expect(chat.questions).to_have_text(["alpha"])
        await chat.begin()
        await expect(chat.turns).to_have_count(0)
        await chat.say("beta")
        await expect(chat.questions).to_have_text(["beta"])
        async with chat.tab("/") as other:
            await expect(other.answer).to_have_text("Yes.")
            first.set()
            await expect(chat.answer).to_have_text("Yes.")
            await expect(chat.questions).to_have_text(["beta"])
            # Each tab has sent both.
            await until(lambda: len(taken) == 4)
        assert await said_by_user(chat) == [["alpha"], ["beta"]]


async def test_a_conversation_is_not_torn_apart_while_it_gets_its_number(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.answer = lambda _: Say("Yes.")

        begun = asyncio.Event()

        async def only_begin(route: Route) -> None:
            answer = await route.fetch()
            await route.fulfill(response=answer, body="")
            begun.set()

        left = False

        async def unanswered(route: Route) -> None:
            if left:
                await route.continue_()

        await chat.page.route("**/chat", only_begin, times=1)
        await chat.page.route("**/runs/**", unanswered)
        await chat.say("alpha")
        await chat.say("beta")
        await until(begun.is_set)
        await expect(chat.questions).to_have_text(["alpha", "beta"])
        # Taken away, the route would let what it holds go on, and the number be known before the page is left.
        left = True
        await chat.page.reload()
        await expect(chat.answers).to_have_text(["Yes.", "Yes."])
        assert await said_by_user(chat) == [["alpha", "beta"]]


async def test_no_refused_words_are_lost_by_a_reload(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=REFUSED) as chat:
        await chat.page.route("**/chat", refuse)
        for words in ("first", "second"):
            await chat.say(words)
            await expect(chat.questions.last).to_have_text(words)
            await expect(chat.status).to_contain_text("Too many messages.")
        await chat.composer.fill("draft")
        await chat.page.reload()
        await expect(chat.composer).to_have_value("draft\n\nfirst\n\nsecond")


async def test_the_next_message_stands_below_a_refused_one(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=REFUSED) as chat:
        await chat.page.route("**/chat", refuse, times=1)
        await chat.say("first")
        await expect(chat.status).to_contain_text("Too many messages.")
        stub.reply(Say("Yes."))
        await chat.ask("second", "Yes.")
        await expect(chat.questions).to_have_text(["first", "second"])


async def test_a_message_that_was_stopped_on_its_way_is_stopped_after_a_reload(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        held: list[Route] = []
        await chat.page.route("**/chat", lambda route: held.append(route))
        await chat.say("count")
        await chat.button("Stop the answer").click()
        await expect(chat.status).to_contain_text("Stopping")
        stub.reply(Say(COUNT, hold=asyncio.Event()))
        await chat.page.unroute("**/chat")
        await chat.page.reload()
        await expect(chat.status).to_contain_text("Stopped.")
        await expect(chat.questions).to_have_text(["count"])


async def test_a_stop_that_overtakes_a_retry_stops_it(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Fail(400))
        await chat.say("count")
        await expect(chat.button("Try again")).to_be_visible()
        stub.reply(Say(COUNT, hold=asyncio.Event()))
        retry = await held_back(chat.page, "**/retry")
        await chat.button("Try again").click()
        async with chat.page.expect_response("**/cancel"):
            await chat.button("Stop the answer").click()
        retry.set()
        await expect(chat.status).to_contain_text("Stopped.")
        await chat.settled()


async def test_what_is_refused_behind_the_readers_back_comes_back(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=REFUSED) as chat:
        asked, looked_away = asyncio.Event(), asyncio.Event()

        async def refuse_later(route: Route) -> None:
            asked.set()
            await looked_away.wait()
            await refuse(route)

        await chat.page.route("**/chat", refuse_later, times=1)
        await chat.say("alpha")
        await until(asked.is_set)
        await chat.page.get_by_role("button", name="New conversation").click()
        await expect(chat.questions).to_have_count(0)
        looked_away.set()
        await expect(chat.questions).to_have_text(["alpha"])
        stub.answer = lambda _: Say("Yes.")
        await chat.page.get_by_role("button", name="Send again").click()
        await expect(chat.answers).to_have_text(["Yes."])
