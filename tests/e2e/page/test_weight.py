"""What the page weighs: a first visit fetches little, and a second one next to nothing."""

from typing import Final

import httpx
import pytest
from playwright.async_api import Request, expect

from tests.e2e.page.measures import cold_load
from tests.e2e.page.stage import Stage
from tests.integration.chat_api.conftest import REQUEST_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRANSFER_MAX: Final = 250_000
"""Bytes of a first visit in all, headers and the user's own data included."""
AGAIN_MAX: Final = 20_000
"""Bytes of the visits after it."""


async def test_a_first_visit_fetches_at_most_250_kb(stage: Stage) -> None:
    load = await cold_load(stage)
    assert {"/", "/static/app.js", "/static/tasks.js", "/static/style.css", "/widget"} <= set(load.files)
    assert load.total <= TRANSFER_MAX, load.files
    assert all(load.files.values())


async def test_a_second_visit_asks_what_has_changed(stage: Stage) -> None:
    async with stage.visit() as chat:
        await expect(chat.tasks.get_by_text("Nothing to do.")).to_be_visible()
        finished: list[Request] = []
        chat.page.on("requestfinished", lambda request: finished.append(request))
        await chat.page.goto("/")
        await expect(chat.tasks.get_by_text("Nothing to do.")).to_be_visible()
        sizes = {request.url: await request.sizes() for request in finished}
        total = sum(each["responseHeadersSize"] + each["responseBodySize"] for each in sizes.values())
        assert total <= AGAIN_MAX, sizes


async def test_what_other_people_wrote_is_named(stage: Stage) -> None:
    async with httpx.AsyncClient(base_url=stage.chat.base_url, timeout=REQUEST_SECONDS, trust_env=False) as http:
        answer = await http.get("/static/licences.txt")
    assert answer.headers["Content-Type"].startswith("text/plain")
    for package in ("dompurify", "marked", "@modelcontextprotocol/ext-apps"):
        assert f"\n{package} " in answer.text
