"""From `make demo` to a finished task, with nothing but the page: once with the mouse, once with the keyboard."""

import re
from typing import Final

import pytest
from playwright.async_api import Frame, Locator, expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEMO_USER: Final = "demo"
STOPS_MAX: Final = 60
"""More stops of the Tab key than the page of a new user has."""
FOCUS: Final = """() => {
  const focused = document.activeElement;
  // Inside of a control, such as at a date's calendar, the browser shows the focus in its own way.
  if (!focused || focused === document.body || !focused.matches(":focus")) return null;
  const hasRing = (element) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 1;
  };
  const { width, height } = focused.getBoundingClientRect();
  const ringed = focused.closest("form.composer .box") ?? focused;
  return {
    what: focused.outerHTML.slice(0, 120),
    isFrame: focused.tagName === "IFRAME",
    isSeen: width > 0 && height > 0 && hasRing(ringed),
  };
}"""


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """The demo's way: its own sign-in, and the model that is built in."""
    return {"DEMO_MODE": "1", "MODEL_PROVIDER": "offline", "TOKEN_COOKIE": ""}


@pytest.mark.usefixtures("today")
async def test_a_first_visit_to_a_finished_task_with_the_mouse(stage: Stage) -> None:
    async with stage.visit(DEMO_USER, token="") as chat:
        await expect(chat.page.get_by_text("built-in offline assistant")).to_be_visible()
        await chat.page.get_by_role("group", name="Examples").get_by_role("button", name="Buy milk").click()
        await expect(chat.composer).to_have_value(re.compile("Buy milk tomorrow"))
        await chat.button("Send").click()
        await expect(chat.answer).to_contain_text("Buy milk")
        await expect(chat.cards).to_contain_text("Buy milk")
        await expect(chat.tasks.get_by_role("list", name="Upcoming")).to_contain_text("Buy milk")
        assert "Buy milk" in await chat.titles_on_server()

        await chat.box("Buy milk").click()
        await expect(chat.box("Buy milk")).to_have_count(0)
        await chat.tasks.get_by_role("button", name="Done", exact=True).click()
        await expect(chat.box("Buy milk")).to_be_checked()
        await expect(chat.tasks.locator(".busy")).to_have_count(0)
        assert "Buy milk" in await chat.titles_on_server(status="completed")


async def test_a_first_visit_to_a_finished_task_with_the_keyboard(stage: Stage) -> None:
    async with stage.visit(DEMO_USER, token="") as chat:
        await chat.stands()
        await tab_to(chat, chat.composer)
        await chat.page.keyboard.type("add call Ada, due tomorrow")
        await chat.page.keyboard.press("Enter")
        await expect(chat.answer).to_contain_text("call Ada")
        await expect(chat.composer).to_be_focused()
        await expect(chat.box("call Ada")).to_be_visible()

        await tab_to(chat, chat.box("call Ada"))
        await chat.page.keyboard.press("Space")
        await expect(chat.box("call Ada")).to_have_count(0)
        await expect(chat.tasks.locator(".busy")).to_have_count(0)
        assert "call Ada" in await chat.titles_on_server(status="completed")

        await tab_to(chat, chat.tasks.get_by_role("button", name="Undo", exact=True))
        await chat.page.keyboard.press("Enter")
        await expect(chat.box("call Ada")).to_be_visible()
        await expect(chat.tasks.locator(".busy")).to_have_count(0)
        assert "call Ada" in await chat.titles_on_server()


async def tab_to(chat: Chat, target: Locator) -> None:
    """Press Tab until the target has the focus, and see at each stop where that is."""
    stops: list[str] = []
    for _ in range(STOPS_MAX):
        if await target.evaluate("(element) => element === element.ownerDocument.activeElement && document.hasFocus()"):
            return
        await chat.page.keyboard.press("Tab")
        stop = await focused(chat)
        if stop is not None:
            stops.append(stop)
    raise AssertionError("not reached with Tab, but: " + "\n".join(stops))


async def focused(chat: Chat) -> str | None:
    """What has the focus, which has to be seen; None where it is the browser's own or a whole document."""
    frame: Frame = chat.page.main_frame
    found = await frame.evaluate(FOCUS)
    if found and found["isFrame"]:
        found = await chat.page.frames[1].evaluate(FOCUS)
    if not found:
        return None
    assert found["isSeen"], f"the focus is not seen on {found['what']}"
    return str(found["what"])
