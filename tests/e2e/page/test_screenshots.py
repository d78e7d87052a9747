"""The pictures in the README, taken of the real page.

Run with UPDATE_SCREENSHOTS=1 to take them anew. Otherwise this only sees that they can be taken: letters are drawn
differently on every machine, and the date moves on.
"""

import datetime as dt
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ViewportSize, expect

from tests.e2e.page.seeding import Past, seed
from tests.e2e.page.stage import Stage
from tests.support.browser import size_of
from tests.support.openai_stub import Call, Calls, OpenAIStub, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGES = Path(__file__).parents[3] / "docs" / "images"
DESK: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 780}
BYTES_MAX = 200_000
EARLIER = [
    ("Packing list for the Alps", 460),
    ("What did I finish last week?", 170),
    ("Gifts for Mira’s birthday", 95),
    ("Split the tax return into steps", 31),
    ("Plan the week", 7),
]
"""Titles of conversations, and how many hours ago they were held."""
ASKED = "Move the dentist to Friday at 8:15 and put oat milk on the list. What else is urgent?"
ANSWERED = """The dentist is on **Friday at 8:15** now, and oat milk is on your list.

Two things press most:

1. **Send the signed lease back** was due yesterday.
2. **Call Ada about Saturday** is for today.

Shall I move the lease to this evening?"""


def days() -> list[str]:
    """The days around today, by their distance plus one."""
    today = dt.datetime.now(dt.UTC).date()
    return [str(today + dt.timedelta(days=offset)) for offset in range(-1, 9)]


def week(day: list[str]) -> list[dict[str, Any]]:
    """The tasks of somebody's week, seen from today."""
    return [
        {"title": "Send the signed lease back", "due": day[0], "priority": "urgent", "tags": ["flat"]},
        {"title": "Call Ada about Saturday", "due": day[1], "priority": "high"},
        {"title": "Water the plants", "due": day[1], "recurrence": "FREQ=WEEKLY", "tags": ["home"]},
        {"title": "Book the train to Ghent", "due": day[3], "tags": ["travel"]},
        {"title": "Dentist"},
        {"title": "Read “The Dispossessed”"},
    ]


@pytest.mark.parametrize(
    ("name", "theme", "viewport"),
    [("page-light", "light", DESK), ("page-dark", "dark", DESK), ("page-phone", "light", PHONE)],
)
async def test_a_picture_is_taken(
    stage: Stage, stub: OpenAIStub, tmp_path: Path, name: str, theme: str, viewport: ViewportSize
) -> None:
    user, day = f"user-{uuid.uuid4().hex}", days()
    seed(stage.chat_database, user, [Past(title, age=dt.timedelta(hours=hours)) for title, hours in EARLIER])
    today = dt.date.fromisoformat(day[1])
    friday = today + dt.timedelta(days=(4 - today.weekday()) % 7 or 7)
    folder = IMAGES if os.environ.get("UPDATE_SCREENSHOTS") == "1" else tmp_path
    options: dict[str, Any] = {"color_scheme": theme, "viewport": viewport, "reduced_motion": "reduce"}
    async with stage.visit(user, tasks=week(day), **options) as chat:
        stub.reply(
            Call("list_tasks", {"sort": "due"}),
            Calls(
                (
                    Call("update_task", {"task_id": 5, "due_at": f"{friday}T08:15:00Z"}),
                    Call("add_task", {"title": "Buy oat milk", "tags": ["shop"]}),
                )
            ),
            Say(ANSWERED),
        )
        await chat.ask(ASKED, "this evening?")
        await expect(chat.cards).to_have_count(3)
        if viewport is DESK:
            await expect(chat.box("Buy oat milk")).to_be_visible()
            await expect(chat.tasks.locator(".busy")).to_have_count(0)
        await chat.page.mouse.move(0, 0)
        await chat.page.screenshot(path=folder / f"{name}.png")
    made, committed = (path / f"{name}.png" for path in (folder, IMAGES))
    assert size_of(made) == size_of(committed)
    assert committed.stat().st_size <= BYTES_MAX
