"""What the page costs a browser: a cold load from loopback, a long answer as it streams, a long history."""

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.page.measures import Load, cold_load, scroll_to_the_first, watch_long_tasks
from tests.e2e.page.seeding import Past, seed
from tests.e2e.page.stage import Stage, running_stage
from tests.support.browser import running_browser
from tests.support.openai_stub import Say, running_openai_stub

LOADS: Final = 10
WORDS: Final = 5_000
PAUSE_SECONDS: Final = 0.002
"""Between two words of the streamed answer."""
TURNS: Final = 2_500
SLOW_FRAME_MS: Final = 50
STREAM_MS: Final = 120_000


def long_answer() -> str:
    """Return as many words of Markdown as `WORDS`: paragraphs, lists, tables and code."""
    paragraph = "A sentence of *plain* words that goes on for a **little** while and then comes to its `end`. " * 4
    listing = "\n".join(
        f"- item {number} of a list, with a [link](https://example.org/{number})" for number in range(8)
    )
    table = "| a | b |\n|---|---|\n" + "\n".join(f"| cell {number} | another cell |" for number in range(6))
    block = f"## A heading\n\n{paragraph}\n\n{listing}\n\n{table}\n\n```python\nprint('a line of code')\n```\n\n"
    words = len(block.split())
    return block * (WORDS // words) + "word " * (WORDS % words) + "end"


async def loads(stage: Stage) -> None:
    """Load the page cold, and print what that took and fetched."""
    await cold_load(stage)
    measured: list[Load] = [await cold_load(stage) for _ in range(LOADS)]
    paints = [load.first_paint_ms for load in measured]
    load = measured[-1]
    print(f"cold load        first contentful paint: {statistics.median(paints):.0f} ms (worst {max(paints):.0f} ms)")
    print(f"                 transfer: {load.total / 1000:.1f} kB in {len(load.files) + len(load.data)} addresses")
    for path, size in sorted({**load.files, **load.data}.items(), key=lambda item: -item[1]):
        print(f"                 {size / 1000:8.1f} kB  {path}")


async def stream(stage: Stage) -> None:
    """Stream a long answer, and print how long the page was busy at a stretch."""
    async with stage.visit(path=None) as chat:
        long_tasks = await watch_long_tasks(chat.page)
        await chat.page.goto("/")
        await expect(chat.tasks.get_by_text("Nothing to do.")).to_be_visible()
        await long_tasks()
        stage.stub.reply(Say(f"Begun. {long_answer()}", pause_seconds=PAUSE_SECONDS))
        began = time.monotonic()
        await chat.say("tell me everything")
        await expect(chat.answer).to_contain_text("Begun.")
        await expect(chat.button("Stop the answer")).to_be_hidden(timeout=STREAM_MS)
        took = time.monotonic() - began
        noted: list[float] = await long_tasks()
    print(
        f"streaming        {WORDS} words in {took:.1f} s: {len(noted)} tasks over 50 ms, "
        f"longest {max(noted, default=0):.0f} ms"
    )


async def scroll(stage: Stage) -> None:
    """Scroll through a long conversation to its first message, and print how even the frames were."""
    user = f"bench-{uuid.uuid4().hex}"
    turns = [(f"Question {turn}", f"Answer **{turn}**\n\n- with\n- a list") for turn in range(1, TURNS + 1)]
    seed(stage.chat_database, user, [Past("Long", turns)])
    async with stage.visit(user, path="/?c=1") as chat:
        await expect(chat.turn_of(f"Question {TURNS}")).to_be_in_viewport()
        gaps: list[float] = []
        while not await chat.turn_of("Question 1").count():
            gaps += await scroll_to_the_first(chat)
    slow = [gap for gap in gaps if gap > SLOW_FRAME_MS]
    print(
        f"scrolling        {2 * TURNS} messages in {sum(gaps) / 1000:.1f} s: {len(gaps)} frames, "
        f"{len(slow)} over {SLOW_FRAME_MS} ms, longest {max(gaps):.0f} ms"
    )


async def measure(browser: Browser) -> None:
    """Take all measurements on services of their own."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_openai_stub() as stub, running_stage(browser, stub, Path(folder)) as stage:
            print(f"browser          Chromium {browser.version}")
            for part in (loads, stream, scroll):
                await part(stage)


async def main() -> None:
    """Run in the system's Chromium."""
    async with running_browser() as browser:
        await measure(browser)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        sys.exit(f"error: {missing}")
