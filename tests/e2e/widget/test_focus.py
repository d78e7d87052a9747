"""Where the focus is: never lost with what goes away, and never taken from somebody who is elsewhere."""

from typing import Any

import pytest
from playwright.async_api import expect
from starlette.responses import Response

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


async def test_what_is_taken_back_last_leaves_the_focus_in_the_list(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}, {"title": "Buy bread"}) as widget:
        await widget.button("Delete Buy milk").click()
        await expect(widget.box("Buy bread")).to_be_focused()
        await widget.button("Undo").press("Enter")
        await expect(widget.button("Undo")).to_be_hidden()
        await expect(widget.box("Buy bread")).to_be_focused()


async def test_where_no_task_is_left_the_focus_goes_where_one_is_added(stage: Stage) -> None:
    async with stage.widget() as widget:
        new = widget.frame.get_by_label("New task", exact=True)
        await new.fill("Buy milk")
        await new.press("Enter")
        await widget.button("Undo").press("Enter")
        await expect(widget.button("Undo")).to_be_hidden()
        await expect(new).to_be_focused()


@pytest.mark.parametrize("button", ["Dismiss", "Try again"])
async def test_a_failure_that_is_seen_to_leaves_the_focus_in_the_list(stage: Stage, button: str) -> None:
    async def away(_call: Any, _forward: Any) -> Response:
        return Response(status_code=503)

    expected = ("status of 503",)
    async with stage.widget({"title": "Buy milk"}, {"title": "Buy bread"}, expected=expected) as widget:
        await widget.settled()
        stage.site.fault = away
        await widget.box("Buy bread").press("Delete")
        await expect(widget.alert).to_contain_text("Could not delete")
        await widget.box("Buy bread").focus()
        stage.site.fault = None
        await widget.button(button).press("Enter")
        await expect(widget.alert).to_have_count(0)
        await expect(widget.box("Buy milk" if button == "Try again" else "Buy bread")).to_be_focused()


async def test_a_failure_in_place_of_another_keeps_the_focus(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}) as widget:
        await widget.settled()
        await widget.host("bridge.sendToolCancelled({})")
        await expect(widget.alert).to_contain_text("stopped")
        await widget.button("Dismiss").focus()
        await widget.host(
            "bridge.sendToolResult({ isError: true, content: [{ type: 'text', text: 'Something else.' }] })"
        )
        await expect(widget.alert).to_contain_text("Something else.")
        await expect(widget.button("Dismiss")).to_be_focused()


@pytest.mark.parametrize("done", [False, True])
async def test_the_last_page_gives_the_focus_to_the_first_task_that_it_brings(stage: Stage, done: bool) -> None:
    tasks = [{"title": f"Task {number}"} for number in range(5)]
    async with stage.widget(*tasks, args={"limit": 3}) as widget:
        if done:
            for number in range(5):
                await widget.call("complete_task", task_id=number + 1)
            await widget.button("Done").click()
        more = widget.button("Show more completed tasks" if done else "Show more tasks")
        await more.press("Enter")
        await expect(more).to_be_hidden()
        await expect(widget.box("Task 1" if done else "Task 3")).to_be_focused()


async def test_another_zone_leaves_the_focus_in_the_list(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}, context={"timeZone": "America/New_York"}) as widget:
        use = widget.button("Use America/New_York")
        await use.press("Enter")
        await expect(use).to_be_hidden()
        await expect(widget.box("Buy milk")).to_be_focused()


async def test_a_row_that_is_drawn_anew_keeps_the_focus(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk", "tags": ["shop"]}) as widget:
        await widget.settled()
        await widget.button("#shop").focus()
        await widget.call("update_task", task_id=1, priority="urgent")
        await widget.host("answer(argument)", {})
        await expect(widget.row("Buy milk")).to_contain_text("Urgent")
        await expect(widget.box("Buy milk")).to_be_focused()


async def test_a_refused_edit_keeps_the_focus(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}) as widget:
        await widget.button("Edit Buy milk").click()
        await widget.frame.get_by_label("Tags").fill("x" * 51)
        await widget.button("Save").press("Enter")
        await expect(widget.alert).to_contain_text("Not saved")
        await expect(widget.button("Save")).to_be_focused()


async def test_a_conflict_that_is_settled_and_meets_another_keeps_the_focus(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}) as widget:
        await widget.button("Edit Buy milk").click()
        await widget.frame.get_by_label("Title").fill("Buy oat milk")
        for title in ("Buy rice milk", "Buy soy milk"):
            await widget.call("update_task", task_id=1, title=title)
            await widget.button("Save" if "rice" in title else "Save mine over it").press("Enter")
            await expect(widget.alert).to_contain_text(title)
            await expect(widget.button("Save")).to_be_focused()


async def test_the_focus_finds_the_editor_of_a_task_that_is_edited(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}, {"title": "Buy bread"}) as widget:
        await widget.button("Edit Buy bread").click()
        await widget.host("bridge.sendToolCancelled({})")
        await widget.button("Dismiss").press("Enter")
        await expect(widget.frame.get_by_label("Title")).to_be_focused()
        await widget.box("Buy milk").press("ArrowDown")
        await expect(widget.frame.get_by_label("Title")).to_be_focused()


async def test_who_writes_in_the_page_around_loses_no_focus_to_an_answer(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}) as widget:
        await widget.page.evaluate("document.body.prepend(document.createElement('textarea'))")
        outside = widget.page.locator("textarea")
        await widget.button("Edit Buy milk").click()
        await widget.frame.get_by_label("Title").fill("Buy oat milk")
        with stage.site.holding_calls():
            await widget.button("Save").click()
            await outside.focus()
        await expect(widget.box("Buy oat milk")).to_be_visible()
        await widget.page.keyboard.press("a")
        await expect(outside).to_have_value("a")

        with stage.site.holding_calls():
            await widget.button("Undo").click()
            await outside.focus()
        await expect(widget.box("Buy milk")).to_be_visible()
        await widget.page.keyboard.press("b")
        await expect(outside).to_have_value("ab")
