"""Days and instants in a user's zone, daylight saving included."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from mcp_todo_server.tasks.dates import due_until, start_of_day, start_of_next_day

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
AUCKLAND = ZoneInfo("Pacific/Auckland")


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (dt.date(2026, 11, 23), UTC, 24),
        (dt.date(2026, 3, 29), BERLIN, 23),
        (dt.date(2026, 10, 25), BERLIN, 25),
        (dt.date(2026, 6, 1), AUCKLAND, 24),
    ],
)
def test_a_day_lasts_as_long_as_it_does_there(day: dt.date, zone: ZoneInfo, hours: int) -> None:
    assert start_of_next_day(day, zone) - start_of_day(day, zone) == dt.timedelta(hours=hours)


def test_a_date_is_late_when_its_day_has_ended_where_the_user_is() -> None:
    until = due_until(dt.date(2026, 12, 24), None, AUCKLAND)
    assert until == dt.datetime(2026, 12, 24, 10, 59, 59, 999_999, tzinfo=dt.UTC)


def test_an_instant_is_late_when_it_has_passed() -> None:
    instant = dt.datetime(2026, 12, 24, 16, tzinfo=dt.UTC)
    assert due_until(None, instant, AUCKLAND) == instant
    assert due_until(None, None, AUCKLAND) is None
