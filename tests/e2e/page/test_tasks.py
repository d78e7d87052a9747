"""The task list beside the chat: the todo server's own page, live, in a frame that can do nothing else."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.stage import Stage, running_stage
from tests.support.openai_stub import Call, OpenAIStub, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")


MILK = {"title": "Buy milk"}


async def test_tasks_stand_in_groups_beside_the_chat(stage: Stage, today: dt.date) -> None:
    week = (("Overdue", "Pay rent", -2), ("Today", "Call Ada", 0), ("Upcoming", "Dentist", 9))
    tasks = [{"title": title, "due": str(today + dt.timedelta(days=days))} for _, title, days in week]
    async with stage.visit(tasks=tasks) as chat:
        for group, title, _ in week:
            await expect(chat.tasks.get_by_role("list", name=group)).to_contain_text(title)


async def test_what_another_client_does_appears_by_itself(stage: Stage) -> None:
    async with stage.visit(tasks=[MILK]) as chat:
        await expect(chat.box("Buy milk")).to_be_visible()
        await chat.call("add_task", title="Added elsewhere")
        await expect(chat.box("Added elsewhere")).to_be_visible()
        await chat.call("update_task", task_id=1, title="Buy oat milk")
        await expect(chat.box("Buy oat milk")).to_be_visible()
        await expect(chat.box("Buy milk")).to_have_count(0)
        await chat.call("complete_task", task_id=1)
        await expect(chat.box("Buy oat milk")).to_have_count(0)


async def test_what_the_chat_does_appears_by_itself(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=[MILK]) as chat:
        await expect(chat.box("Buy milk")).to_be_visible()
        stub.reply(Call("add_task", {"title": "Buy bread"}), Call("complete_task", {"task_id": 1}), Say("Done."))
        await chat.ask("bread, and milk is done", "Done.")
        await expect(chat.box("Buy bread")).to_be_visible()
        await expect(chat.box("Buy milk")).to_have_count(0)


async def test_changes_in_the_frame_are_made_on_the_server(stage: Stage) -> None:
    async with stage.visit(tasks=[MILK]) as chat:
        await chat.box("Buy milk").click()
        await expect(chat.tasks.get_by_role("status")).to_contain_text("Completed")
        assert await chat.titles_on_server() == []
        await chat.tasks.get_by_role("button", name="Undo", exact=True).click()
        await expect(chat.box("Buy milk")).to_be_visible()
        await expect(chat.tasks.get_by_role("status")).to_contain_text("Buy milk")

        new = chat.tasks.get_by_label("New task", exact=True)
        await new.fill("Buy bread")
        await new.press("Enter")
        await expect(chat.box("Buy bread")).to_be_visible()
        await chat.tasks.get_by_role("button", name="Edit Buy bread").click()
        await chat.tasks.get_by_label("Title").fill("Buy rye bread")
        await chat.tasks.get_by_role("button", name="Save").click()
        await expect(chat.box("Buy rye bread")).to_be_visible()
        await expect(chat.tasks.locator(".busy")).to_have_count(0)
        assert sorted(await chat.titles_on_server()) == ["Buy milk", "Buy rye bread"]

        await chat.tasks.get_by_label("Search tasks").fill("rye")
        await expect(chat.box("Buy milk")).to_have_count(0)
        await expect(chat.box("Buy rye bread")).to_be_visible()


async def test_a_change_in_one_tab_appears_in_the_other(stage: Stage) -> None:
    async with stage.visit(tasks=[MILK]) as chat, chat.tab() as other:
        await expect(other.box("Buy milk")).to_be_visible()
        await chat.box("Buy milk").click()
        await expect(other.box("Buy milk")).to_have_count(0)
        await other.tasks.get_by_label("New task", exact=True).fill("From the other")
        await other.tasks.get_by_role("button", name="Add", exact=True).click()
        await expect(chat.box("From the other")).to_be_visible()


async def test_another_users_tasks_are_never_shown(stage: Stage) -> None:
    async with stage.visit(tasks=[MILK]) as chat, stage.visit(tasks=[{"title": "Mine alone"}]) as other:
        await expect(chat.box("Buy milk")).to_be_visible()
        await expect(other.box("Mine alone")).to_be_visible()
        await other.call("add_task", title="Mine as well")
        await expect(other.box("Mine as well")).to_be_visible()
        await chat.call("add_task", title="Buy bread")
        await expect(chat.box("Buy bread")).to_be_visible()
        await expect(chat.tasks.get_by_text("Mine")).to_have_count(0)


async def test_the_todo_server_goes_and_comes_back(browser: Browser, stub: OpenAIStub, tmp_path: Path) -> None:
    expected = ("status of 502", "status of 503", "status of 504")
    # Long enough for a call on a busy machine, and short enough to wait for.
    settings = {"TOOL_TIMEOUT_SECONDS": "5"}
    async with (
        running_stage(browser, stub, tmp_path, **settings) as stage,
        stage.visit(tasks=[MILK], expected=expected) as chat,
    ):
        await expect(chat.box("Buy milk")).to_be_visible()
        await stage.todo.kill()
        new = chat.tasks.get_by_label("New task", exact=True)
        await new.fill("Buy bread")
        await new.press("Enter")
        stub.reply(Call("add_task", {"title": "Buy eggs"}))
        await chat.say("eggs")
        await expect(chat.tasks.get_by_role("alert").filter(has_text="Could not add")).to_be_visible()
        again = chat.status.get_by_role("button", name="Try again")
        await expect(again).to_be_visible()

        await stage.todo.restart()
        await chat.tasks.get_by_role("button", name="Try again").click()
        await expect(chat.box("Buy bread")).to_be_visible()
        stub.reply(Say("Added."))
        await again.click()
        await expect(chat.answer).to_contain_text("Added.")
        await expect(chat.box("Buy eggs")).to_be_visible()
        await chat.call("add_task", title="From elsewhere")
        await expect(chat.box("From elsewhere")).to_be_visible()
        assert sorted(await chat.titles_on_server()) == ["Buy bread", "Buy eggs", "Buy milk", "From elsewhere"]


async def test_the_frame_can_run_its_own_script_and_nothing_else(stage: Stage) -> None:
    async with stage.visit(tasks=[MILK]) as chat:
        await expect(chat.box("Buy milk")).to_be_visible()
        frame = chat.page.locator("iframe")
        assert await frame.get_attribute("sandbox") == "allow-scripts"
        assert await frame.get_attribute("title")
        inside = chat.page.frames[1]
        assert inside.url == f"{stage.chat.base_url}/widget"
        assert await inside.evaluate("self.origin") == "null"
        async with chat.api() as api:
            document = await api.http.get("/widget", headers={"Authorization": ""})
        policy = dict(part.strip().split(" ", 1) for part in document.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"].startswith("'sha256-")
        assert policy["style-src"].startswith("'sha256-")
        assert policy["frame-ancestors"] == "'self'"
        assert "unsafe" not in document.headers["Content-Security-Policy"]


async def test_the_frame_reaches_no_tool_but_its_own(stage: Stage) -> None:
    """A document in the frame is not believed: what it asks for is passed on only where a user could do it there."""
    async with stage.visit(tasks=[MILK], expected=("Content Security", "status of 4")) as chat:
        await expect(chat.box("Buy milk")).to_be_visible()
        asked: dict[str, Any] = await chat.page.frames[1].evaluate(
            """() => new Promise((resolve) => {
              addEventListener("message", ({ data }) => data.id === "forged" && resolve(data));
              const params = { name: "no_such_tool", arguments: {} };
              parent.postMessage({ jsonrpc: "2.0", id: "forged", method: "tools/call", params }, "*");
            })"""
        )
        assert "error" in asked or asked["result"]["isError"], asked


async def test_the_tasks_are_hidden_and_shown_again(stage: Stage) -> None:
    async with stage.visit(tasks=[MILK]) as chat:
        await expect(chat.box("Buy milk")).to_be_visible()
        await chat.button("Hide the tasks").click()
        await expect(chat.page.locator("iframe")).to_be_hidden()
        await chat.page.reload()
        await expect(chat.composer).to_be_visible()
        await expect(chat.page.get_by_role("region", name="Tasks")).to_be_hidden()
        await chat.button("Show the tasks").click()
        await expect(chat.box("Buy milk")).to_be_visible()


async def on_phone(chat: Chat, view: str) -> None:
    """Choose what a small screen shows."""
    await chat.page.get_by_role("navigation", name="View").get_by_role("button", name=view).click()


async def test_a_phone_shows_one_at_a_time(stage: Stage) -> None:
    async with stage.visit(tasks=[MILK], viewport={"width": 360, "height": 640}) as chat:
        await expect(chat.composer).to_be_visible()
        await expect(chat.page.locator("iframe")).to_be_hidden()
        await on_phone(chat, "Tasks")
        await expect(chat.box("Buy milk")).to_be_visible()
        await expect(chat.composer).to_be_hidden()
        await on_phone(chat, "Chat")
        await expect(chat.composer).to_be_visible()
