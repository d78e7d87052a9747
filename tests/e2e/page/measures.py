"""What the page costs a browser: bytes, time until something is seen, and how long it is busy at a stretch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.async_api import Page, Request, expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.stage import Stage

_NOTE_LONG_TASKS: Final = """
window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map(({ duration }) => duration)))
  .observe({ type: "longtask", buffered: true });
"""
_FIRST_PAINT: Final = """() => new Promise((resolve) => {
  new PerformanceObserver((list, observer) => {
    const [entry] = list.getEntriesByName("first-contentful-paint");
    if (!entry) return;
    observer.disconnect();
    resolve(entry.startTime);
  }).observe({ type: "paint", buffered: true });
})"""
_SCROLL: Final = """async (scroller, step) => {
  const frame = () => new Promise(requestAnimationFrame);
  const gaps = [];
  let last = await frame(), idle = 0;
  while (idle < 60) {
    scroller.scrollTop -= step;
    const now = await frame();
    gaps.push(now - last);
    last = now;
    idle = scroller.scrollTop === 0 ? idle + 1 : 0;
  }
  return gaps;
}"""
"""Scroll up, so many pixels a frame, until the top has been reached for a second and no older message comes."""


@dataclass(frozen=True)
class Load:
    """A load of the page by a browser that knows nothing of it."""

    first_paint_ms: float
    """First contentful paint."""
    files: dict[str, int]
    """Bytes that came over the network, headers included, by path; the user's data and streams are left out."""
    data: dict[str, int]
    """The same of the user's data."""

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(self.files.values()) + sum(self.data.values())


async def cold_load(stage: Stage) -> Load:
    """Open the page of a new user and wait until chat and tasks stand there."""
    finished: list[Request] = []
    async with stage.visit(path=None) as chat:
        chat.page.on("requestfinished", lambda request: finished.append(request))
        await chat.page.goto("/")
        await expect(chat.composer).to_be_visible()
        await expect(chat.tasks.get_by_label("New task", exact=True)).to_be_visible()
        await expect(chat.tasks.get_by_text("Nothing to do.")).to_be_visible()
        first_paint: float = await chat.page.evaluate(_FIRST_PAINT)
        files: dict[str, int] = {}
        data: dict[str, int] = {}
        for request in finished:
            sizes = await request.sizes()
            path = urlsplit(request.url).path.replace(chat.user, "{user}")
            kind = data if path.startswith(("/api/", "/token")) else files
            kind[path] = kind.get(path, 0) + sizes["responseHeadersSize"] + sizes["responseBodySize"]
    return Load(first_paint, files, data)


async def watch_long_tasks(page: Page) -> Callable[[], Any]:
    """From the next load on, note tasks of more than 50 ms; call the result for their durations in milliseconds."""
    await page.add_init_script(_NOTE_LONG_TASKS)

    async def noted() -> list[float]:
        durations: list[float] = await page.evaluate("window.longTasks.splice(0)")
        return durations

    return noted


async def scroll_to_the_first(chat: Chat, step: int = 300) -> list[float]:
    """Scroll a conversation up to its first message, `step` pixels a frame.

    Returns the time between frames, in milliseconds.
    """
    gaps: list[float] = await chat.scroller.evaluate(_SCROLL, step)
    return gaps
