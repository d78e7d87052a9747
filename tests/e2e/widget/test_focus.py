"""Where the focus is, and what the keys do there."""

import pytest
from playwright.async_api import expect

from tests.e2e.widget.conftest import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(("key", "status"), [("Delete", "deleted"), ("Enter", "open")])
async def test_a_held_key_does_its_thing_to_one_task_alone(stage: Stage, key: str, status: str) -> None:
    args = {"status": "deleted"} if status == "open" else {}
    async with stage.widget({"title": "One"}, {"title": "Two"}, {"title": "Three"}, args=args) as widget:
        if status == "open":
            for number in (1, 2, 3):
                await widget.call("delete_task", task_id=number)
            await widget.button("Refresh").click()
            first, second, third = (widget.button(f"Restore {title}") for title in ("One", "Two", "Three"))
        else:
            first, second, third = (widget.box(title) for title in ("One", "Two", "Three"))
        await first.focus()
        keyboard = widget.page.keyboard
        await keyboard.down(key)
        await expect(second).to_be_focused()
        for _ in range(5):
            await keyboard.down(key)
        await keyboard.up(key)
        await keyboard.press("ArrowDown")
        await expect(third).to_be_focused()
        await widget.settled()
        assert [(await widget.task(number))["status"] == status for number in (1, 2, 3)] == [True, False, False]


async def test_a_held_enter_opens_the_editor_and_leaves_it_open(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}) as widget:
        await widget.box("Buy milk").focus()
        for _ in range(4):
            await widget.page.keyboard.down("Enter")
        await widget.page.keyboard.up("Enter")
        await expect(widget.frame.get_by_label("Title")).to_be_focused()
