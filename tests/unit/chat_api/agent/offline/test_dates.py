"""Which words of a sentence are a date, and what they mean."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from chat_api.agent.offline.dates import find_period, find_when
from chat_api.agent.offline.intents import Period

BERLIN = ZoneInfo("Europe/Berlin")
NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=BERLIN)
"""A Monday."""


@pytest.mark.parametrize(
    ("said", "when", "rest"),
    [
        ("call mum tomorrow at 5pm", "2026-11-24T17:00", "call mum"),
        ("call mum at 5pm tomorrow", "2026-11-24T17:00", "call mum"),
        ("pay rent on friday", "2026-11-27", "pay rent"),
        ("pay rent friday", "2026-11-27", "pay rent"),
        ("pay rent on monday", "2026-11-30", "pay rent"),
        ("pay rent next friday", "2026-12-04", "pay rent"),
        ("Friday, call mum", "2026-11-27", "call mum"),
        ("pay rent by fri at noon", "2026-11-27T12:00", "pay rent"),
        ("gym at 7", "2026-11-24T07:00", "gym"),
        ("gym at 5", "2026-11-23T17:00", "gym"),
        ("gym at 7 in the evening", "2026-11-23T19:00", "gym"),
        ("call Bob tonight", "2026-11-23", "call Bob"),
        ("call Bob tonight at 8", "2026-11-23T20:00", "call Bob"),
        ("standup tomorrow morning at 9", "2026-11-24T09:00", "standup"),
        ("meet at half past five tomorrow", "2026-11-24T17:30", "meet"),
        ("wake up at 5:30am on wednesday", "2026-11-25T05:30", "wake up"),
        ("backup at midnight tomorrow", "2026-11-25T00:00", "backup"),
        ("party on 24 December", "2026-12-24", "party"),
        ("party on December 24th at 18:30", "2026-12-24T18:30", "party"),
        ("party on 23 November", "2026-11-23", "party"),
        ("party on 22 November", "2027-11-22", "party"),
        ("send card on 24/12", "2026-12-24", "send card"),
        ("move out 3/4/2027", "2027-04-03", "move out"),
        ("dentist on the 5th at 3", "2026-12-05T15:00", "dentist"),
        ("renew passport in two weeks", "2026-12-07", "renew passport"),
        ("plan trip in a fortnight", "2026-12-07", "plan trip"),
        ("check oven in 20 minutes", "2026-11-23T10:20", "check oven"),
        ("check oven in half an hour", "2026-11-23T10:30", "check oven"),
        ("milk the day after tomorrow", "2026-11-25", "milk"),
        ("report by the end of the month", "2026-11-30", "report"),
        ("report by the end of the week", "2026-11-27", "report"),
        ("clean this weekend", "2026-11-28", "clean"),
        ("clean next weekend", "2026-12-05", "clean"),
        ("start next week", "2026-11-30", "start"),
        ("start next month", "2026-12-01", "start"),
        ("tomorrow to prepare for friday", "2026-11-24", "to prepare for friday"),
    ],
)
def test_a_date_is_found_and_its_words_are_removed(said: str, when: str, rest: str) -> None:
    """A day gives `due`, a time of day `due_at` in the user's zone."""
    found = find_when(said, NOW)
    assert found is not None
    if "T" in when:
        assert found.when.due is None
        assert found.when.due_at == dt.datetime.fromisoformat(when).replace(tzinfo=BERLIN)
    else:
        assert found.when.due_at is None
        assert found.when.due == dt.date.fromisoformat(when)
    assert found.rest == rest


@pytest.mark.parametrize(
    "said",
    [
        "May report",
        "march in the parade",
        "buy second monitor",
        "call 555-1234",
        "read 1984",
        "read John 3:16",
        "watch Black Friday",
        "prepare Monday meeting notes",
        "meet Bob at 5 Main Street",
        "pay today's bill",
        "may 5 people come",
        "1/2 cup of sugar",
        "release 1.2.3",
        "the 5th element",
        "buy sun cream",
        "sat nav",
        "31 November",
        "fix issue #24",
    ],
)
def test_words_that_only_look_like_a_date_are_none(said: str) -> None:
    """Titles keep their words."""
    assert find_when(said, NOW) is None


def test_a_time_that_the_change_of_clocks_skips_moves_past_the_gap() -> None:
    """In Berlin, 02:30 does not exist on 28 March 2027."""
    found = find_when("call at 2:30am on 28 March 2027", NOW)
    assert found is not None
    assert found.when.due_at is not None
    assert found.when.due_at.isoformat() == "2027-03-28T03:30:00+02:00"


@pytest.mark.parametrize(
    ("said", "first", "last"),
    [
        ("due today", "2026-11-23", "2026-11-23"),
        ("due this week", "2026-11-23", "2026-11-29"),
        ("due next week", "2026-11-30", "2026-12-06"),
        ("due this month", "2026-11-01", "2026-11-30"),
        ("due this weekend", "2026-11-28", "2026-11-29"),
        ("due by friday", None, "2026-11-27"),
        ("due before friday", None, "2026-11-26"),
        ("due after tomorrow", "2026-11-25", None),
        ("in the next 3 days", "2026-11-23", "2026-11-26"),
    ],
)
def test_a_period_has_both_its_ends(said: str, first: str | None, last: str | None) -> None:
    """ "by" includes its day, "before" and "after" exclude it."""
    found = find_period(said, NOW)
    assert found is not None
    assert found.period == Period(
        dt.date.fromisoformat(first) if first else None, dt.date.fromisoformat(last) if last else None
    )
