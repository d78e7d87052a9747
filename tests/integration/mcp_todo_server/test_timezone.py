"""The zone in which a user's days begin and end, on each kind of database."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pytest
from mcp import MCPError
from mcp_todo_server.database import STATEMENT_SECONDS
from mcp_todo_server.tasks import repository
from mcp_todo_server.tasks.calls import CALL_SECONDS, LONG_CALL_SECONDS
from mcp_todo_server.tasks.dates import end_of_day
from mcp_todo_server.tasks.models import TaskRow
from mcp_todo_server.tasks.repository import TaskRepository
from mcp_todo_server.tasks.tools import TOOLS
from sqlmodel import select

from tests.integration.mcp_todo_server.conftest import SPECS, Refused, Todo

KEY = "019ab0de-0000-7000-8000-000000000000/0/0"


async def ends(todo: Todo) -> dict[int, dt.datetime | None]:
    async with todo.database.reading() as session:
        rows = (await session.exec(select(TaskRow.task_id, TaskRow.due_until))).all()
    return dict(rows)


async def test_a_zone_is_set_and_today_is_told_in_it(todo: Todo) -> None:
    todo.clock.now = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
    answer = await todo.call("set_timezone", timezone="pacific/AUCKLAND")
    assert answer == {"timezone": "Pacific/Auckland", "today": "2026-11-24"}
    page = await todo.call("list_tasks")
    assert (page["timezone"], page["today"]) == ("Pacific/Auckland", "2026-11-24")
    assert (await todo.of("bob").call("list_tasks"))["timezone"] == "UTC"
    assert (await todo.call("add_task", title="first"))["task_id"] == 1


async def test_the_same_date_is_late_when_its_day_has_ended_where_the_user_now_is(todo: Todo) -> None:
    await todo.call("add_task", title="day", due="2026-11-23")
    await todo.call("add_task", title="time", due_at="2026-11-24T06:00:00Z")
    todo.clock.now = dt.datetime(2026, 11, 24, 5, 30, tzinfo=dt.UTC)
    for zone, late in (("Asia/Tokyo", [1]), ("America/Los_Angeles", []), ("UTC", [1]), ("America/New_York", [1])):
        await todo.call("set_timezone", timezone=zone)
        assert await todo.numbers(overdue=True) == late, zone
        assert await todo.numbers(due_after="2026-11-22", due_before="2026-11-24") == ([1, 2] if "Los" in zone else [1])
        task = await todo.call("get_task", task_id=1)
        assert (task["due"], task["version"]) == ("2026-11-23", 1)


async def test_every_task_is_moved_to_the_new_zone_in_batches(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_ENDS_MAX", 3)
    days = [dt.date(2026, 3, 27) + dt.timedelta(days=day) for day in range(8)]
    for day in [*days, *days[:4]]:
        await todo.call("add_task", title="x", due=day.isoformat())
    await todo.call("complete_task", task_id=2)
    await todo.call("delete_task", task_id=3)
    await todo.call("set_timezone", timezone="Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    expected = {number: end_of_day(day, berlin) for number, day in enumerate([*days, *days[:4]], start=1)}
    assert await ends(todo) == expected


async def test_only_the_tasks_whose_day_ends_at_another_time_are_written(
    todo: Todo, monkeypatch: pytest.MonkeyPatch
) -> None:
    await todo.call("set_timezone", timezone="Europe/Berlin")
    await todo.call("add_task", title="winter", due="2026-12-24")
    await todo.call("add_task", title="summer", due="2027-07-01")
    await todo.call("add_task", title="time", due_at="2027-07-01T10:00:00Z")
    set_due_until, written = TaskRepository.set_due_until, list[int]()

    async def spied(self: TaskRepository, user_id: str, ends: Mapping[int, dt.datetime]) -> None:
        written.extend(ends)
        await set_due_until(self, user_id, ends)

    monkeypatch.setattr(TaskRepository, "set_due_until", spied)
    await todo.call("set_timezone", timezone="Africa/Lagos")  # Berlin's time, in winter alone
    assert written == [2]


async def test_a_call_that_may_write_every_task_has_more_time_than_others(
    todo: Todo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {spec.name for spec in TOOLS if spec.seconds == LONG_CALL_SECONDS} == {"set_timezone", "update_task"}
    assert CALL_SECONDS < STATEMENT_SECONDS < LONG_CALL_SECONDS
    set_due_until = TaskRepository.set_due_until

    async def slow(self: TaskRepository, user_id: str, ends: Mapping[int, dt.datetime]) -> None:
        await asyncio.sleep(0.3)
        await set_due_until(self, user_id, ends)

    monkeypatch.setattr(TaskRepository, "set_due_until", slow)
    monkeypatch.setitem(SPECS, "set_timezone", dataclasses.replace(SPECS["set_timezone"], seconds=0.1))
    with pytest.raises(MCPError, match="temporarily unavailable"):
        await todo.call("set_timezone", timezone="Europe/Berlin")
    assert (await todo.call("list_tasks"))["timezone"] == "UTC"
    monkeypatch.setitem(SPECS, "set_timezone", dataclasses.replace(SPECS["set_timezone"], seconds=30))
    await todo.call("set_timezone", timezone="Europe/Berlin")
    assert (await todo.call("list_tasks"))["timezone"] == "Europe/Berlin"


async def test_a_call_under_a_key_is_answered_alike_and_changes_nothing_again(todo: Todo) -> None:
    first = await todo.text("set_timezone", KEY, timezone="Europe/Berlin")
    await todo.call("set_timezone", timezone="Asia/Tokyo")
    todo.clock.now += dt.timedelta(days=3)
    assert await todo.text("set_timezone", KEY, timezone="europe/berlin") == first
    assert (await todo.call("list_tasks"))["timezone"] == "Asia/Tokyo"


@pytest.mark.parametrize(
    "name",
    [
        *["Berlin", "CEST", "+01:00", "", "../../etc/passwd", "/etc/localtime", "localtime", "posixrules", "Factory"],
        *["Europe/Berlin\x00", "Europe", "posix/Europe/Berlin", "tzdata.zi", "Europe/Berlin ", "x" * 10_000],
    ],
)
async def test_what_is_no_zone_is_refused(todo: Todo, name: str) -> None:
    with pytest.raises(Refused, match=r'^timezone must be an IANA zone, such as "Europe/Berlin"; got ".*'):
        await todo.call("set_timezone", timezone=name)
    assert (await todo.call("list_tasks"))["timezone"] == "UTC"


async def test_a_token_that_may_only_read_sets_no_zone(todo: Todo) -> None:
    with pytest.raises(Refused, match="lacks the scope tasks:write"):
        await todo.reading_only().call("set_timezone", timezone="Europe/Berlin")


async def test_a_date_given_while_the_zone_changes_ends_in_the_new_zone(todo: Todo) -> None:
    """Whichever comes first, no task is left behind in the old zone."""
    await todo.call("add_task", title="x", due="2026-11-23")
    zones = ["Asia/Tokyo", "Europe/Berlin", "America/New_York", "Pacific/Auckland"]
    changes = [todo.call("update_task", task_id=1, due=f"2026-12-{day:02}") for day in range(1, 9)]
    additions = [todo.call("add_task", title="x", due="2026-12-24") for _ in range(8)]
    await asyncio.gather(*changes, *(todo.call("set_timezone", timezone=zone) for zone in zones), *additions)
    zone = ZoneInfo((await todo.call("list_tasks"))["timezone"])
    due = dt.date.fromisoformat((await todo.call("get_task", task_id=1))["due"])
    expected = {1: due} | dict.fromkeys(range(2, 10), dt.date(2026, 12, 24))
    assert await ends(todo) == {number: end_of_day(day, zone) for number, day in expected.items()}
