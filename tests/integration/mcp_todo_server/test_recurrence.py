"""Tasks that repeat: what completing one makes, and what reopening it puts away, on each kind of database."""

import datetime as dt
from typing import Any

import pytest
from mcp_todo_server.database import UtcDateTime
from sqlalchemy import column, insert, table, update

from tests.integration.mcp_todo_server.conftest import Refused, Todo

KEY = "019ab0de-0000-7000-8000-000000000000/0/0"


def at(todo: Todo, instant: str) -> None:
    todo.clock.now = dt.datetime.fromisoformat(instant)


async def complete(todo: Todo, task_id: int) -> dict[str, Any]:
    """Complete a task and return the one that follows."""
    done = await todo.call("complete_task", task_id=task_id)
    return await todo.call("get_task", task_id=done["next_task_id"])


async def dues(todo: Todo, count: int, **task: Any) -> list[str]:
    """Add a task and complete it and what follows on the days they are due; return when each was."""
    current = await todo.call("add_task", title="x", **task)
    found: list[str] = []
    for _ in range(count):
        found.append(current.get("due") or current["due_at"])
        at(todo, found[-1].replace("Z", "+00:00") if "T" in found[-1] else f"{found[-1]}T12:00:00+00:00")
        current = await complete(todo, current["task_id"])
    return found


async def test_completing_a_task_that_repeats_adds_its_next(todo: Todo) -> None:
    given: dict[str, Any] = {"title": "Water", "description": "all", "priority": "high", "tags": ["Home", "green"]}
    added = await todo.call("add_task", **given, due="2026-11-23", recurrence="freq=weekly;byday=mo")
    assert added["recurrence"] == "FREQ=WEEKLY;BYDAY=MO"
    todo.clock.now += dt.timedelta(minutes=1)
    done = await todo.call("complete_task", task_id=1)
    assert (done["status"], done["next_task_id"], done["recurrence"]) == ("completed", 2, "FREQ=WEEKLY;BYDAY=MO")
    assert await todo.call("get_task", task_id=2) == {
        **given,
        "task_id": 2,
        "status": "open",
        "due": "2026-11-30",
        "recurrence": "FREQ=WEEKLY;BYDAY=MO",
        "version": 1,
        "created_at": "2026-11-23T09:31:00Z",
        "updated_at": "2026-11-23T09:31:00Z",
    }
    assert await todo.numbers(query="water", tag="home") == [2]
    assert await todo.call("complete_task", task_id=1) == done
    assert await todo.numbers(status="all") == [1, 2]


@pytest.mark.parametrize(
    ("due", "rule", "today", "following"),
    [
        ("2026-11-23", "FREQ=DAILY", "2026-11-23", "2026-11-24"),
        ("2026-11-25", "FREQ=DAILY", "2026-11-23", "2026-11-26"),  # early: never the same again
        ("2026-11-02", "FREQ=DAILY", "2026-11-23", "2026-11-24"),  # late: never in the past
        ("2026-11-02", "FREQ=WEEKLY", "2026-11-23", "2026-11-30"),
        ("2026-11-04", "FREQ=WEEKLY", "2026-11-23", "2026-11-25"),
        ("2026-11-02", "FREQ=WEEKLY;INTERVAL=2", "2026-11-10", "2026-11-16"),
        ("2026-11-20", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "2026-11-20", "2026-11-23"),
        ("2026-10-31", "FREQ=MONTHLY", "2026-10-31", "2026-11-30"),
        ("2026-10-31", "FREQ=MONTHLY;BYMONTHDAY=31", "2026-10-31", "2026-12-31"),  # as RFC 5545 has it
        ("2026-10-31", "FREQ=MONTHLY;BYMONTHDAY=-1", "2026-10-31", "2026-11-30"),
        ("2026-11-27", "FREQ=MONTHLY;BYDAY=-1FR", "2026-11-27", "2026-12-25"),
        ("2024-02-29", "FREQ=YEARLY", "2024-02-29", "2025-02-28"),
        ("2024-02-29", "FREQ=YEARLY", "2027-03-01", "2028-02-29"),
        ("2024-02-29", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2024-02-29", "2028-02-29"),
    ],
)
async def test_the_next_is_the_first_after_its_due_and_after_today(
    todo: Todo, due: str, rule: str, today: str, following: str
) -> None:
    await todo.call("add_task", title="x", due=due, recurrence=rule)
    at(todo, f"{today}T09:30:00+00:00")
    assert (await complete(todo, 1))["due"] == following


async def test_a_month_end_comes_back_after_a_shorter_month(todo: Todo) -> None:
    ends = ["2026-12-31", "2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]
    assert await dues(todo, 6, due="2026-12-31", recurrence="FREQ=MONTHLY") == ends


async def test_a_time_of_day_is_kept_where_it_was_given_while_the_clocks_change(todo: Todo) -> None:
    found = await dues(todo, 3, due_at="2027-03-27T09:00+01:00[Europe/Berlin]", recurrence="FREQ=DAILY")
    assert found == ["2027-03-27T08:00:00Z", "2027-03-28T07:00:00Z", "2027-03-29T07:00:00Z"]


async def test_a_time_that_the_clocks_leave_out_comes_back_the_next_day(todo: Todo) -> None:
    found = await dues(todo, 3, due_at="2027-03-27T02:30[Europe/Berlin]", recurrence="FREQ=DAILY")
    assert found == ["2027-03-27T01:30:00Z", "2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z"]


async def test_a_time_that_comes_twice_is_its_first(todo: Todo) -> None:
    found = await dues(todo, 3, due_at="2027-10-30T02:30[Europe/Berlin]", recurrence="FREQ=DAILY")
    assert found == ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]


async def test_without_a_zone_of_its_own_a_time_is_kept_in_the_users_of_that_moment(todo: Todo) -> None:
    await todo.call("set_timezone", timezone="America/New_York")
    await todo.call("add_task", title="x", due_at="2027-03-13T14:00:00Z", recurrence="FREQ=DAILY")
    await todo.call("set_timezone", timezone="Asia/Tokyo")
    at(todo, "2027-03-13T14:00:00+00:00")
    assert (await complete(todo, 1))["due_at"] == "2027-03-14T13:00:00Z"


async def test_today_is_the_users_own_day(todo: Todo) -> None:
    await todo.call("set_timezone", timezone="Pacific/Auckland")
    await todo.call("add_task", title="x", due="2026-11-23", recurrence="FREQ=DAILY")
    at(todo, "2026-11-23T12:00:00+00:00")
    assert (await complete(todo, 1))["due"] == "2026-11-25"


async def test_a_series_ends_with_its_count_wherever_it_was_moved(todo: Todo) -> None:
    await todo.call("add_task", title="x", due="2026-11-23", recurrence="FREQ=DAILY;COUNT=3")
    assert (await complete(todo, 1))["due"] == "2026-11-24"
    await todo.call("update_task", task_id=2, due="2026-11-27")
    assert (await complete(todo, 2))["due"] == "2026-11-28"
    assert "next_task_id" not in await todo.call("complete_task", task_id=3)
    assert await todo.numbers() == []


async def test_what_was_missed_counts(todo: Todo) -> None:
    await todo.call("add_task", title="x", due="2026-11-20", recurrence="FREQ=DAILY;COUNT=5")
    assert (await complete(todo, 1))["due"] == "2026-11-24"
    assert "next_task_id" not in await todo.call("complete_task", task_id=2)
    await todo.call("add_task", title="x", due="2026-11-01", recurrence="FREQ=DAILY;COUNT=5")
    assert "next_task_id" not in await todo.call("complete_task", task_id=3)


@pytest.mark.parametrize(
    ("until", "due", "last"),
    [
        ("20261125", {"due": "2026-11-23"}, 3),
        ("20261125T120000Z", {"due": "2026-11-23"}, 3),
        ("20261125", {"due_at": "2026-11-23T23:00+01:00[Europe/Berlin]"}, 3),
        ("20261125T220000Z", {"due_at": "2026-11-23T23:00+01:00[Europe/Berlin]"}, 3),
        ("20261125T215959Z", {"due_at": "2026-11-23T23:00+01:00[Europe/Berlin]"}, 2),
        ("20261125T230000", {"due_at": "2026-11-23T23:00+01:00[Europe/Berlin]"}, 3),
        ("20261125T225959", {"due_at": "2026-11-23T23:00+01:00[Europe/Berlin]"}, 2),
    ],
)
async def test_a_series_ends_with_its_until(todo: Todo, until: str, due: dict[str, str], last: int) -> None:
    task = await todo.call("add_task", title="x", **due, recurrence=f"FREQ=DAILY;UNTIL={until}")
    for _ in range(last - 1):
        task = await complete(todo, task["task_id"])
    assert "next_task_id" not in await todo.call("complete_task", task_id=task["task_id"])
    assert task["task_id"] == last


async def test_reopening_puts_the_untouched_next_away_and_completing_brings_it_back(todo: Todo) -> None:
    await todo.call("add_task", title="a", due="2026-11-23", recurrence="FREQ=DAILY")
    for turn in range(3):
        done = await todo.call("complete_task", task_id=1)
        assert (done["next_task_id"], await todo.numbers()) == (2, [2])
        opened = await todo.call("reopen_task", task_id=1)
        assert "next_task_id" not in opened
        assert await todo.numbers() == [1]
        assert (await todo.call("get_task", task_id=2))["version"] == 2 * turn + 2
    await todo.call("update_task", task_id=1, title="b", tags=["t"], due="2026-11-25")
    todo.clock.now += dt.timedelta(days=4)
    brought = await complete(todo, 1)
    assert (brought["task_id"], brought["title"], brought["due"], brought["tags"]) == (2, "b", "2026-11-28", ["t"])
    assert await todo.numbers(query="b", tag="t") == [2]
    assert await todo.numbers(status="all") == [1, 2]


async def test_reopening_leaves_a_next_alone_that_was_touched_and_completing_makes_no_second(todo: Todo) -> None:
    await todo.call("add_task", title="a", due="2026-11-23", recurrence="FREQ=DAILY")
    await todo.call("complete_task", task_id=1)
    await todo.call("update_task", task_id=2, title="mine")
    await todo.call("reopen_task", task_id=1)
    assert await todo.numbers() == [1, 2]
    assert (await todo.call("complete_task", task_id=1))["next_task_id"] == 2
    assert await todo.numbers() == [2]
    await todo.call("complete_task", task_id=2)
    await todo.call("reopen_task", task_id=1)
    await todo.call("complete_task", task_id=1)
    assert await todo.numbers(status="all") == [1, 2, 3]


async def test_a_next_that_its_user_deleted_or_restored_stays_so(todo: Todo) -> None:
    await todo.call("add_task", title="a", due="2026-11-23", recurrence="FREQ=DAILY")
    await todo.call("complete_task", task_id=1)
    await todo.call("delete_task", task_id=2)
    await todo.call("reopen_task", task_id=1)
    await todo.call("complete_task", task_id=1)
    assert await todo.numbers() == []
    await todo.call("restore_task", task_id=2)
    await todo.call("reopen_task", task_id=1)
    assert await todo.numbers() == [1, 2]


async def test_a_series_that_is_over_by_then_puts_nothing_back(todo: Todo) -> None:
    await todo.call("add_task", title="a", due="2026-11-23", recurrence="FREQ=DAILY;UNTIL=20261125")
    assert (await todo.call("complete_task", task_id=1))["next_task_id"] == 2
    await todo.call("reopen_task", task_id=1)
    todo.clock.now += dt.timedelta(days=30)
    assert "next_task_id" not in await todo.call("complete_task", task_id=1)
    assert await todo.numbers() == []


async def test_a_rule_is_given_changed_and_removed_by_an_update(todo: Todo) -> None:
    await todo.call("add_task", title="a", due="2026-11-23")
    given = await todo.call("update_task", task_id=1, recurrence="RRULE:FREQ=WEEKLY")
    assert (given["recurrence"], given["version"]) == ("FREQ=WEEKLY", 2)
    assert await todo.call("update_task", task_id=1, recurrence="FREQ=WEEKLY") == given
    await todo.call("update_task", task_id=1, recurrence="FREQ=DAILY", title="b")
    assert (await complete(todo, 1))["due"] == "2026-11-24"
    assert "recurrence" not in await todo.call("update_task", task_id=2, recurrence="")
    assert "next_task_id" not in await todo.call("complete_task", task_id=2)


async def test_a_rule_that_names_no_day_follows_the_date(todo: Todo) -> None:
    await todo.call("add_task", title="a", due="2026-11-23", recurrence="FREQ=WEEKLY")
    await todo.call("add_task", title="b", due="2026-11-23", recurrence="FREQ=WEEKLY;BYDAY=MO")
    for task_id in (1, 2):
        await todo.call("update_task", task_id=task_id, due="2026-11-25")
    assert (await complete(todo, 1))["due"] == "2026-12-02"
    assert (await complete(todo, 2))["due"] == "2026-11-30"


async def test_a_rule_needs_a_due(todo: Todo) -> None:
    for given in ({}, {"due": ""}):
        with pytest.raises(Refused, match=r"^a task that repeats is due on a day or at a time"):
            await todo.call("add_task", title="x", recurrence="FREQ=DAILY", **given)
    assert (await todo.call("add_task", title="x"))["task_id"] == 1
    with pytest.raises(Refused, match='give its first one, "due": "2026-12-24"'):
        await todo.call("update_task", task_id=1, recurrence="FREQ=DAILY")
    await todo.call("update_task", task_id=1, recurrence="FREQ=DAILY", due="2026-12-24")
    with pytest.raises(Refused, match='"due": "", "recurrence": ""'):
        await todo.call("update_task", task_id=1, due="")
    moved = await todo.call("update_task", task_id=1, due_at="2026-12-24T17:00:00Z")
    assert (moved["due_at"], moved["recurrence"]) == ("2026-12-24T17:00:00Z", "FREQ=DAILY")
    cleared = await todo.call("update_task", task_id=1, due_at="", recurrence="")
    assert not {"due", "due_at", "recurrence"} & cleared.keys()


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31",
    ],
)
async def test_a_rule_that_never_comes_is_refused(todo: Todo, rule: str) -> None:
    with pytest.raises(Refused, match=r"^recurrence .* never comes after 2027-02-01; the last day of each month"):
        await todo.call("add_task", title="x", due="2027-02-01", recurrence=rule)
    assert (await todo.call("add_task", title="x", due="2027-02-01"))["task_id"] == 1
    with pytest.raises(Refused, match="never comes"):
        await todo.call("update_task", task_id=1, recurrence=rule, title="y")
    assert (await todo.call("get_task", task_id=1))["title"] == "x"


async def test_a_rule_that_is_over_before_it_begins_is_refused(todo: Todo) -> None:
    with pytest.raises(Refused, match=r"^recurrence ends before the task is due, on 2026-12-24; UNTIL must be later"):
        await todo.call("add_task", title="x", due="2026-12-24", recurrence="FREQ=DAILY;UNTIL=20261223")


async def test_a_date_after_the_end_of_its_series_is_refused(todo: Todo) -> None:
    await todo.call("add_task", title="x", due="2026-12-01", recurrence="FREQ=DAILY;UNTIL=20261223")
    with pytest.raises(Refused, match=r"^recurrence ends before the task is due, on 2026-12-24; UNTIL must be later"):
        await todo.call("update_task", task_id=1, due="2026-12-24")
    assert (await todo.call("get_task", task_id=1))["due"] == "2026-12-01"
    assert "recurrence" not in await todo.call("update_task", task_id=1, due="2026-12-24", recurrence="")


async def test_an_effect_key_makes_one_next_however_often_it_is_sent(todo: Todo) -> None:
    await todo.call("add_task", title="x", due="2026-11-23", recurrence="FREQ=DAILY")
    first = await todo.text("complete_task", KEY, task_id=1)
    await todo.call("update_task", task_id=2, title="y")
    todo.clock.now += dt.timedelta(days=9)
    assert await todo.text("complete_task", KEY, task_id=1) == first
    assert await todo.numbers(status="all") == [1, 2]


async def test_two_instants_that_differ_in_their_zone_are_two_calls(todo: Todo) -> None:
    await todo.call("add_task", KEY, title="x", due_at="2026-12-24T17:00+01:00[Europe/Berlin]")
    with pytest.raises(Refused, match="was used for another call"):
        await todo.call("add_task", KEY, title="x", due_at="2026-12-24T17:00+01:00[Europe/Paris]")


async def test_a_zone_is_kept_until_another_is_given(todo: Todo) -> None:
    await todo.call("add_task", title="x", due_at="2027-03-27T09:00[Europe/Berlin]", recurrence="FREQ=DAILY")
    same = await todo.call("update_task", task_id=1, due_at="2027-03-27T08:00:00Z")
    assert same["version"] == 1
    moved = await todo.call("update_task", task_id=1, due_at="2027-03-27T08:00:00Z[Etc/UTC]")
    assert (moved["due_at"], moved["version"]) == ("2027-03-27T08:00:00Z", 2)
    at(todo, "2027-03-27T08:00:00+00:00")
    assert (await complete(todo, 1))["due_at"] == "2027-03-28T08:00:00Z"


async def test_a_time_put_off_by_an_offset_is_kept_in_the_tasks_own_zone(todo: Todo) -> None:
    await todo.call("add_task", title="x", due_at="2027-03-26T09:00[Europe/Berlin]", recurrence="FREQ=DAILY")
    await todo.call("update_task", task_id=1, due_at="2027-03-27T10:00:00+01:00")
    at(todo, "2027-03-27T09:00:00+00:00")
    assert (await complete(todo, 1))["due_at"] == "2027-03-28T08:00:00Z"


async def test_an_instant_that_clocks_show_twice_is_no_change_where_it_is_given_again(todo: Todo) -> None:
    for due_at in ("2026-10-25T02:30+02:00[Europe/Berlin]", "2026-10-25T02:30+01:00[Europe/Berlin]"):
        added = await todo.call("add_task", title="x", due_at=due_at)
        assert await todo.call("update_task", task_id=added["task_id"], due_at=due_at) == added


async def test_a_task_of_the_release_before_is_moved_and_repeated_like_any_other(todo: Todo) -> None:
    """It is written without the columns that its release does not know."""
    await todo.call("add_task", title="first")
    row = {
        "user_id": "ann",
        "title": "old",
        "search_text": "old",
        "status": "open",
        "priority_rank": 2,
        "due_at": dt.datetime(2027, 3, 27, 8, tzinfo=dt.UTC),
        "version": 1,
        "created_at": todo.clock.now,
        "updated_at": todo.clock.now,
    }
    columns = [column(name, UtcDateTime() if isinstance(value, dt.datetime) else None) for name, value in row.items()]
    async with todo.database.engine.begin() as connection:
        await connection.execute(insert(table("tasks", column("task_id"), *columns)), {**row, "task_id": 2})
        await connection.execute(update(table("users", column("last_task_id"))).values(last_task_id=2))
    await todo.call("add_task", title="last")
    assert await todo.numbers(sort="manual") == [1, 2, 3]
    await todo.call("update_task", task_id=3, before=2)
    assert await todo.numbers(sort="manual") == [1, 3, 2]
    await todo.call("set_timezone", timezone="Europe/Berlin")
    await todo.call("update_task", task_id=2, recurrence="FREQ=DAILY")
    assert (await complete(todo, 2))["due_at"] == "2027-03-28T07:00:00Z"


async def test_a_day_of_a_series_that_the_release_before_gave_a_time_has_it_in_the_users_zone(todo: Todo) -> None:
    await todo.call("set_timezone", timezone="Europe/Berlin")
    await todo.call("add_task", title="x", due="2027-03-27", recurrence="FREQ=DAILY")
    moved = {"due": None, "due_at": dt.datetime(2027, 3, 27, 8, tzinfo=dt.UTC)}
    async with todo.database.engine.begin() as connection:
        tasks = table("tasks", column("due"), column("due_at", UtcDateTime()))
        await connection.execute(update(tasks).values(moved))
    at(todo, "2027-03-27T08:00:00+00:00")
    assert (await complete(todo, 1))["due_at"] == "2027-03-28T07:00:00Z"


async def test_the_next_takes_the_place_of_the_completed_one(todo: Todo) -> None:
    for _ in range(3):
        await todo.call("add_task", title="x", due="2026-11-23", recurrence="FREQ=DAILY")
    await todo.call("update_task", task_id=3, before=1)
    await todo.call("complete_task", task_id=3)
    assert await todo.numbers(sort="manual") == [4, 1, 2]
    await todo.call("update_task", task_id=2, before=4)
    assert await todo.numbers(sort="manual", status="all") == [3, 2, 4, 1]


async def test_a_task_deleted_or_restored_makes_no_next(todo: Todo) -> None:
    await todo.call("add_task", title="x", due="2026-11-23", recurrence="FREQ=DAILY")
    await todo.call("delete_task", task_id=1)
    assert await todo.numbers() == []
    assert (await todo.call("restore_task", task_id=1))["recurrence"] == "FREQ=DAILY"
    assert (await complete(todo, 1))["task_id"] == 2
