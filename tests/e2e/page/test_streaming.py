"""An answer on its way: it grows, it can be stopped, asked again, edited, copied, and its troubles can be mended."""

import asyncio
import datetime as dt
from itertools import pairwise

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.stage import Stage
from tests.support.openai_stub import Call, Calls, Cut, Fail, OpenAIStub, Say
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED = Fail(400)
"""A refusal that the model's client does not try again."""
COUNT = "One two three four five six seven eight."
HALF = "One two three four"


async def begin(chat: Chat, stub: OpenAIStub, hold: asyncio.Event, text: str = "count") -> None:
    """Send a message whose answer stands still in its middle."""
    stub.reply(Say(COUNT, hold=hold))
    await chat.say(text)
    await expect(chat.answer).to_have_text(HALF)


async def test_the_answer_grows_while_it_is_written(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        await chat.page.evaluate(
            """() => {
              window.seen = [];
              new MutationObserver(() => {
                const answer = [...document.querySelectorAll(".answer .markdown")].at(-1);
                if (answer) window.seen.push(answer.innerText.trim().length);
              }).observe(document.body, { childList: true, characterData: true, subtree: true });
            }"""
        )
        hold = asyncio.Event()
        await begin(chat, stub, hold)
        await expect(chat.button("Stop the answer")).to_be_visible()
        await expect(chat.composer).to_be_focused()
        hold.set()
        await expect(chat.answer).to_have_text(COUNT)
        await chat.settled()
        lengths: list[int] = await chat.page.evaluate("window.seen")
        assert all(later >= earlier for earlier, later in pairwise(lengths)), lengths
        assert len(HALF) in lengths
        async with chat.api() as api:
            assert await api.said(1) == [("user", "count"), ("assistant", COUNT)]


@pytest.mark.parametrize("by", ["button", "escape"])
async def test_stop_keeps_what_was_said_and_closes_the_models_answer(stage: Stage, stub: OpenAIStub, by: str) -> None:
    async with stage.visit() as chat:
        await begin(chat, stub, asyncio.Event())
        if by == "button":
            await chat.button("Stop the answer").click()
        else:
            await chat.composer.press("Escape")
        await chat.settled()
        await expect(chat.turns.last).to_contain_text("Stopped.")
        await expect(chat.answer).to_have_text(HALF)
        await until(lambda: bool(stub.closed_early))
        assert [closed.request for closed in stub.closed_early] == [0]
        async with chat.api() as api:
            assert [run["status"] for run in await api.runs(1)] == ["cancelled"]
        await chat.page.reload()
        await expect(chat.answer).to_have_text(HALF)

        stub.reply(Say("Here I am."))
        await chat.ask("again?", "Here I am.")
        await expect(chat.turns).to_have_count(2)


async def test_an_answer_is_copied_as_it_was_written(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(permissions=["clipboard-read", "clipboard-write"]) as chat:
        stub.reply(Say("Buy **milk**, not `bread`."))
        await chat.ask("what?", "Buy milk, not bread.")
        await chat.act("Copy the answer")
        await expect(chat.page.get_by_role("status").get_by_text("Copied")).to_have_count(1)
        assert await chat.page.evaluate("navigator.clipboard.readText()") == "Buy **milk**, not `bread`."


async def test_the_last_question_is_asked_again_in_its_place(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("First answer."), Say("Another answer."))
        await chat.ask("tell me", "First answer.")
        await chat.act("Answer")
        await expect(chat.answer).to_have_text("Another answer.")
        await expect(chat.turns).to_have_count(1)
        await chat.settled()
        await chat.page.reload()
        await expect(chat.answer).to_have_text("Another answer.")
        await expect(chat.turns).to_have_count(1)
        async with chat.api() as api:
            assert await api.said(1) == [("user", "tell me"), ("assistant", "Another answer.")]


async def test_the_last_question_is_edited(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("Kept."), Say("Milk it is."), Say("Bread it is."))
        await chat.ask("first", "Kept.")
        await chat.ask("I want milk", "Milk it is.")
        await chat.act("Edit your message")
        editor = chat.page.get_by_role("textbox", name="Edit your message")
        await expect(editor).to_have_value("I want milk")
        await expect(editor).to_be_focused()
        await editor.press("Escape")
        await expect(editor).to_have_count(0)
        await expect(chat.answer).to_have_text("Milk it is.")

        await chat.act("Edit your message")
        await editor.fill("I want bread")
        await editor.press("Enter")
        await expect(chat.answer).to_have_text("Bread it is.")
        await chat.settled()
        await expect(chat.page.get_by_text("I want milk")).to_have_count(0)
        async with chat.api() as api:
            said = [("user", "first"), ("assistant", "Kept."), ("user", "I want bread"), ("assistant", "Bread it is.")]
            assert await api.said(1) == said


@pytest.mark.parametrize("draft", ["", "And eggs"])
async def test_an_edit_that_another_message_overtakes_is_kept(stage: Stage, stub: OpenAIStub, draft: str) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("Milk it is."), Say("Sure."))
        await chat.ask("I want milk", "Milk it is.")
        await chat.composer.fill(draft)
        await chat.act("Edit your message")
        editor = chat.page.get_by_role("textbox", name="Edit your message")
        await editor.fill("I want bread")
        async with chat.tab() as other:
            await expect(other.answer).to_have_text("Milk it is.")
            await other.ask("and more?", "Sure.")
        await expect(editor).to_have_count(0)
        await expect(chat.composer).to_be_focused()
        await expect(chat.composer).to_have_value("\n\n".join(filter(None, [draft, "I want bread"])))


async def test_an_edit_is_kept_while_another_conversation_is_shown(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("Milk it is."))
        await chat.ask("I want milk", "Milk it is.")
        await chat.act("Edit your message")
        editor = chat.page.get_by_role("textbox", name="Edit your message")
        await editor.fill("I want bread")
        await chat.begin()
        await expect(chat.turns).to_have_count(0)
        await expect(chat.composer).to_have_value("")
        await chat.conversation("I want milk").click()
        await expect(chat.composer).to_have_value("I want bread")
        # What was only looked at is not worth keeping.
        await chat.composer.fill("")
        await chat.act("Edit your message")
        await expect(editor).to_have_value("I want milk")
        await chat.begin()
        await chat.conversation("I want milk").click()
        await expect(chat.answer).to_have_text("Milk it is.")
        await expect(chat.composer).to_have_value("")


async def test_a_message_sent_meanwhile_waits_its_turn(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        hold = asyncio.Event()
        await begin(chat, stub, hold)
        stub.reply(Say("Nine."))
        await chat.say("and then?")
        await expect(chat.turns).to_have_count(2)
        await expect(chat.turns.last).to_contain_text("Waits for the answer before it.")
        await expect(chat.composer).to_have_value("")
        assert len(stub.requests) == 1
        hold.set()
        await expect(chat.answers.nth(0)).to_have_text(COUNT)
        await expect(chat.answers.nth(1)).to_have_text("Nine.")
        await chat.settled()
        async with chat.api() as api:
            assert [content for _, content in await api.said(1)] == ["count", COUNT, "and then?", "Nine."]


async def test_shift_enter_writes_a_line_and_nothing_is_sent_of_blanks(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("Two lines."))
        await chat.composer.fill("   ")
        await chat.composer.press("Enter")
        await chat.button("Send").click()
        await expect(chat.turns).to_have_count(0)
        await chat.composer.fill("")
        await chat.composer.press_sequentially("one")
        await chat.composer.press("Shift+Enter")
        await chat.composer.press_sequentially("two")
        await chat.composer.press("Enter")
        await expect(chat.answer).to_have_text("Two lines.")
        await chat.settled()
        async with chat.api() as api:
            assert (await api.said(1))[0] == ("user", "one\ntwo")


async def test_the_day_that_is_over_is_called_yesterday(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(path=None) as chat:
        noon = dt.datetime(2030, 3, 14, 12, tzinfo=dt.UTC)
        await chat.page.clock.set_system_time(noon)
        await chat.page.goto("/")
        stub.reply(Say("Hello."), Say("Good morning."))
        await chat.ask("hello", "Hello.")
        days = chat.turns.locator(".day")
        await expect(days).to_have_text(["Today"])
        await chat.page.clock.set_system_time(noon + dt.timedelta(days=1))
        await chat.ask("up already?", "Good morning.")
        await expect(days).to_have_text(["Yesterday", "Today"])


async def test_markdown_is_shown_as_it_is_meant(stage: Stage, stub: OpenAIStub) -> None:
    markdown = """## Plan

1. **Milk**, _soon_
2. `bread`

| What | When |
|------|------|
| rent | 1st  |

```python
print("<b>not bold</b>")
```

> quoted

See [the shop](https://shop.example/list) and ~~nothing else~~."""
    async with stage.visit() as chat:
        stub.reply(Say(markdown))
        await chat.ask("plan", "nothing else")
        answer = chat.answer
        await expect(answer.get_by_role("heading", name="Plan")).to_be_visible()
        await expect(answer.get_by_role("listitem")).to_have_count(2)
        await expect(answer.locator("strong")).to_have_text("Milk")
        await expect(answer.locator("em")).to_have_text("soon")
        await expect(answer.get_by_role("cell", name="rent")).to_be_visible()
        await expect(answer.locator("pre code")).to_have_text('print("<b>not bold</b>")')
        await expect(answer.locator("blockquote")).to_have_text("quoted")
        link = answer.get_by_role("link", name="the shop")
        await expect(link).to_have_attribute("href", "https://shop.example/list")
        await expect(link).to_have_attribute("target", "_blank")
        assert "noopener" in (await link.get_attribute("rel") or "")


async def test_what_a_tool_did_is_a_card_that_can_be_undone(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Calls((Call("add_task", {"title": "Buy milk", "due": "2030-03-14"}),)), Say("Added."))
        await chat.ask("add milk", "Added.")
        await expect(chat.cards).to_have_count(1)
        await expect(chat.cards).to_contain_text("Buy milk")
        await expect(chat.box("Buy milk")).to_be_visible()
        await chat.cards.get_by_role("button", name="Undo").click()
        await expect(chat.box("Buy milk")).to_have_count(0)
        assert await chat.titles_on_server() == []
        assert await chat.titles_on_server(status="deleted") == ["Buy milk"]
        await expect(chat.cards.get_by_role("button", name="Undo")).to_have_count(0)


async def test_a_card_keeps_what_is_open_and_focused_at_the_answers_end(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        hold = asyncio.Event()
        stub.reply(Call("add_task", {"title": "Buy milk"}), Say(COUNT, hold=hold))
        await chat.say("add milk")
        await expect(chat.answer).to_have_text(HALF)
        details, undo = chat.cards.locator("details"), chat.cards.get_by_role("button", name="Undo")
        await details.locator("summary").click()
        await undo.focus()
        hold.set()
        await expect(chat.answer).to_have_text(COUNT)
        await chat.settled()
        await expect(undo).to_be_focused()
        await expect(details).to_have_attribute("open", "")


async def test_a_task_is_called_by_its_newest_title(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Call("add_task", {"title": "Buy milk"}), Say("Added."))
        await chat.ask("add milk", "Added.")
        await chat.begin()
        stub.reply(Call("update_task", {"task_id": 1, "title": "Pay rent"}), Say("Renamed."))
        await chat.ask("rename it", "Renamed.")
        await chat.conversation("add milk").click()
        await expect(chat.cards).to_contain_text("Added “Buy milk”")
        outdated = Call("update_task", {"task_id": 1, "priority": "high", "expected_version": 1})
        stub.reply(outdated, Say("It was changed meanwhile."))
        await chat.ask("it is important", "It was changed meanwhile.")
        await expect(chat.cards.last).to_contain_text("Could not change “Pay rent”")
        # What a batch tells of tasks has no versions.
        stub.reply(Call("batch_tasks", {"update": [{"task_id": 1, "title": "Pay Ann"}]}), outdated, Say("Not again."))
        await chat.ask("it is urgent", "Not again.")
        await expect(chat.cards.last).to_contain_text("Could not change “Pay Ann”")


async def test_a_tool_that_refused_says_so(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Call("complete_task", {"task_id": 77}), Say("There is none."))
        await chat.ask("done with 77", "There is none.")
        await expect(chat.cards).to_contain_text("77")
        await expect(chat.cards.get_by_role("button", name="Undo")).to_have_count(0)


async def test_a_failure_says_what_happened_and_goes_on_where_it_was(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Call("add_task", {"title": "Buy milk"}), REFUSED)
        await chat.say("add milk")
        await expect(chat.status).to_contain_text("model")
        await expect(chat.box("Buy milk")).to_be_visible()
        await chat.page.reload()
        await expect(chat.turns).to_have_count(1)
        stub.reply(Say("Added it."))
        await chat.status.get_by_role("button", name="Try again").click()
        await expect(chat.answer).to_have_text("Added it.")
        await chat.settled()
        await expect(chat.status).to_be_hidden()
        assert await chat.titles_on_server() == ["Buy milk"]
        async with chat.api() as api:
            assert [(run["status"], run["attempt"]) for run in await api.runs(1)] == [("completed", 2)]


async def test_a_models_answer_that_breaks_off_can_be_tried_again(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Cut(Say(COUNT), 3))
        await chat.say("count")
        await chat.status.get_by_role("button", name="Try again").wait_for()
        stub.reply(Say(COUNT))
        await chat.status.get_by_role("button", name="Try again").click()
        await expect(chat.answer).to_have_text(COUNT)
        await expect(chat.turns).to_have_count(1)
