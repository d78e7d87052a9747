"""The conversations beside the chat: begun, found, renamed, deleted and taken back, and nobody else's."""

import asyncio
import uuid

import pytest
from playwright.async_api import Route, expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.seeding import Past, seed
from tests.e2e.page.stage import Stage, sign_in
from tests.support.openai_stub import OpenAIStub, Say
from tests.support.tokens import user_token
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASTS = [Past("Shopping", [("what to buy?", "Milk.")]), Past("Travel", [("when?", "On Friday.")])]
NEVER_BY_ITSELF = "{ const every = setInterval; window.setInterval = (act, ms) => ms === 10_000 ? 0 : every(act, ms); }"
"""Keeps a page from looking what is new every 10 s."""
MANY = [Past(f"Plan {number}") for number in range(120)]


def seeded(stage: Stage, pasts: list[Past]) -> str:
    """Return a new user who has held these conversations."""
    user = f"user-{uuid.uuid4().hex}"
    seed(stage.chat_database, user, pasts)
    return user


async def left(chat: Chat) -> list[str]:
    """The titles of the conversations that chat-api has."""
    async with chat.api() as api:
        return [each["title"] for each in (await api.read("conversations"))["items"]]


async def test_conversations_are_listed_newest_first_and_opened(stage: Stage) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        await expect(chat.conversation("Shopping")).to_be_visible()
        assert await chat.titles() == ["Travel", "Shopping"]
        await chat.conversation("Shopping").click()
        await expect(chat.answer).to_have_text("Milk.")
        await expect(chat.title).to_have_text("Shopping")
        await expect(chat.conversation("Shopping")).to_have_attribute("aria-current", "page")
        await chat.conversation("Travel").click()
        await expect(chat.answers).to_have_text(["On Friday."])


async def test_a_new_conversation_is_titled_by_its_first_message(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        stub.reply(Say("Yes."), Say("Sure."))
        await chat.ask("Is the dentist open tomorrow?", "Yes.")
        await expect(chat.title).to_have_text("Is the dentist open tomorrow?")
        await expect(chat.conversation("Is the dentist open tomorrow?")).to_be_visible()
        await chat.begin()
        await expect(chat.composer).to_be_focused()
        await expect(chat.turns).to_have_count(0)
        await chat.ask("And on Sunday?", "Sure.")
        titles = ["And on Sunday?", "Is the dentist open tomorrow?", "Travel", "Shopping"]
        await expect(chat.conversation("And on Sunday?")).to_be_visible()
        assert await chat.titles() == titles
        assert len(stub.requests) == 2


async def test_a_conversation_begun_elsewhere_appears_by_itself(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        await expect(chat.conversation("Travel")).to_be_visible()
        stub.reply(Say("Hello."))
        async with chat.api() as api:
            await api.say("from the terminal")
        await expect(chat.conversation("from the terminal")).to_be_visible()


async def test_news_that_come_while_the_list_is_read_are_read_after_it(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(seeded(stage, PASTS), path=None) as chat:
        await chat.page.add_init_script(NEVER_BY_ITSELF)
        await chat.page.goto("/")
        await expect(chat.conversation("Travel")).to_be_visible()
        asked, answered = asyncio.Event(), asyncio.Event()

        async def hold(route: Route) -> None:
            answer = await route.fetch()
            asked.set()
            await answered.wait()
            await route.fulfill(response=answer)

        await chat.page.route("**/conversations?*", hold, times=1)
        await chat.look()
        await until(asked.is_set)
        stub.reply(Say("Hello."))
        async with chat.api() as api:
            await api.say("from the terminal")
        await chat.look()
        answered.set()
        await expect(chat.conversation("from the terminal")).to_be_visible()


async def test_titles_are_searched(stage: Stage) -> None:
    async with stage.visit(seeded(stage, [*PASTS, *MANY])) as chat:
        await expect(chat.conversation("Plan 119")).to_be_visible()
        search = chat.sidebar.get_by_role("searchbox", name="Search conversations")
        await search.fill("trav")
        await expect(chat.conversation("Plan 119")).to_have_count(0)
        await expect(chat.conversation("Travel")).to_be_visible()
        assert await chat.titles() == ["Travel"]
        await search.fill("100%")
        await expect(chat.sidebar.get_by_text("No title has")).to_be_visible()
        await search.fill("")
        await expect(chat.conversation("Plan 119")).to_be_visible()


async def test_a_conversation_is_renamed(stage: Stage) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        await chat.conversation("Shopping").click()
        await chat.choose("Shopping", "Rename")
        field = chat.sidebar.get_by_role("textbox", name="Title")
        await expect(field).to_be_focused()
        await field.fill("  Groceries  ")
        await field.press("Enter")
        await expect(chat.conversation("Groceries")).to_be_visible()
        await expect(chat.title).to_have_text("Groceries")
        assert sorted(await left(chat)) == ["Groceries", "Travel"]

        await chat.conversation("Travel").press("F2")
        await field.fill("never kept")
        await field.press("Escape")
        await expect(chat.conversation("Travel")).to_be_focused()
        await chat.page.reload()
        await expect(chat.conversation("Groceries")).to_be_visible()
        assert sorted(await chat.titles()) == ["Groceries", "Travel"]


async def test_a_deletion_is_taken_back(stage: Stage) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        await chat.conversation("Shopping").click()
        await expect(chat.answer).to_have_text("Milk.")
        await chat.choose("Shopping", "Delete")
        await expect(chat.conversation("Shopping")).to_have_count(0)
        await expect(chat.turns).to_have_count(0)
        await chat.toasts.get_by_role("button", name="Undo").click()
        await expect(chat.conversation("Shopping")).to_be_visible()
        await expect(chat.answer).to_have_text("Milk.")
        assert await chat.titles() == ["Travel", "Shopping"]
        await chat.page.reload()
        await expect(chat.conversation("Shopping")).to_be_visible()
        assert await left(chat) == ["Travel", "Shopping"]


async def test_a_deletion_that_is_not_taken_back_is_made(stage: Stage) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        await chat.page.clock.install()
        await chat.conversation("Travel").focus()
        await chat.page.keyboard.press("Delete")
        await expect(chat.conversation("Travel")).to_have_count(0)
        await expect(chat.toasts).to_contain_text("Travel")
        assert await left(chat) == ["Travel", "Shopping"]
        async with chat.page.expect_response(lambda response: response.request.method == "DELETE") as answered:
            await chat.page.clock.run_for(11_000)
        assert (await answered.value).status == 204
        assert await left(chat) == ["Shopping"]


async def test_a_delete_key_that_is_held_deletes_one(stage: Stage) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        await chat.conversation("Travel").focus()
        for _ in range(3):
            await chat.page.keyboard.down("Delete")
        await expect(chat.conversation("Travel")).to_have_count(0)
        await expect(chat.conversation("Shopping")).to_be_focused()
        await chat.page.keyboard.up("Delete")
        await chat.page.keyboard.press("Delete")
        await expect(chat.conversation("Shopping")).to_have_count(0)


async def test_a_deletion_is_made_when_the_page_goes_away(stage: Stage) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        await chat.choose("Travel", "Delete")
        await expect(chat.conversation("Travel")).to_have_count(0)
        await chat.page.reload()
        await expect(chat.conversation("Shopping")).to_be_visible()
        await expect(chat.conversation("Travel")).to_have_count(0)
        assert await left(chat) == ["Shopping"]


async def test_a_long_list_is_read_page_by_page(stage: Stage) -> None:
    async with stage.visit(seeded(stage, MANY)) as chat:
        await expect(chat.conversation("Plan 119")).to_be_visible()
        assert len(await chat.titles()) < len(MANY)
        first = chat.sidebar.get_by_role("link", name="Plan 0 ")
        row = chat.sidebar.get_by_role("list").get_by_role("listitem")
        await expect(row).not_to_have_count(0)
        while not await first.count():
            # Counted first: the next page may have come as soon as the last row is in sight.
            known = await row.count()
            await row.last.scroll_into_view_if_needed()
            await chat.page.wait_for_function(
                "(count) => document.querySelectorAll('#conversations li').length > count", arg=known
            )
        assert await chat.titles() == [f"Plan {number}" for number in reversed(range(len(MANY)))]


async def test_the_keyboard_alone_finds_opens_and_goes_back(stage: Stage) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        await expect(chat.conversation("Travel")).to_be_visible()
        keyboard = chat.page.keyboard
        await keyboard.press("Control+k")
        await expect(chat.sidebar.get_by_role("searchbox")).to_be_focused()
        await keyboard.press("ArrowDown")
        await expect(chat.conversation("Travel")).to_be_focused()
        await keyboard.press("ArrowDown")
        await expect(chat.conversation("Shopping")).to_be_focused()
        await keyboard.press("Enter")
        await expect(chat.answer).to_have_text("Milk.")
        await keyboard.press("Control+Shift+o")
        await expect(chat.turns).to_have_count(0)
        await expect(chat.composer).to_be_focused()


async def test_who_signs_in_next_sees_nothing_of_the_one_before(stage: Stage) -> None:
    ann, bob = seeded(stage, PASTS), seeded(stage, [Past("Of Bob", [("mine?", "Yours.")])])
    async with stage.visit(ann, expected=("status of 404",)) as chat:
        await chat.conversation("Shopping").click()
        await expect(chat.answer).to_have_text("Milk.")
        await chat.composer.fill("a draft of Ann's")
        await sign_in(chat.page.context, stage.chat.base_url, user_token(bob))
        await chat.page.reload()
        await expect(chat.conversation("Of Bob")).to_be_visible()
        assert await chat.titles() == ["Of Bob"]
        await expect(chat.composer).to_have_value("")
        # The address still names Ann's first conversation; it is Bob's own first one now, and nobody else's.
        await expect(chat.answers).to_have_text(["Yours."])
        await chat.page.goto("/?c=2")
        await expect(chat.page.get_by_text("Milk.")).to_have_count(0)
        await expect(chat.page.get_by_text("On Friday.")).to_have_count(0)
        await expect(chat.page.get_by_role("alert").filter(has_text=" ").first).to_be_visible()


async def test_a_step_back_does_not_lead_to_what_is_being_deleted(stage: Stage) -> None:
    async with stage.visit(seeded(stage, PASTS)) as chat:
        await chat.conversation("Shopping").click()
        await expect(chat.answer).to_have_text("Milk.")
        await chat.conversation("Travel").click()
        await expect(chat.title).to_have_text("Travel")
        await chat.choose("Shopping", "Delete")
        await chat.page.go_back()
        await expect(chat.title).to_have_text("New conversation")
        await expect(chat.turns).to_have_count(0)


async def test_a_note_of_one_user_is_taken_from_the_next(stage: Stage) -> None:
    ann, bob = seeded(stage, PASTS), seeded(stage, [Past("Of Bob", [("mine?", "Yours.")])])
    async with stage.visit(ann, expected=("status of 401", "status of 403")) as chat:
        await chat.choose("Shopping", "Delete")
        await expect(chat.toasts).to_contain_text("Shopping")
        await sign_in(chat.page.context, stage.chat.base_url, user_token(bob))
        problem = {"type": "unauthenticated", "title": "Expired", "detail": "The token has expired."}
        # Only what opens the conversation meets it, and not what looks for news meanwhile.
        await chat.page.route(
            f"**/api/{ann}/conversations/2*",
            lambda route: route.fulfill(status=401, content_type="application/problem+json", json=problem),
            times=1,
        )
        await chat.conversation("Travel").click()
        await expect(chat.conversation("Of Bob")).to_be_visible()
        await expect(chat.page.get_by_text("Shopping")).to_have_count(0)
