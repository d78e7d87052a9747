"""The page of one run: what it did when, live while it is at work, for its owner alone."""

import asyncio
import json
import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.payloads import TEXTS
from tests.e2e.page.stage import Stage
from tests.e2e.page.test_access import PACKAGES, barriers, fits
from tests.support.node import npm_packages
from tests.support.openai_stub import Call, Calls, Fail, OpenAIStub, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_FOUND = "There is no such run, or it is not yours."
MILK = Call("add_task", {"title": "Buy milk"})


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """Deletions wait for the user."""
    return {"TOOL_APPROVAL": "destructive"}


async def sent(chat: Chat, message: str) -> dict[str, Any]:
    """Send a message beside the page, and return its run."""
    async with chat.api() as api:
        answer = (await api.send(message)).json()
        run: dict[str, Any] = await api.read(f"runs/{answer['run_id']}")
    return run


async def look(chat: Chat, run: dict[str, Any]) -> None:
    """Open a run's page and wait for its steps."""
    await chat.page.goto(f"/runs/{run['run_id']}")
    await expect(steps(chat).first).to_be_visible()


def steps(chat: Chat) -> Locator:
    """The rows of the table."""
    return chat.page.get_by_role("table", name="Steps").locator("tbody").get_by_role("row")


def step(chat: Chat, name: str) -> Locator:
    """The row of one step."""
    return steps(chat).filter(has=chat.page.get_by_role("rowheader", name=re.compile(f"^{re.escape(name)}")))


def fact(chat: Chat, name: str) -> Locator:
    """What the page's head says of a run."""
    return chat.page.locator(".facts > div").filter(has=chat.page.get_by_text(name, exact=True)).locator("dd")


async def test_a_run_is_shown_step_by_step(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(MILK, Say("Added."))
        await chat.ask("add milk", "Added.")
        async with chat.api() as api:
            [run] = await api.runs(1)
        await look(chat, run)
        headers = await steps(chat).get_by_role("rowheader").all_inner_texts()
        assert headers == [
            "Attempt 1 completed",
            "Model call asked for tools",
            "Journal: model response",
            "Tool call add_task done",
            "Journal: outcome of add_task",
            "Model call gave the answer",
            "Commit stored the answer",
        ]
        await expect(fact(chat, "Status")).to_have_text("completed")
        await expect(fact(chat, "Attempts")).to_have_text("1")
        await expect(fact(chat, "Tokens")).to_have_text("22 read, 14 written")
        await expect(fact(chat, "Total time")).to_have_text(re.compile(r"^[\d.]+m?s$"))
        assert await chat.page.title() == "add milk – Todo Chat"
        for row in await steps(chat).all():
            assert re.fullmatch(r"[\d.]+m?s", await row.locator(".took > span").inner_text())
        await chat.page.get_by_role("link", name="Back to the conversation").click()
        await expect(chat.answer).to_contain_text("Added.")
        await expect(chat.page).to_have_url(f"/?c={run['conversation_id']}")


async def test_the_keyboard_opens_what_a_tool_was_given_and_answered(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(MILK, Say("Added."))
        run = await sent(chat, "add milk")
        await look(chat, run)
        tool = step(chat, "Tool call add_task")
        await expect(tool.locator("pre").first).to_be_hidden()
        await tool.locator("summary").focus()
        await chat.page.keyboard.press("Enter")
        await expect(tool.locator("pre").first).to_be_visible()
        shown = [json.loads(text) for text in await tool.locator("pre").all_inner_texts()]
        assert shown == [{"title": "Buy milk"}, run["tool_calls"][0]["result"]]
        model = step(chat, "Model call gave the answer")
        await model.locator("summary").click()
        await expect(model).to_contain_text("Tokens written")


async def test_bars_lie_where_their_times_are(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(MILK, Say("one two three four", pause_seconds=0.2))
        run = await sent(chat, "add milk")
        async with chat.api() as api:
            entries = (await api.read(f"runs/{run['run_id']}/timeline"))["entries"]
        await look(chat, run)
        times = "(time) => time === null ? null : Date.parse(time)"
        measured = await chat.page.evaluate(
            f"(entries) => entries.map((each) => [each.began_at, each.ended_at].map({times}))", entries
        )
        start, end = measured[0]
        for rtl in (False, True):
            await chat.page.evaluate(f"document.documentElement.dir = '{'rtl' if rtl else 'ltr'}'")
            bars = await chat.page.locator(".extent").evaluate_all(
                """(bars) => bars.map((bar) => {
                  const own = bar.getBoundingClientRect(), track = bar.parentElement.getBoundingClientRect();
                  return [own.left - track.left, track.right - own.right, track.width];
                })"""
            )
            assert len(bars) == len(measured)
            for (began, ended), (left, right, width) in zip(measured, bars, strict=True):
                before, after = (right, left) if rtl else (left, right)
                assert before == pytest.approx((began - start) / (end - start) * width, abs=4)
                assert after == pytest.approx((end - ended) / (end - start) * width, abs=4)
        words = step(chat, "Model call gave the answer").locator(".first-word")
        assert await words.is_visible()


async def test_it_goes_on_while_the_run_does(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        hold = asyncio.Event()
        stub.reply(MILK, Say("one two three four", hold=hold))
        await chat.say("add milk")
        await expect(chat.answer).to_have_text("one two")
        async with chat.api() as api:
            [run] = await api.runs(1)
        await look(chat, run)
        await expect(fact(chat, "Status")).to_have_text("under way")
        await expect(step(chat, "Attempt 1")).to_contain_text("not over yet")
        await expect(steps(chat)).to_have_count(5)
        tool = step(chat, "Tool call add_task")
        await tool.locator("summary").click()
        hold.set()
        await expect(fact(chat, "Status")).to_have_text("completed")
        await expect(steps(chat)).to_have_count(7)
        await expect(chat.page.get_by_role("status").filter(has_text="The run is completed.")).to_be_attached()
        # What the reader has opened stays open.
        await expect(tool.locator("pre").first).to_be_visible()
        await chat.page.wait_for_timeout(1500)
        asked = [address for address in chat.watch.requests if address.endswith("/timeline")]
        await chat.page.wait_for_timeout(1500)
        assert [address for address in chat.watch.requests if address.endswith("/timeline")] == asked


async def test_failures_waits_and_denials_are_told(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=[{"title": "Buy milk"}]) as chat:
        stub.reply(Call("delete_task", {"task_id": 1}))
        run = await sent(chat, "delete it")
        await look(chat, run)
        await expect(step(chat, "Approval")).to_contain_text("waits for approval")
        await expect(step(chat, "Tool call delete_task")).to_contain_text("no outcome yet")
        stub.reply(Fail(400))
        async with chat.api() as api:
            decisions = [{"tool_call_id": run["pending_approvals"][0]["tool_call_id"], "approve": False}]
            path = f"/api/{chat.user}/runs/{run['run_id']}/approvals"
            assert (await api.http.post(path, json={"decisions": decisions})).status_code == 202
        await expect(fact(chat, "Status")).to_contain_text("failed: The model failed")
        await expect(step(chat, "Approval")).to_contain_text("decided")
        await expect(step(chat, "Tool call delete_task")).to_contain_text("never sent")
        await expect(step(chat, "Attempt 2")).to_contain_text("The model failed")
        await expect(step(chat, "Model call").last).to_contain_text("failed")


async def test_text_from_elsewhere_stays_text(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        message = "\n".join(TEXTS)
        stub.reply(Calls(tuple(Call("add_task", {"title": text}) for text in TEXTS)), Say("Added."))
        run = await sent(chat, message)
        await look(chat, run)
        await expect(chat.page.locator(".message")).to_have_text(message, use_inner_text=True)
        for summary in await steps(chat).locator("summary").all():
            await summary.click()
        shown = await chat.page.locator(".run").inner_text()
        assert all(json.dumps(text, ensure_ascii=False) in shown for text in TEXTS)
        assert await chat.page.evaluate("window.stolen ?? null") is None
        foreign = "script, style, img, svg, iframe, object, form, link, meta, base, a"
        assert await chat.page.locator(".run").locator(foreign).count() == 0


@pytest.mark.parametrize("name", ["0-0", "%E0%A4%A", "ä"])
async def test_a_run_that_is_not_there(stage: Stage, name: str) -> None:
    async with stage.visit(path=f"/runs/{name}", expected=("status of 404", "status of 422")) as chat:
        await expect(chat.page.get_by_role("alert").filter(has_text=NOT_FOUND)).to_be_visible()
        await expect(chat.page.get_by_role("table")).to_have_count(0)


async def test_somebody_elses_run_is_none(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as ann:
        stub.reply(Say("It is 4711."))
        run = await sent(ann, "my secret is 4711")
    async with stage.visit(path=f"/runs/{run['run_id']}", expected=("status of 404",)) as bob:
        await expect(bob.page.get_by_role("alert").filter(has_text=NOT_FOUND)).to_be_visible()
        assert "4711" not in await bob.page.content()


async def test_nobody_sees_a_run_without_a_token(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as ann:
        stub.reply(Say("Hello."))
        run = await sent(ann, "hello")
    async with stage.visit(path=f"/runs/{run['run_id']}", token="", expected=("status of 401",)) as chat:
        await expect(chat.page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
        await expect(steps(chat)).to_have_count(0)


async def test_a_lost_connection_is_told_and_made_again(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=("ERR_INTERNET_DISCONNECTED",)) as chat:
        hold = asyncio.Event()
        stub.reply(Say("one two three four", hold=hold))
        await chat.say("count")
        await expect(chat.answer).to_have_text("one two")
        async with chat.api() as api:
            [run] = await api.runs(1)
        await look(chat, run)
        await chat.page.context.set_offline(True)
        await expect(chat.page.get_by_role("alert").filter(has_text="Trying again.")).to_be_visible()
        hold.set()
        await chat.page.context.set_offline(False)
        await expect(fact(chat, "Status")).to_have_text("completed")
        await expect(chat.page.locator(".trouble")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 3840])
async def test_it_fits_and_has_no_barriers(
    stage: Stage, stub: OpenAIStub, request: pytest.FixtureRequest, width: int, theme: str
) -> None:
    assert request.config.cache is not None
    axe = (npm_packages(PACKAGES, request.config.cache) / "node_modules" / "axe-core" / "axe.min.js").read_text()
    long = "Donaudampfschifffahrt" * 20
    async with stage.visit(
        viewport={"width": width, "height": 800}, color_scheme=theme, expected=("status of 502",)
    ) as chat:
        stub.reply(Calls((Call("add_task", {"title": long, "tags": ["home"]}), Call("nothing"))), Fail(400))
        run = await sent(chat, f"{long}\nלקנות חלב")
        await look(chat, run)
        await fits(chat)
        for summary in await steps(chat).locator("summary").all():
            await summary.click()
        await fits(chat)
        assert await barriers(chat, axe) == []
