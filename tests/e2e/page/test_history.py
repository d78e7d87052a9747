"""Long histories: fifty conversations and five thousand messages are opened at once and read on upwards."""

import uuid
from typing import Final

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.measures import scroll_to_the_first
from tests.e2e.page.seeding import Past, seed
from tests.e2e.page.stage import Stage
from tests.support.openai_stub import OpenAIStub, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")

TURNS: Final = 2500
"""With two messages each."""
CONVERSATIONS: Final = 50
READ_OLDER: Final = """async (scroller) => {
  const frame = () => new Promise(requestAnimationFrame);
  const turns = () => document.querySelectorAll("main .turn");
  const first = turns()[0], count = turns().length;
  scroller.scrollTop = 0;
  const before = first.getBoundingClientRect().top;
  for (const begun = performance.now(); turns().length === count; await frame()) {
    if (performance.now() - begun > 40_000) throw new Error("no older turn has come");
  }
  for (let frames = 0; frames < 5; frames++) await frame();
  return { count: turns().length, moved: Math.abs(first.getBoundingClientRect().top - before) };
}"""


@pytest.fixture(scope="module")
def historian(stage: Stage) -> str:
    """A user with many conversations; the last one is very long."""
    user = f"user-{uuid.uuid4().hex}"
    turns = [(f"Question {turn}", f"Answer **{turn}**\n\n- with\n- a list") for turn in range(1, TURNS + 1)]
    seed(stage.chat_database, user, [*(Past(f"Short {n}") for n in range(1, CONVERSATIONS)), Past("Long", turns)])
    return user


async def test_a_long_conversation_opens_at_its_end(stage: Stage, stub: OpenAIStub, historian: str) -> None:
    async with stage.visit(historian, path=f"/?c={CONVERSATIONS}") as chat:
        await expect(chat.turn_of(f"Question {TURNS}")).to_be_in_viewport()
        assert await chat.turns.count() <= 100
        assert len(await chat.titles()) <= 100
        await chat.conversation("Short 7").click()
        await expect(chat.answers).to_have_text(["Hello."])
        await chat.conversation("Long").click()
        await expect(chat.turn_of(f"Question {TURNS}")).to_be_in_viewport()


async def test_older_messages_come_without_moving_what_is_read(stage: Stage, historian: str) -> None:
    async with stage.visit(historian, path=f"/?c={CONVERSATIONS}") as chat:
        await expect(chat.turn_of(f"Question {TURNS}")).to_be_in_viewport()
        for _ in range(3):
            read = await chat.scroller.evaluate(READ_OLDER)
            assert read["moved"] <= 2, read
        await expect(chat.button("Jump to the newest")).to_be_visible()
        await chat.button("Jump to the newest").click()
        await expect(chat.turn_of(f"Question {TURNS}")).to_be_in_viewport()
        await expect(chat.button("Jump to the newest")).to_be_hidden()


async def test_a_reader_further_up_is_left_where_they_are(stage: Stage, stub: OpenAIStub) -> None:
    user = f"user-{uuid.uuid4().hex}"
    seed(stage.chat_database, user, [Past("Long", [(f"Question {n}", "Answer\n\n" * 20) for n in range(1, 11)])])
    async with stage.visit(user, path="/?c=1") as chat:
        await expect(chat.turn_of("Question 10")).to_be_in_viewport()
        await chat.scroller.evaluate("(scroller) => (scroller.scrollTop = 0)")
        await expect(chat.button("Jump to the newest")).to_be_visible()
        async with chat.api() as api:
            stub.reply(Say("Elsewhere."))
            await api.say("from another device", 1)
        await expect(chat.turns).to_have_count(11)
        assert await chat.scroller.evaluate("(scroller) => scroller.scrollTop") == 0


async def test_five_thousand_messages_are_read_to_the_first(stage: Stage, historian: str) -> None:
    async with stage.visit(historian, path=f"/?c={CONVERSATIONS}") as chat:
        await expect(chat.turn_of(f"Question {TURNS}")).to_be_in_viewport()
        await to_the_first(chat)
        await expect(chat.turn_of("Question 1")).to_be_in_viewport()
        # Turns out of sight are either not there, or neither laid out nor painted.
        await chat.page.wait_for_function(
            """() => [...document.querySelectorAll("main .turn")].filter((turn) =>
                 turn.checkVisibility({ contentVisibilityAuto: true })).length <= 100"""
        )
        await chat.composer.press_sequentially("still quick", timeout=20_000)
        await expect(chat.composer).to_have_value("still quick")


async def to_the_first(chat: Chat) -> None:
    """Scroll up until there is nothing older, however often a page of it is late."""
    for _ in range(50):
        await scroll_to_the_first(chat, step=2000)
        if await chat.turn_of("Question 1").count():
            return
    raise AssertionError(f"the first message has not come; {await chat.turns.count()} turns have")
