"""Stretches of days in questions: "due this week", "before Friday", "in the next 3 days"."""

import calendar
import datetime as dt
import re
from typing import NamedTuple

from chat_api.agent.offline.dates import days
from chat_api.agent.offline.dates.find import LONGEST, cut, find_day, widest
from chat_api.agent.offline.dates.spans import Span, find_days
from chat_api.agent.offline.intents import Period

_MONTHS = tuple(calendar.month_name)[1:]
_JOINED = re.compile(r" (?:and|or|to|through|-|–) | ")
_STRETCH = re.compile(
    r"\b(?:(?:due|for|in|on|at|over|during|by|before|of) )*"
    r"(?:(?P<which>this|next|the|last) (?P<unit>weekend|week|month)"
    rf"|(?:(?<=\bin )|(?<=for )|(?<=during ))(?P<month>{'|'.join(_MONTHS)})"
    r"|the (?:next|coming) (?P<count>\d{1,3}|two|three|four|five|six|seven|ten|few) (?P<units>day|week)s)"
    r"\b(?!['’]| \d)",
    re.IGNORECASE,
)
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10, "few": 3}
_ONE = dt.timedelta(days=1)


class FoundPeriod(NamedTuple):
    """A stretch of days and the sentence without its words."""

    period: Period
    rest: str


def find_period(text: str, now: dt.datetime) -> FoundPeriod | None:
    """Return the days that a question is about, or None.

    Weeks run from Monday to Sunday. "by Friday" includes Friday, "before" and "after" exclude it.
    """
    if len(text) > LONGEST:
        return None
    today = now.date()
    match = _STRETCH.search(text)
    if match:
        rest = cut(text, [Span(match.start(), match.end(), "", sure=True)])
        return FoundPeriod(_stretch(match, today), rest)
    named = [span for span in widest(list(find_days(text, now))) if span.day]
    if len(named) == 2 and _JOINED.fullmatch(text[named[0].end : named[1].start]):
        first, last = sorted(span.day for span in named if span.day)
        return FoundPeriod(Period(first, last), cut(text, [Span(named[0].start, named[1].end, "", sure=True)]))
    span = find_day(text, now)
    if span is None:
        return None
    day = span.day or (span.instant.date() if span.instant else today)
    return FoundPeriod(_around(span.lead.rpartition(" ")[2], day), cut(text, [span]))


def _around(lead: str, day: dt.date) -> Period:
    match lead:
        case "by" | "until" | "till":
            return Period(last=day)
        case "before":
            return Period(last=day - _ONE)
        case "after":
            return Period(first=day + _ONE)
        case "since" | "from" | "starting":
            return Period(first=day)
        case _:
            return Period(day, day)


def _stretch(match: re.Match[str], today: dt.date) -> Period:
    if match["count"]:
        said = match["count"].lower()
        count = _COUNTS.get(said) or int(said)
        return Period(today, today + count * (7 if match["units"].lower() == "week" else 1) * _ONE)
    if match["month"]:
        number = _MONTHS.index(match["month"].title()) + 1
        return _month(today.replace(year=today.year + (number < today.month), month=number, day=1))
    which = match["which"].lower()
    match match["unit"].lower():
        case "weekend":
            saturday = days.weekend(today, following=which == "next")
            if which == "last":
                saturday = days.monday(today) - 2 * _ONE
            return Period(saturday, days.monday(saturday) + 6 * _ONE)
        case "week":
            first = days.monday(today) + {"next": 7, "last": -7}.get(which, 0) * _ONE
            return Period(first, first + 6 * _ONE)
        case _ if which == "last":
            return _month((today.replace(day=1) - _ONE).replace(day=1))
        case _:
            return _month(days.next_month(today) if which == "next" else today.replace(day=1))


def _month(first: dt.date) -> Period:
    return Period(first, days.end_of("month", first, following=False))
