"""Who can use the task list: by keyboard alone, by ear, on a phone, in the dark, in any script."""

import json
from typing import Any

import pytest
from playwright.async_api import ViewportSize, expect

from tests.e2e.widget.conftest import Stage, Widget

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE: ViewportSize = {"width": 320, "height": 640}
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverleihungsurkunde" * 4
ONE_OF_EACH: list[dict[str, Any]] = [
    {"title": "Pay rent", "due": "2020-01-01", "priority": "urgent", "tags": ["home", "money"]},
    {"title": "Water the plants", "due": "2030-07-01", "recurrence": "FREQ=WEEKLY", "description": "All of them."},
    {"title": "Call Ada", "priority": "low"},
]


@pytest.fixture(scope="module")
def axe(stage: Stage) -> str:
    """The script that looks for barriers."""
    return (stage.packages / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def barriers(widget: Widget, axe: str) -> list[str]:
    """What axe-core finds wrong in the task list's page, and with which elements."""
    # As a function, since the page's policy forbids to evaluate a text.
    await widget.frame.evaluate(f"() => {{ {axe} }}")
    found = await widget.frame.evaluate("axe.run({ resultTypes: ['violations'] })")
    assert found["passes"], "axe has looked at nothing"
    return [f"{each['id']}: {node['html']}" for each in found["violations"] for node in each["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_no_barrier_is_found_in_any_state(stage: Stage, axe: str, theme: str) -> None:
    async with stage.widget(*ONE_OF_EACH, context={"theme": theme}) as widget:
        await widget.settled()
        assert await barriers(widget, axe) == []

        await widget.box("Call Ada").click()
        await widget.button("Done").click()
        await expect(widget.box("Call Ada")).to_be_checked()
        await widget.frame.get_by_text("Keyboard", exact=True).click()
        await widget.settled()
        assert await barriers(widget, axe) == []

        await widget.button("Edit Pay rent").click()
        await widget.call("update_task", task_id=1, title="Pay the rent")
        await widget.frame.get_by_label("Title").fill("Pay less rent")
        await widget.button("Save").click()
        await expect(widget.alert).to_contain_text("changed elsewhere")
        assert await barriers(widget, axe) == []
        await widget.button("Drop mine").click()

        await widget.row("Pay the rent").get_by_role("button", name="#home").click()
        await widget.host("bridge.sendToolCancelled({})")
        await expect(widget.alert).to_contain_text("stopped")
        assert await barriers(widget, axe) == []
        await widget.frame.get_by_label("Which tasks").select_option("Deleted")
        await expect(widget.frame.get_by_text("No task matches.")).to_be_visible()
        assert await barriers(widget, axe) == []


async def test_the_keyboard_alone_does_everything(stage: Stage) -> None:
    async with stage.widget({"title": "One"}, {"title": "Two"}, {"title": "Three"}) as widget:
        await expect(widget.box("One")).to_be_visible()
        keyboard = widget.page.keyboard
        new = widget.frame.get_by_label("New task", exact=True)
        await new.focus()
        await keyboard.type("Four")
        await keyboard.press("Enter")
        await expect(widget.box("Four")).to_be_visible()
        await expect(new).to_be_focused()

        await tab_to(widget, "One")
        await keyboard.press("ArrowDown")
        await expect(widget.box("Two")).to_be_focused()
        await keyboard.press("End")
        await expect(widget.box("Four")).to_be_focused()
        await keyboard.press("ArrowUp")
        await expect(widget.box("Three")).to_be_focused()
        await keyboard.press("Home")
        await expect(widget.box("One")).to_be_focused()

        await keyboard.press("Space")
        await expect(widget.box("Two")).to_be_focused()
        await widget.settled()
        assert (await widget.task(1))["status"] == "completed"

        await keyboard.press("Enter")
        await expect(widget.frame.get_by_label("Title")).to_be_focused()
        await keyboard.press("Control+a")
        await keyboard.type("Two and a half")
        await keyboard.press("Enter")
        await expect(widget.box("Two and a half")).to_be_focused()
        assert (await widget.task(2))["title"] == "Two and a half"

        await keyboard.press("Enter")
        await keyboard.type("never saved")
        await keyboard.press("Escape")
        await expect(widget.box("Two and a half")).to_be_focused()
        await keyboard.press("Delete")
        await expect(widget.box("Three")).to_be_focused()
        assert (await widget.task(2))["status"] == "deleted"
        await keyboard.press("Control+z")
        await expect(widget.box("Two and a half")).to_be_visible()
        await expect(widget.box("Three")).to_be_focused()

        for _ in range(3):
            await keyboard.press("Space")
            await widget.settled()
        await expect(widget.frame.get_by_text("Nothing to do.")).to_be_visible()
        await expect(new).to_be_focused()


async def tab_to(widget: Widget, title: str) -> None:
    """Press Tab until the task is reached; the controls before it are few."""
    for _ in range(12):
        await widget.page.keyboard.press("Tab")
        if await widget.box(title).evaluate("(box) => box === document.activeElement"):
            return
    raise AssertionError(f"{title} is not reached with Tab")


async def test_the_list_is_one_stop_and_its_row_has_the_rest(stage: Stage) -> None:
    tasks = [{"title": f"Task {number}"} for number in range(20)]
    async with stage.widget(*tasks) as widget:
        await expect(widget.box("Task 19")).to_be_visible()
        await tab_to(widget, "Task 0")
        names = []
        for _ in range(3):
            await widget.page.keyboard.press("Tab")
            names.append(
                await widget.frame.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent")
            )
        assert names == ["Edit Task 0", "Delete Task 0", "Done"]


async def test_the_focus_is_seen(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}) as widget:
        await expect(widget.box("Buy milk")).to_be_visible()
        await widget.frame.get_by_label("New task", exact=True).focus()
        await tab_to(widget, "Buy milk")
        for control in ("checkbox", "Edit", "Delete"):
            outline = await widget.frame.evaluate("getComputedStyle(document.activeElement).outline")
            assert "solid 2px" in outline, f"{control}: {outline}"
            await widget.page.keyboard.press("Tab")


async def test_what_happens_is_said_to_those_who_listen(stage: Stage) -> None:
    async with stage.widget(*ONE_OF_EACH) as widget:
        await expect(widget.box("Call Ada")).to_be_visible()
        heard = await widget.frame.locator("main").aria_snapshot()
        assert 'list "Overdue 1":' in heard
        assert 'checkbox "Water the plants"' in heard
        assert 'button "Edit Water the plants"' in heard
        described = await widget.box("Pay rent").evaluate(
            "(box) => document.getElementById(box.getAttribute('aria-describedby')).textContent"
        )
        assert described == "overdue: Wed, Jan 1, 2020Urgent priority#home#money"
        await widget.box("Call Ada").click()
        await expect(widget.frame.locator("[role=status]")).to_contain_text("Completed")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_hosts_theme_and_colours_are_taken(stage: Stage, theme: str) -> None:
    variables = {"--color-background-primary": "rgb(10, 20, 30)", "--font-sans": "monospace"}
    other = "dark" if theme == "light" else "light"
    async with stage.widget({"title": "Buy milk"}, context={"theme": theme}, browser={"color_scheme": other}) as widget:
        await expect(widget.box("Buy milk")).to_be_visible()
        assert await background(widget) == {"light": "rgb(255, 255, 255)", "dark": "rgb(28, 28, 31)"}[theme]
        await widget.host("change(argument)", {"theme": other})
        await expect_background(widget, {"light": "rgb(255, 255, 255)", "dark": "rgb(28, 28, 31)"}[other])
        await widget.host("change(argument)", {"styles": {"variables": variables}})
        await expect_background(widget, "rgb(10, 20, 30)")
        assert await widget.frame.evaluate("getComputedStyle(document.body).fontFamily") == "monospace"


async def test_without_a_host_theme_the_systems_preference_decides(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}, browser={"color_scheme": "dark"}) as widget:
        await expect(widget.box("Buy milk")).to_be_visible()
        assert await background(widget) == "rgb(28, 28, 31)"


async def background(widget: Widget) -> str:
    """The page's background colour."""
    return str(await widget.frame.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


async def expect_background(widget: Widget, colour: str) -> None:
    """Wait until the page's background has this colour."""
    shown = "(colour) => getComputedStyle(document.documentElement).backgroundColor === colour"
    await widget.frame.wait_for_function(shown, arg=colour)


@pytest.mark.parametrize("width", [320, 800, 2560])
async def test_nothing_is_wider_than_the_page(stage: Stage, width: int) -> None:
    tasks = [{"title": LONG, "tags": ["x" * 50, "y" * 50], "description": LONG, "due": "2020-01-01"}, *ONE_OF_EACH]
    async with stage.widget(*tasks, viewport={"width": width, "height": 640}) as widget:
        await expect(widget.box("Call Ada")).to_be_visible()
        await widget.row("Call Ada").get_by_role("button", name="Edit").click()
        await widget.frame.get_by_label("Title").fill("Call Ada back")
        await widget.button("Save").click()
        await expect(widget.status).to_contain_text("Saved")
        await widget.frame.locator(".tag", has_text="xxx").click()
        await expect(widget.box("Call Ada back")).to_have_count(0)
        await widget.button(f"Edit {LONG}").click()
        root = "document.documentElement"
        assert await widget.frame.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
        outside = await widget.frame.evaluate(
            "[...document.querySelectorAll('main *')].filter((each) => each.checkVisibility()"
            " && !each.closest('.heard, .details')"
            " && each.getBoundingClientRect().right > innerWidth).map((each) => each.outerHTML.slice(0, 80))"
        )
        assert outside == []


async def test_what_is_touched_is_large_enough(stage: Stage) -> None:
    async with stage.widget(*ONE_OF_EACH, viewport=PHONE) as widget:
        await expect(widget.box("Call Ada")).to_be_visible()
        sizes = await widget.frame.evaluate(
            "[...document.querySelectorAll('button, select, input:not([type=checkbox])')]"
            ".filter((each) => each.checkVisibility())"
            ".map((each) => [each.ariaLabel ?? each.textContent, Math.min(each.offsetWidth, each.offsetHeight)])"
        )
        assert not [name for name, size in sizes if size < 24], json.dumps(sizes)


async def test_text_in_any_script_reads_in_its_own_direction(stage: Stage) -> None:
    hebrew, mixed = "לקנות חלב", "שלום Ada 3"
    async with stage.widget({"title": hebrew, "tags": ["בית"]}, {"title": mixed}, {"title": "Buy milk"}) as widget:
        await expect(widget.box(hebrew)).to_be_visible()
        directions = "[...document.querySelectorAll('.title')].map((each) => getComputedStyle(each).direction)"
        assert await widget.frame.evaluate(directions) == ["rtl", "rtl", "ltr"]
        await widget.box(mixed).click()
        await expect(widget.status).to_have_text(f"Completed \u2068“{mixed}”\u2069.")


@pytest.mark.parametrize(("wish", "moving"), [("reduce", 0), ("no-preference", 1)])
async def test_nothing_moves_where_the_user_wants_no_motion(stage: Stage, wish: str, moving: int) -> None:
    async with stage.widget({"title": "Buy milk"}, browser={"reduced_motion": wish}) as widget:
        await widget.settled()
        # Looked at in one go with what makes it move: the page may take the class away whenever it is drawn.
        begun = "(icon) => { icon.classList.add('busy'); return document.getAnimations().length; }"
        assert await widget.frame.locator("header .icon").first.evaluate(begun) == moving
