"""The pictures in the documentation, taken of the real page.

Run with UPDATE_SCREENSHOTS=1 to take them anew. Otherwise this only sees that they can be taken: letters are drawn
differently on every machine, and the date moves on.
"""

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ViewportSize, expect

from tests.e2e.widget.conftest import Stage
from tests.support.browser import size_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGES = Path(__file__).parents[3] / "docs" / "images"
DESK: ViewportSize = {"width": 720, "height": 760}
PHONE: ViewportSize = {"width": 360, "height": 640}
BYTES_MAX = 120_000


def week() -> list[dict[str, Any]]:
    """The tasks of somebody's week, seen from today."""
    today = dt.datetime.now(dt.UTC).date()
    day = [str(today + dt.timedelta(days=offset)) for offset in range(-1, 8)]
    return [
        {"title": "Send the signed lease back", "due": day[0], "priority": "urgent", "tags": ["flat"]},
        {"title": "Call Ada about Saturday", "due_at": f"{day[1]}T23:30:00Z"},
        {"title": "Water the plants", "due": day[1], "recurrence": "FREQ=WEEKLY", "tags": ["home"]},
        {"title": "Book the train to Ghent", "due": day[3], "priority": "high", "tags": ["travel"]},
        {"title": "Dentist", "due_at": f"{day[7]}T08:15:00Z", "description": "Bring the X-rays from March."},
        {"title": "Read “The Dispossessed”"},
        {"title": "Buy oat milk"},
    ]


@pytest.mark.parametrize(
    ("name", "theme", "viewport"),
    [("tasks-light", "light", DESK), ("tasks-dark", "dark", DESK), ("tasks-phone", "light", PHONE)],
)
async def test_a_picture_is_taken(stage: Stage, tmp_path: Path, name: str, theme: str, viewport: ViewportSize) -> None:
    context = {"theme": theme, "locale": "en-GB"}
    folder = IMAGES if os.environ.get("UPDATE_SCREENSHOTS") == "1" else tmp_path
    async with stage.widget(*week(), context=context, viewport=viewport) as widget:
        await widget.settled()
        await widget.box("Buy oat milk").click()
        await expect(widget.status).to_contain_text("Completed")
        await widget.settled()
        await widget.page.mouse.move(0, 0)
        await widget.frame.evaluate("scrollTo(0, 0)")
        await widget.page.screenshot(path=folder / f"{name}.png")
    made, committed = (path / f"{name}.png" for path in (folder, IMAGES))
    assert size_of(made) == size_of(committed)
    assert committed.stat().st_size <= BYTES_MAX
