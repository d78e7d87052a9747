"""What the words for a day mean.

The rules, where everyday English leaves room (a week starts on Monday, and nothing but "yesterday" lies in the past):

- "Friday", "on Friday", "this Friday": the first Friday after today.
- "next Friday": the Friday of next week.
- "next week", "next month", "next year": its first day.
- "the weekend", "this weekend": the coming Saturday, or today where it is one already; "next weekend": a week later.
- "end of the week": the coming Friday, or today at the weekend; "end of the month", "end of the year": the last day.
- "the 5th": the next 5th, today included. "24 December": the next one, today included.
- "tonight" and "tomorrow morning" name the day only; the hour is nobody's to invent.
- 3/4 is the third of April.
"""

import calendar
import datetime as dt
import re
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dateparser.date import DateDataParser

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FRIDAY, _SATURDAY = 4, 5
_YEAR = re.compile(r"\b\d{4}\b|[/.]\d{2}$")


def weekday_number(word: str) -> int:
    """Return 0 for Monday to 6 for Sunday, for a full or shortened name.

    Raises:
        ValueError: It is no weekday.
    """
    short = word[:3].lower()
    return next(number for number, name in enumerate(WEEKDAYS) if name.startswith(short))


def weekday(name: str, today: dt.date, *, next_week: bool) -> dt.date:
    """Return the day that a weekday's name means."""
    number = weekday_number(name)
    if next_week:
        return monday(today) + dt.timedelta(days=7 + number)
    return today + dt.timedelta(days=(number - today.weekday() - 1) % 7 + 1)


def monday(day: dt.date) -> dt.date:
    """Return the Monday of that day's week."""
    return day - dt.timedelta(days=day.weekday())


def weekend(today: dt.date, *, following: bool) -> dt.date:
    """Return the first day of the weekend that is on or ahead, or of the one after it."""
    saturday = monday(today) + dt.timedelta(days=_SATURDAY)
    if following:
        return saturday + dt.timedelta(days=7)
    return max(saturday, today)


def end_of(unit: str, today: dt.date, *, following: bool) -> dt.date:
    """Return the last day of this or the following day, week, month or year."""
    match unit:
        case "day":
            return today + dt.timedelta(days=following)
        case "week":
            friday = monday(today) + dt.timedelta(days=_FRIDAY + 7 * following)
            return max(friday, today)
        case "month":
            first = next_month(today) if following else today
            return first.replace(day=calendar.monthrange(first.year, first.month)[1])
        case _:
            return dt.date(today.year + following, 12, 31)


def next_month(today: dt.date) -> dt.date:
    """Return the first day of the next month."""
    return (today.replace(day=28) + dt.timedelta(days=4)).replace(day=1)


def start_of_next(unit: str, today: dt.date) -> dt.date:
    """Return the first day of the next week, month or year."""
    match unit:
        case "week":
            return monday(today) + dt.timedelta(days=7)
        case "month":
            return next_month(today)
        case _:
            return dt.date(today.year + 1, 1, 1)


def day_of_month(number: int, today: dt.date) -> dt.date | None:
    """Return the next date with that number, or None where no month has it."""
    if not 1 <= number <= 31:
        return None
    month = today.replace(day=1)
    while True:
        if number <= calendar.monthrange(month.year, month.month)[1]:
            day = month.replace(day=number)
            if day >= today:
                return day
        month = next_month(month)


def written_date(words: str, today: dt.date) -> dt.date | None:
    """Return the day of a written date ("24 December", "2026-12-24") or distance ("in 3 days").

    Without a year it is the next such day, today included. None where there is no such day.
    """
    base = dt.datetime.combine(today, dt.time(12))
    if not words.startswith("in ") and not _YEAR.search(words):
        # Today's own date would otherwise be next year's.
        base -= dt.timedelta(days=1)
    found = _parser(base).get_date_data(words).date_obj
    return found.date() if found else None


def _parser(base: dt.datetime) -> "DateDataParser":
    settings: dict[str, Any] = {
        "RELATIVE_BASE": base,
        "PREFER_DATES_FROM": "future",
        "DATE_ORDER": "DMY",
        "REQUIRE_PARTS": ["day", "month"],
        "RETURN_AS_TIMEZONE_AWARE": False,
    }
    parser: DateDataParser = _library()(languages=["en"], settings=settings)
    return parser


@cache
def _library() -> Any:
    # Its import takes a third of a second, and most sentences name no such date.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from dateparser.date import DateDataParser
    return DateDataParser
