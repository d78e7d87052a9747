"""Series of a recurring task in time: no zone and no change of the clocks makes them drift."""

import datetime as dt
import time
import zoneinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_todo_server.tasks.dates import end_of_day, start_of_day
from mcp_todo_server.tasks.edits import set_due
from mcp_todo_server.tasks.models import TaskRow
from mcp_todo_server.tasks.recurrence import Series, begin_series, next_occurrence
from mcp_todo_server.tasks.rules import parse_rule

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/St_Johns",
        "America/Sao_Paulo",  # used to change its clocks at midnight
        "Australia/Lord_Howe",  # changes them by half an hour
        "Asia/Kathmandu",
        "Pacific/Apia",  # left out 30 December 2011
        "Pacific/Auckland",
        "Africa/Casablanca",
        "Antarctica/Troll",
        *sorted(zoneinfo.available_timezones() & {"Asia/Gaza", "Europe/Dublin", "America/Havana", "Asia/Tehran"}),
    ]
).map(ZoneInfo)
NOON = dt.datetime.combine(dt.date(2026, 1, 1), dt.time(12))
# A series' start is kept as text, which does not say which of two equal times is meant; Hypothesis does.
STARTS = st.datetimes(NOON.replace(year=1990), NOON.replace(year=2035)).map(lambda start: start.replace(fold=0))
RULES = st.sampled_from(
    ["FREQ=DAILY", "FREQ=DAILY;INTERVAL=2", "FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=SA,SU", "FREQ=MONTHLY", "FREQ=YEARLY"]
)


def exists(local: dt.datetime, zone: ZoneInfo) -> bool:
    return local.replace(tzinfo=zone).astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) == local


@given(text=RULES, start=STARTS, zone=ZONES)
def test_the_time_of_day_is_kept_in_the_series_zone(text: str, start: dt.datetime, zone: ZoneInfo) -> None:
    series = Series(parse_rule(text), start, zone)
    plain = Series(parse_rule(text), start, None)
    day = start.date()
    for _ in range(12):
        found = series.following(day, None, day)
        dated = plain.following(day, None, day)
        assert found is not None
        assert found.due_at is not None
        assert dated is not None
        assert dated.due is not None
        wall = dt.datetime.combine(dated.due, start.time())
        if exists(wall, zone):
            assert found.due_at.replace(tzinfo=None) == wall
        else:
            # Later by as much as the clocks were put forward.
            assert dt.timedelta() < found.due_at.replace(tzinfo=None) - wall <= dt.timedelta(days=1)
        day = dated.due


@given(text=RULES, start=STARTS, zones=st.lists(ZONES, min_size=2, max_size=2))
def test_dates_are_the_same_whatever_the_zone(text: str, start: dt.datetime, zones: list[ZoneInfo]) -> None:
    series = Series(parse_rule(text), dt.datetime.combine(start.date(), dt.time()), None)
    noon = dt.datetime.combine(start.date(), dt.time(12))
    answers = {
        series.following(start.date(), None, noon.replace(tzinfo=zone).astimezone(zone).date()) for zone in zones
    }
    assert len(answers) == 1


@given(
    text=RULES,
    start=STARTS,
    zone=ZONES,
    late=st.integers(-40, 400),
)
def test_the_next_is_never_in_the_past_nor_the_same_again(
    text: str, start: dt.datetime, zone: ZoneInfo, late: int
) -> None:
    series = Series(parse_rule(text), start, zone)
    own_day, today = start.date(), start.date() + dt.timedelta(days=late)
    found = series.following(own_day, None, today)
    assert found is not None
    assert found.due_at is not None
    assert found.due_at >= start_of_day(max(own_day, today) + dt.timedelta(days=1), zone)
    assert found.due_at.date() > max(own_day, today)


@given(start=STARTS, zone=ZONES, count=st.integers(1, 30), pauses=st.lists(st.integers(0, 5), min_size=30, max_size=30))
def test_a_series_has_as_many_as_it_counts_however_late_they_are_done(
    start: dt.datetime, zone: ZoneInfo, count: int, pauses: list[int]
) -> None:
    series = Series(parse_rule(f"FREQ=DAILY;COUNT={count}"), start, zone)
    day, number = start.date(), 1
    for pause in pauses:
        today = day + dt.timedelta(days=pause)
        found = series.following(day, number, today)
        last = start.date() + dt.timedelta(days=count - 1)
        if today >= last:
            assert found is None
            return
        assert found is not None
        assert found.due_at is not None
        assert found.number is not None
        day, number = today + dt.timedelta(days=1), found.number
        assert number == (day - start.date()).days + 1


def task(**fields: Any) -> TaskRow:
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    return TaskRow(
        user_id="ann",
        task_id=1,
        title="x",
        status="open",
        priority_rank=2,
        version=1,
        created_at=at,
        updated_at=at,
        **fields,
    )


def due_at(text: str, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("rule", "due", "now", "following"),
    [
        ("FREQ=WEEKLY", "2026-11-16T17:00", "2026-11-23T10:00", "2026-11-23T17:00"),  # late, and today's is to come
        ("FREQ=WEEKLY", "2026-11-16T17:00", "2026-11-23T17:00", "2026-11-30T17:00"),
        ("FREQ=WEEKLY", "2026-11-16T17:00", "2026-11-23T18:00", "2026-11-30T17:00"),
        ("FREQ=WEEKLY", "2026-11-23T17:00", "2026-11-23T10:00", "2026-11-30T17:00"),  # early: today's own is done
        ("FREQ=DAILY", "2026-11-22T22:00", "2026-11-23T00:10", "2026-11-23T22:00"),
        ("FREQ=DAILY", "2026-11-22T22:00", "2026-11-22T23:50", "2026-11-23T22:00"),
        ("FREQ=DAILY;COUNT=5", "2026-11-20T22:00", "2026-11-23T00:10", "2026-11-23T22:00"),
        ("FREQ=DAILY;COUNT=3", "2026-11-20T22:00", "2026-11-23T00:10", None),
        ("FREQ=DAILY;UNTIL=20261123", "2026-11-20T22:00", "2026-11-23T00:10", "2026-11-23T22:00"),
        ("FREQ=DAILY", "2027-03-27T02:30", "2027-03-28T03:15", "2027-03-28T03:30"),  # at 2:30 by the clocks before
        ("FREQ=DAILY", "2027-03-27T02:30", "2027-03-28T03:30", "2027-03-29T02:30"),
    ],
)
def test_todays_time_is_still_to_come_until_it_has_come(rule: str, due: str, now: str, following: str | None) -> None:
    zone = ZoneInfo("Europe/Berlin")
    row = task(recurrence=rule)
    set_due(row, None, due_at(due, zone), ZoneInfo("Asia/Tokyo"))
    begin_series(row)
    found = next_occurrence(row, due_at(now, zone).astimezone(dt.UTC), ZoneInfo("Asia/Tokyo"))
    assert (found and found.due_at) == (following and due_at(following, zone))


def test_an_offset_alone_leaves_a_task_its_zone() -> None:
    row, tokyo = task(), ZoneInfo("Asia/Tokyo")
    given = dt.datetime(2026, 12, 24, 16, tzinfo=dt.UTC)
    set_due(row, None, given, tokyo)
    assert row.due_zone == "Asia/Tokyo"
    set_due(row, None, given.astimezone(ZoneInfo("Europe/Berlin")), tokyo)
    set_due(row, None, given + dt.timedelta(days=1), tokyo)
    assert row.due_zone == "Europe/Berlin"
    set_due(row, dt.date(2026, 12, 24), None, tokyo)
    assert row.due_zone is None


def test_a_long_count_of_many_days_a_year_is_counted_at_once() -> None:
    last_of_the_year = ",".join(str(-place) for place in range(2, 31))
    rule = f"FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS={last_of_the_year};COUNT=1000"
    series = Series(parse_rule(rule), dt.datetime.combine(dt.date(1990, 1, 1), dt.time()), None)
    seconds: list[float] = []
    for _ in range(3):  # one or another may have to collect the garbage of all tests so far
        began = time.process_time()
        found = series.following(dt.date(1990, 1, 1), 1, dt.date(2023, 12, 31))
        seconds.append(time.process_time() - began)
        assert found == (dt.date(2024, 12, 2), None, 1 + 34 * 29 + 1)
    assert min(seconds) < 0.1


@given(day=st.dates(dt.date(1990, 1, 1), dt.date(2040, 12, 31)), zone=ZONES)
def test_a_day_ends_where_the_next_one_begins(day: dt.date, zone: ZoneInfo) -> None:
    end = end_of_day(day, zone)
    assert end + dt.timedelta(microseconds=1) == start_of_day(day + dt.timedelta(days=1), zone)
    assert (end + dt.timedelta(microseconds=1)).astimezone(zone).date() >= day + dt.timedelta(days=1)
    if exists(dt.datetime.combine(day, dt.time(23, 59)), zone):
        assert end.astimezone(zone).date() == day
