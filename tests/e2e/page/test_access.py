"""Who can use the page: on a phone and a wide screen, in the dark, in any script, by ear, without motion."""

import asyncio
import datetime as dt
import uuid
from pathlib import Path

import pytest
from playwright.async_api import Locator, ViewportSize, expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.seeding import Past, seed
from tests.e2e.page.stage import Stage
from tests.support.node import npm_packages
from tests.support.openai_stub import Call, Calls, Fail, OpenAIStub, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")

PACKAGES = Path(__file__).parents[1] / "widget" / "npm"
PHONE: ViewportSize = {"width": 360, "height": 640}
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverleihungsurkunde" * 4
MARKDOWN = f"""# Plan

Some **words**, `code`, [a link](https://example.org/) and {LONG}

| What | When | Where | Why | {LONG} |
|------|------|-------|-----|--------|
| rent | 1st  | bank  | due | x      |

```text
{LONG}
```

- one
- two

> quoted
"""
SETTLED = """() => Promise.all(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().iterations !== Infinity)
  .map((each) => each.finished.catch(() => undefined)))"""
THEMES = pytest.mark.parametrize("theme", ["light", "dark"])


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """Deletions wait, so that an approval can be looked at."""
    return {"TOOL_APPROVAL": "destructive"}


@pytest.fixture(scope="module")
def axe(request: pytest.FixtureRequest) -> str:
    """The script that looks for barriers."""
    cache = request.config.cache
    assert cache is not None
    return (npm_packages(PACKAGES, cache) / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def barriers(chat: Chat, axe: str) -> list[str]:
    """What axe-core finds wrong on the page and in its frames, and with which elements."""
    found: list[str] = []
    await framed(chat)
    for frame in chat.page.frames:
        # What is still fading in has no contrast yet.
        await frame.evaluate(SETTLED)
        # As a function, since the page's policy forbids to evaluate a text. Frames are looked at one by one.
        await frame.evaluate(f"() => {{ {axe} }}")
        result = await frame.evaluate("axe.run({ resultTypes: ['violations'], iframes: false })")
        assert result["passes"], "axe has looked at nothing"
        found += [f"{each['id']}: {node['html']}" for each in result["violations"] for node in each["nodes"]]
    return found


async def framed(chat: Chat) -> None:
    """Wait until the frame, where there is one, has its document: nothing that is done in it before would last."""
    if await chat.page.locator("iframe").count():
        await chat.stands()


async def full_conversation(chat: Chat, stub: OpenAIStub) -> None:
    """Hold a conversation with one of everything, the last answer waiting for the user."""
    calls = (Call("add_task", {"title": "Pay rent", "due": "2020-01-01", "priority": "urgent", "tags": ["home"]}),)
    stub.reply(Calls(calls, say="Let me see."), Call("list_tasks", {}), Say(MARKDOWN))
    await chat.ask("plan my day", "quoted")
    stub.reply(Call("complete_task", {"task_id": 99}), Fail(400))
    await chat.say("finish it")
    await expect(chat.status.get_by_role("button", name="Try again")).to_be_visible()
    stub.reply(Call("delete_task", {"task_id": 1}))
    await chat.say("delete it")
    await expect(chat.turns.last.get_by_role("button", name="Allow")).to_be_visible()


@THEMES
async def test_no_barrier_is_found_in_a_conversation(stage: Stage, stub: OpenAIStub, axe: str, theme: str) -> None:
    async with stage.visit(color_scheme=theme, expected=("status of 502",)) as chat:
        await expect(chat.tasks.get_by_text("Nothing to do.")).to_be_visible()
        assert await barriers(chat, axe) == []

        await full_conversation(chat, stub)
        await expect(chat.box("Pay rent")).to_be_visible()
        assert await barriers(chat, axe) == []

        await chat.button("Stop the answer").click()
        await chat.settled()
        hold = asyncio.Event()
        stub.reply(Say("One two three four", hold=hold))
        await chat.say("count")
        await expect(chat.answer).to_have_text("One two")
        assert await barriers(chat, axe) == []
        hold.set()
        await expect(chat.answer).to_have_text("One two three four")
        await chat.act("Edit your message")
        assert await barriers(chat, axe) == []


@THEMES
async def test_no_barrier_is_found_around_a_conversation(stage: Stage, stub: OpenAIStub, axe: str, theme: str) -> None:
    user = f"user-{uuid.uuid4().hex}"
    seed(stage.chat_database, user, [Past("Shopping"), Past("Travel")])
    async with stage.visit(user, color_scheme=theme) as chat:
        await chat.stands()
        await chat.button("Keyboard").click()
        await expect(chat.page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        assert await barriers(chat, axe) == []
        await chat.page.keyboard.press("Escape")
        await chat.conversation("Shopping").hover()
        await chat.button("Options of “Shopping”").click()
        await expect(chat.page.get_by_role("menu")).to_be_visible()
        assert await barriers(chat, axe) == []
        await chat.page.get_by_role("menuitem", name="Rename").click()
        assert await barriers(chat, axe) == []
        await chat.page.keyboard.press("Escape")
        await chat.choose("Travel", "Delete")
        await expect(chat.toasts).to_contain_text("Travel")
        assert await barriers(chat, axe) == []
        stub.reply(Say("Hello."))
        await chat.ask("hello", "Hello.")
        async with chat.api() as api:
            [run, *_] = await api.runs(3)
        await chat.page.goto(f"/runs/{run['run_id']}")
        await expect(chat.page.get_by_text("hello").first).to_be_visible()
        assert await barriers(chat, axe) == []


@THEMES
async def test_no_barrier_is_found_on_a_phone(stage: Stage, stub: OpenAIStub, axe: str, theme: str) -> None:
    async with stage.visit(color_scheme=theme, viewport=PHONE, has_touch=True, expected=("status of 502",)) as chat:
        await full_conversation(chat, stub)
        assert await barriers(chat, axe) == []
        await chat.button("Open the conversations").click()
        await expect(chat.conversation("plan my day")).to_be_visible()
        assert await barriers(chat, axe) == []
        await chat.button("Close the conversations").click()
        await view(chat, "Tasks").click()
        await expect(chat.box("Pay rent")).to_be_visible()
        assert await barriers(chat, axe) == []


@THEMES
async def test_no_barrier_is_found_where_nobody_is_signed_in(stage: Stage, axe: str, theme: str) -> None:
    async with stage.visit(token="", color_scheme=theme, expected=("status of 401",)) as chat:
        await expect(chat.page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
        await chat.page.get_by_text("I have a token").click()
        await chat.page.get_by_label("Token", exact=True).fill("no token")
        await chat.page.get_by_label("Token", exact=True).press("Enter")
        assert await barriers(chat, axe) == []


def view(chat: Chat, name: str) -> Locator:
    """The way to one of a small screen's views."""
    return chat.page.get_by_role("navigation", name="View").get_by_role("button", name=name)


@pytest.mark.parametrize("width", [360, 800, 1280, 3840])
async def test_nothing_is_wider_than_the_screen(stage: Stage, stub: OpenAIStub, width: int) -> None:
    user = f"user-{uuid.uuid4().hex}"
    seed(stage.chat_database, user, [Past(LONG[:200], [(LONG, MARKDOWN)])])
    tasks = [{"title": LONG, "tags": ["x" * 50]}]
    async with stage.visit(user, path="/?c=1", tasks=tasks, viewport={"width": width, "height": 640}) as chat:
        await expect(chat.answer).to_contain_text("quoted")
        stub.reply(Call("add_task", {"title": LONG, "description": LONG}), Say(LONG))
        await chat.ask("describe it", LONG)
        await chat.composer.fill(LONG)
        await fits(chat)
        if width == PHONE["width"]:
            await view(chat, "Tasks").click()
            await expect(chat.box(LONG).first).to_be_visible()
            await fits(chat)
            await view(chat, "Chat").click()
            await chat.button("Open the conversations").click()
            await fits(chat)


async def fits(chat: Chat) -> None:
    """See that no page or frame scrolls sideways, and that nothing hangs out of it unless it scrolls by itself."""
    await framed(chat)
    await chat.page.evaluate(SETTLED)
    for frame in chat.page.frames:
        wide = await frame.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1], wide
    outside = await chat.page.evaluate(
        """() => [...document.querySelectorAll("main *, aside *")].filter((each) => {
          if (!each.checkVisibility() || each.closest("pre, .table, .heard, svg")) return false;
          const { left, right, width } = each.getBoundingClientRect();
          return width > 0 && left < innerWidth && right > 0 && (right > innerWidth + 1 || left < -1);
        }).map((each) => each.outerHTML.slice(0, 100))"""
    )
    assert outside == []


async def test_what_is_touched_is_large_enough(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(viewport=PHONE, has_touch=True, expected=("status of 502",)) as chat:
        await full_conversation(chat, stub)
        sizes = await chat.page.evaluate(
            """() => [...document.querySelectorAll("button, select, input, textarea")]
              .filter((each) => each.checkVisibility() && !each.closest("[inert]"))
              .map((each) => [each.ariaLabel ?? each.textContent, Math.min(each.offsetWidth, each.offsetHeight)])"""
        )
        assert sizes
        assert not [(name, size) for name, size in sizes if 0 < size < 24]


async def test_text_reads_in_its_own_direction(stage: Stage, stub: OpenAIStub) -> None:
    hebrew, arabic = "לקנות חלב", "**اشتر** الخبز"
    async with stage.visit() as chat:
        stub.reply(Calls((Call("add_task", {"title": hebrew}),)), Say(arabic))
        await chat.ask(hebrew, "الخبز")
        for text in (chat.page.get_by_text("الخبز"), chat.questions.last, chat.title):
            await expect(text.first).to_have_css("direction", "rtl")
        stub.reply(Say("In English."))
        await chat.ask("in English", "In English.")
        await expect(chat.answer.get_by_text("In English.")).to_have_css("direction", "ltr")
        await chat.composer.fill(hebrew)
        assert await chat.composer.evaluate("(element) => element.matches(':dir(rtl)')")


async def test_nothing_moves_where_the_user_wants_no_motion(stage: Stage, stub: OpenAIStub) -> None:
    noting = """
        window.moved = [];
        for (const begun of ["animationstart", "transitionrun"]) {
          document.addEventListener(begun, ({ target, animationName, propertyName }) => {
            const animations = target.getAnimations({ subtree: true });
            const lasting = animations.some(({ effect }) => effect.getComputedTiming().duration > 1);
            if (lasting) moved.push(animationName ?? propertyName);
          });
        }
    """
    for wish in ("reduce", "no-preference"):
        async with stage.visit(path=None, reduced_motion=wish) as chat:
            await chat.page.add_init_script(noting)
            await chat.page.goto("/")
            hold = asyncio.Event()
            stub.reply(Say("One two three four", hold=hold))
            await chat.say("count")
            await expect(chat.answer).to_have_text("One two")
            if wish == "no-preference":
                # What moves depends on how soon the answer comes, but something does for as long as it is written.
                await chat.page.wait_for_function("() => moved.length > 0")
            hold.set()
            await chat.settled()
            if wish == "reduce":
                assert await chat.page.evaluate("moved") == []


async def test_an_answer_is_told_once_when_it_is_whole(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        await chat.listen()
        stub.reply(Say("One **two** three four", pause_seconds=0.05))
        await chat.ask("count", "One two three four")
        told = await chat.told("three four")
        assert [text for text in told if "One" in text] == ["Assistant: One two three four"], told


async def test_times_are_in_the_readers_zone(stage: Stage) -> None:
    user = f"user-{uuid.uuid4().hex}"
    seed(stage.chat_database, user, [Past("Shopping")])
    said = dt.datetime.now(dt.UTC)
    async with stage.visit(user, path="/?c=1", timezone_id="Asia/Kathmandu") as chat:
        await chat.turns.last.hover()
        times = await chat.page.locator("main time").evaluate_all(
            "(all) => all.map((each) => [each.dateTime, each.textContent])"
        )
        assert times
        shown = {text for _, text in times}
        zone = dt.timezone(dt.timedelta(hours=5, minutes=45))
        near = {(said + dt.timedelta(minutes=off)).astimezone(zone).strftime("%H:%M") for off in range(-3, 2)}
        assert any(clock in text for clock in near for text in shown), (shown, near)
