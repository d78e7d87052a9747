"""Recurrence rules: what is taken, which days they name, and that no question takes long."""

import calendar
import datetime as dt
import time
from itertools import islice
from typing import Any

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st
from mcp_todo_server.tasks.rules import COUNT_MAX, INTERVAL_MAX, parse_rule
from mcp_todo_server.tasks.text import RefusedTextError

DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2150, 12, 31))
SOON = st.integers(0, 3000).map(lambda days: dt.timedelta(days=days))
PIECES = st.sampled_from(["FREQ=", "DAILY", "MONTHLY", ";", "BYDAY=", "MO", "BYMONTHDAY=", "=", ",", "1", "-"])
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


@st.composite
def rules(draw: Any) -> str:
    """Rules that name days by themselves, each of which recurs within ten years."""
    parts = [f"WKST={draw(st.sampled_from(WEEKDAYS))}"]
    interval = draw(st.integers(1, 3))
    weekdays = ",".join(draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=4)))
    months = ",".join(map(str, draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))))
    nth = ",".join(f"{draw(st.sampled_from([1, 2, 3, 4, -1, -2]))}{weekday}" for weekday in weekdays.split(","))
    month_days = ",".join(map(str, draw(st.lists(st.integers(1, 28) | st.integers(-28, -1), min_size=1, max_size=3))))
    chosen = draw(
        st.sampled_from(
            [
                f"FREQ=DAILY;INTERVAL={interval}",
                f"FREQ=DAILY;BYDAY={weekdays}",
                f"FREQ=DAILY;BYMONTH={months}",
                f"FREQ=WEEKLY;INTERVAL={interval}",
                f"FREQ=WEEKLY;INTERVAL={interval};BYDAY={weekdays}",
                f"FREQ=WEEKLY;BYDAY={weekdays};BYMONTH={months}",
                f"FREQ=MONTHLY;INTERVAL={interval};BYMONTHDAY={month_days}",
                f"FREQ=MONTHLY;INTERVAL={interval};BYDAY={nth}",
                f"FREQ=MONTHLY;BYDAY={weekdays};BYSETPOS=-1;BYMONTH={months}",
                f"FREQ=YEARLY;INTERVAL={interval};BYMONTH={months};BYMONTHDAY={month_days}",
                f"FREQ=YEARLY;INTERVAL={interval};BYMONTH={months};BYDAY={nth}",
                f"FREQ=YEARLY;BYYEARDAY={month_days}",
                f"FREQ=YEARLY;BYWEEKNO={draw(st.integers(2, 51))};BYDAY={weekdays}",
            ]
        )
    )
    return ";".join([chosen, *parts])


@given(text=rules(), start=DAYS, later=SOON)
def test_the_next_day_is_that_of_the_whole_series(text: str, start: dt.date, later: dt.timedelta) -> None:
    after = start + later
    series = rrulestr(text, dtstart=dt.datetime.combine(start, dt.time()))
    expected = series.after(dt.datetime.combine(after, dt.time()))
    assert expected is not None
    assert parse_rule(text).first_after(start, after) == expected.date()


@given(start=DAYS, months=st.integers(1, 40), interval=st.integers(1, 18))
def test_a_month_without_the_starts_day_has_its_last_one(start: dt.date, months: int, interval: int) -> None:
    rule = parse_rule(f"FREQ=MONTHLY;INTERVAL={interval}")
    day: dt.date | None = start
    for step in range(1, months):
        assert day is not None
        day = rule.first_after(start, day)
        number = start.year * 12 + start.month - 1 + step * interval
        year, month = number // 12, number % 12 + 1
        assert day == dt.date(year, month, min(start.day, calendar.monthrange(year, month)[1]))


@given(leap=st.integers(476, 522).map(lambda fourth: dt.date(4 * fourth, 2, 29)), interval=st.integers(1, 9))
def test_a_29_february_is_the_28th_in_other_years(leap: dt.date, interval: int) -> None:
    year = leap.year + interval
    found = parse_rule(f"FREQ=YEARLY;INTERVAL={interval}").first_after(leap, leap)
    assert found == dt.date(year, 2, 29 if calendar.isleap(year) else 28)


@given(start=DAYS, later=SOON, interval=st.integers(1, 30), frequency=st.sampled_from(["DAILY", "WEEKLY"]))
def test_days_and_weeks_are_counted_from_the_start(
    start: dt.date, later: dt.timedelta, interval: int, frequency: str
) -> None:
    step = dt.timedelta(days=interval * (7 if frequency == "WEEKLY" else 1))
    found = parse_rule(f"FREQ={frequency};INTERVAL={interval}").first_after(start, start + later)
    assert found is not None
    assert (found - start) % step == dt.timedelta()
    assert dt.timedelta() < found - (start + later) <= step


def test_no_day_before_the_start_belongs_to_the_series() -> None:
    rule = parse_rule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH")
    start = dt.date(2026, 11, 25)
    assert rule.first_after(start, dt.date(2020, 1, 1)) == dt.date(2026, 11, 26)
    assert rule.first_after(start, dt.date(2026, 11, 26)) == dt.date(2026, 12, 7)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (" rrule:freq=weekly;byday=mo ", "FREQ=WEEKLY;BYDAY=MO"),
        ("FREQ=MONTHLY;BYDAY=+2TU,-1FR", "FREQ=MONTHLY;BYDAY=+2TU,-1FR"),
        ("INTERVAL=2;FREQ=DAILY;COUNT=7", "INTERVAL=2;FREQ=DAILY;COUNT=7"),
        (f"FREQ=YEARLY;INTERVAL={INTERVAL_MAX}", f"FREQ=YEARLY;INTERVAL={INTERVAL_MAX}"),
    ],
)
def test_a_rule_is_kept_as_it_is_written_in_capitals(given: str, kept: str) -> None:
    assert parse_rule(given).text == kept


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("every monday", "its parts are NAME=VALUE with ; between them"),
        ("", "its parts are NAME=VALUE"),
        ("FREQ=DAILY;", "its parts are NAME=VALUE"),
        ("BYDAY=MO", "FREQ must be one of DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("FREQ=HOURLY", "FREQ must be one of"),
        ("FREQ=SECONDLY;COUNT=2", "FREQ must be one of"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ stands twice"),
        ("FREQ=DAILY;BYHOUR=9", "with FREQ=DAILY it may have BYDAY, BYMONTH, COUNT, INTERVAL, UNTIL, WKST, and a time"),
        ("FREQ=YEARLY;BYEASTER=0", "with FREQ=YEARLY it may have"),
        ("FREQ=WEEKLY;BYSETPOS=1;BYDAY=MO", "with FREQ=WEEKLY it may have"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "with FREQ=MONTHLY it may have"),
        ("DTSTART:20261123T090000Z\nRRULE:FREQ=DAILY", "a series begins when its task is due"),
        ("FREQ=DAILY;EXDATE=20261124", "a series begins when its task is due"),
        ("FREQ=DAILY;INTERVAL=0", f"INTERVAL must be a whole number from 1 to {INTERVAL_MAX}"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL must be"),
        ("FREQ=DAILY;INTERVAL=99999999999999999999", "INTERVAL must be"),
        ("FREQ=DAILY;INTERVAL=٣", "it has no characters but those of ASCII"),
        ("FREQ=DAILY;WK\N{LATIN SMALL LIGATURE ST}=MO", "it has no characters but those of ASCII"),
        ("FREQ=DAILY;COUNT=0", f"COUNT must be a whole number from 1 to {COUNT_MAX}"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20261231", "COUNT and UNTIL exclude each other"),
        ("FREQ=DAILY;UNTIL=2026-12-31", "UNTIL must be a date such as 20261231 or an instant such as"),
        ("FREQ=DAILY;UNTIL=20260230", "UNTIL must be a date"),
        ("FREQ=DAILY;UNTIL=20261231T250000Z", "UNTIL must be a date"),
        ("FREQ=DAILY;WKST=XX", "WKST must be a weekday"),
        ("FREQ=WEEKLY;BYDAY=MONDAY", "BYDAY must list weekdays such as MO,TH"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY must list weekdays such as MO,TH"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY must list weekdays such as MO,TH, with a number up to 5"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY must list weekdays"),
        ("FREQ=MONTHLY;BYDAY=", "its parts are NAME=VALUE"),
        ("FREQ=MONTHLY;BYDAY=MO,", "BYDAY must list weekdays"),
        ("FREQ=MONTHLY;BYDAY=MO,1TU", "BYDAY must give a number to all its weekdays or to none"),
        ("FREQ=YEARLY;BYDAY=54MO", "BYDAY must list weekdays such as MO,TH, with a number up to 53"),
        ("FREQ=YEARLY;BYMONTH=12;BYDAY=53MO", "BYDAY must list weekdays such as MO,TH, with a number up to 5"),
        ("FREQ=YEARLY;BYWEEKNO=2;BYDAY=1MO", "BYDAY takes no number beside BYWEEKNO"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH must list numbers from 1 to 12"),
        ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH must list numbers from 1 to 12"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY must list numbers from 1 to 31, or -1 to -31 from the end"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY must list numbers"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,,2", "BYMONTHDAY must list numbers"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS needs a part to choose from"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "with FREQ=DAILY and BYDAY its INTERVAL must be 1"),
        ("FREQ=WEEKLY;INTERVAL=5;BYMONTH=2", "with FREQ=WEEKLY and BYMONTH its INTERVAL must be 1"),
    ],
)
def test_what_is_no_rule_for_a_task_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(RefusedTextError) as refused:
        parse_rule(text)
    assert str(refused.value).startswith(f'must be an RRULE such as "FREQ=WEEKLY;BYDAY=MO"; {why}')


@given(text=st.text(max_size=60) | st.lists(PIECES).map("".join))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse_rule(text)
    except RefusedTextError:
        return
    assert parse_rule(rule.text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30,31",
        "FREQ=MONTHLY;BYMONTHDAY=1;BYDAY=5MO",
        "FREQ=YEARLY;BYYEARDAY=366;INTERVAL=100;BYMONTH=1",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=366;BYMONTH=2",
    ],
)
def test_a_rule_that_never_comes_is_known_at_once(text: str) -> None:
    rule, start = parse_rule(text), dt.date(2026, 11, 23)
    began = time.process_time()
    assert rule.first_after(start, start) is None
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "text",
    ["FREQ=DAILY", "FREQ=DAILY;BYMONTH=2;BYDAY=MO", "FREQ=WEEKLY;INTERVAL=2", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=YEARLY"],
)
def test_the_distance_from_the_start_costs_nothing(text: str) -> None:
    rule, start = parse_rule(text), dt.date(1900, 1, 31)
    began = time.process_time()
    for year in range(9000, 9050):
        found = rule.first_after(start, dt.date(year, 6, 1))
        assert found is not None
        assert found.year in (year, year + 1)
    assert time.process_time() - began < 0.5


@given(text=rules(), start=DAYS, later=SOON)
def test_the_days_are_those_of_the_whole_series_in_their_order(text: str, start: dt.date, later: dt.timedelta) -> None:
    after = start + later
    series = rrulestr(text, dtstart=dt.datetime.combine(start, dt.time()))
    expected = [day.date() for day in series.xafter(dt.datetime.combine(after, dt.time()), count=20)]
    assert list(islice(parse_rule(text).days_after(start, after), 20)) == expected


@pytest.mark.parametrize(
    ("text", "start", "after", "expected"),
    [
        ("FREQ=MONTHLY;INTERVAL=12", dt.date(2000, 1, 31), dt.date(2000, 1, 31), 800),
        ("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", dt.date(1904, 2, 29), dt.date(1904, 2, 29), 60),
        ("FREQ=YEARLY", dt.date(1900, 1, 1), dt.date(1900, 1, 1), 1000),
    ],
)
def test_only_a_pause_ends_the_search_and_not_the_days_that_it_found(
    text: str, start: dt.date, after: dt.date, expected: int
) -> None:
    assert len(list(islice(parse_rule(text).days_after(start, after), expected))) == expected


def test_a_number_that_is_listed_twice_counts_once() -> None:
    assert parse_rule("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-1,1,-1,+1").parts["bysetpos"] == (-1, 1)


def test_the_longest_pause_is_waited_for() -> None:
    rule = parse_rule("FREQ=YEARLY;INTERVAL=7;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO")
    day: dt.date | None = dt.date(2024, 2, 29)
    for _ in range(8):
        assert day is not None
        day = rule.first_after(dt.date(2024, 2, 29), day)
    assert day is not None
    assert (day.year - 2024) % 7 == 0
    assert day.weekday() == 0


@pytest.mark.parametrize("text", ["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY;INTERVAL=1000"])
def test_after_the_calendars_end_there_is_nothing(text: str) -> None:
    last = dt.date(9998, 12, 31)
    assert parse_rule(text).first_after(last, last) is None
