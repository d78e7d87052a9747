"""Which words of a sentence are a day.

Only forms that name a day beyond doubt count: "May report", "march in the parade", "buy second monitor" and "read
1984" hold none. A weekday without a preposition counts at the end of a sentence, or at its start before a comma.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chat_api.agent.offline.dates import days

_LEFT = r"(?<![\w#@/.:-])"
_RIGHT = r"(?![\w/]|['’]\w|[-.:]\w)"
_LEAD = (
    r"(?P<lead>(?:(?:is |are )?due(?: date)?:? )?(?:(?:on|by|before|until|till|for|after|since|from"
    r"|starting|not later than) )?)"
)
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_SHORT = r"(?:mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)\b\.?"
_LONG_MONTH = "(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_MONTH = rf"(?:{_LONG_MONTH}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
_COUNT = r"(?:a couple of|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d{1,3})"
_NO_DATE_AFTER = re.compile(
    r"\b(?:black|cyber|good|easter|palm|ash|super|shrove|giving|casual|taco|ruby|every|each|other)$",
    re.IGNORECASE,
)
_END = r"(?= ?(?:$|[,.:;!?)\]@]| (?:at|around|by|to|and|from|in|with|for)\b))"
_NOUN_AFTER = re.compile(
    r" (?!(?:at|with|and|or|to|by|from|in|on|for|around|about|before|after|then|please|it['’]?s)\b)[^\W\d_]",
    re.IGNORECASE,
)
_COUNT_WORDS = {"a couple of": "2", "a": "1", "an": "1"}


@dataclass(frozen=True, slots=True)
class Span:
    """A day, or an instant, at `start:end` of a text."""

    start: int
    end: int
    lead: str
    """The preposition before it, in lower case."""
    sure: bool
    """It counts wherever it stands."""
    day: dt.date | None = None
    instant: dt.datetime | None = None
    part: str = ""
    """morning, afternoon, evening or night, where one was named."""


_Meaning = Callable[[re.Match[str], dt.datetime], dt.date | dt.datetime | None]


def _near(match: re.Match[str], now: dt.datetime) -> dt.date:
    word = match["near"].lower()
    if "after" in word:
        return now.date() + dt.timedelta(days=2)
    distance = {"tom": 1, "tmr": 1, "yes": -1}.get(word[:3], 0)
    return now.date() + dt.timedelta(days=distance)


def _weekday(match: re.Match[str], now: dt.datetime) -> dt.date:
    which = (match["which"] or "").lower()
    day = days.weekday(match["name"], now.date(), next_week=which.startswith("next"))
    return day + dt.timedelta(days=7) if which.startswith("a week") else day


def _distance(match: re.Match[str], now: dt.datetime) -> dt.date | dt.datetime | None:
    count = match["count"].lower()
    count = _COUNT_WORDS.get(count, count)
    unit = match["unit"].lower()
    if unit.startswith("fortnight"):
        count, unit = ("2" if count == "1" else str(2 * int(count)) if count.isdigit() else count), "weeks"
    if unit[0] in "hm" and not unit.startswith("month"):
        if not count.isdigit():
            count = str(
                1
                + [
                    "one",
                    "two",
                    "three",
                    "four",
                    "five",
                    "six",
                    "seven",
                    "eight",
                    "nine",
                    "ten",
                    "eleven",
                    "twelve",
                ].index(count)
            )
        length = dt.timedelta(hours=int(count)) if unit[0] == "h" else dt.timedelta(minutes=int(count))
        later = now.astimezone(dt.UTC) + length
        return later.astimezone(now.tzinfo).replace(second=0, microsecond=0)
    return days.written_date(f"in {count} {unit}", now.date())


def _half_hour(_: re.Match[str], now: dt.datetime) -> dt.datetime:
    later = now.astimezone(dt.UTC) + dt.timedelta(minutes=30)
    return later.astimezone(now.tzinfo).replace(second=0, microsecond=0)


def _weekend(match: re.Match[str], now: dt.datetime) -> dt.date:
    return days.weekend(now.date(), following=match["which"].lower() == "next")


def _end(match: re.Match[str], now: dt.datetime) -> dt.date:
    following = (match["which"] or "").lower().startswith("next")
    unit = match["unit"].lower()
    return days.end_of({"eod": "day", "eow": "week", "eom": "month"}.get(unit, unit), now.date(), following=following)


def _start_of_next(match: re.Match[str], now: dt.datetime) -> dt.date:
    return days.start_of_next(match["unit"].lower(), now.date())


def _written(match: re.Match[str], now: dt.datetime) -> dt.date | None:
    return days.written_date(re.sub(r"(?<=\d)\.(\d{1,2})\.$", r"/\1", match["date"].lower()), now.date())


def _nth(match: re.Match[str], now: dt.datetime) -> dt.date | None:
    return days.day_of_month(int(match["number"]), now.date())


_FORMS: tuple[tuple[re.Pattern[str], _Meaning, bool], ...] = tuple(
    (re.compile(f"{_LEFT}{_LEAD}{pattern}{_RIGHT}", re.IGNORECASE), meaning, sure)
    for pattern, meaning, sure in (
        (
            r"(?:(?:the )?end of )?(?P<near>(?:the )?day after tomorrow|tomorrow|tmrw?|today|tonight|yesterday|this"
            r" (?=morning|afternoon|evening))"
            r"(?: ?(?:in the )?(?P<part>morning|afternoon|evening|night))?",
            _near,
            True,
        ),
        (
            (
                rf"(?P<which>this |next |this coming |the coming |coming )(?P<name>{_WEEKDAY}|{_SHORT})(?:"
                rf" (?P<part>morning|afternoon|evening|night))?"
            ),
            _weekday,
            True,
        ),
        (rf"(?P<which>)(?P<name>{_WEEKDAY})(?: (?P<part>morning|afternoon|evening|night))?", _weekday, False),
        (rf"(?P<name>{_WEEKDAY}),? (?:of )?(?P<which>next) week", _weekday, True),
        (rf"(?P<which>a week )(?:on )?(?P<name>{_WEEKDAY})", _weekday, True),
        (rf"(?P<which>next) week,? (?:on )?(?P<name>{_WEEKDAY})", _weekday, True),
        (rf"(?P<which>)(?P<name>{_SHORT})(?= (?:at )?\d{{1,2}}(?:[:.]\d\d| ?[ap]\.?m)\b)", _weekday, True),
        (rf"(?P<prep>on|by|until|till|before|due) (?P<which>)(?P<name>{_SHORT})", _weekday, True),
        (
            (
                rf"(?:with)?in (?P<count>{_COUNT}) (?P<unit>(?:minute|min|hour|hr|day|week|fortnight|month"
                rf"|year)s?)(?:['’]? time)?"
            ),
            _distance,
            True,
        ),
        (
            (
                rf"(?P<count>{_COUNT}) (?P<unit>(?:minute|min|hour|hr|day|week|fortnight|month|year)s?)"
                rf" (?:from (?:now|today)|later)"
            ),
            _distance,
            True,
        ),
        (r"in half an hour", _half_hour, True),
        (r"(?:at |over )?(?P<which>this|next|the|the coming) weekend", _weekend, True),
        (
            r"(?:at |by )?(?:the )?end of (?P<which>the |this |next )?(?P<unit>day|week|month|year)",
            _end,
            True,
        ),
        (r"(?P<which>)(?P<unit>eo[dwm])", _end, True),
        (r"(?:the )?next (?P<unit>week|month|year)", _start_of_next, True),
        (
            rf"(?:{_WEEKDAY},? )?(?:the )?(?P<date>\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_LONG_MONTH}(?:,? [12]\d{{3}})?)",
            _written,
            True,
        ),
        (
            rf"(?:{_WEEKDAY},? )?(?:the )?(?P<date>\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}(?:,? [12]\d{{3}})?)",
            _written,
            False,
        ),
        (
            rf"(?:{_WEEKDAY},? )?(?P<date>{_MONTH} (?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?:,? [12]\d{{3}})?)",
            _written,
            False,
        ),
        (r"(?P<date>[12]\d{3}-\d\d-\d\d|\d{1,2}[/.]\d{1,2}[/.](?:[12]\d{3}|\d\d))", _written, True),
        (r"(?P<prep>on|by|until|till|before|due) (?P<date>\d{1,2}(?:/\d{1,2}|\.\d{1,2}\.))", _written, True),
        (r"(?P<prep>on|by|until|till|before|due|for) (?:the )?(?P<number>\d{1,2})(?:st|nd|rd|th)" + _END, _nth, True),
    )
)


def find_days(text: str, now: dt.datetime) -> Iterator[Span]:
    """Yield the days in a text whose spaces are single."""
    for pattern, meaning, sure in _FORMS:
        for match in pattern.finditer(text):
            if _NO_DATE_AFTER.search(text[max(0, match.start() - 12) : match.start()].rstrip()):
                continue
            value = meaning(match, now)
            if value is None:
                continue
            groups = match.groupdict(default="")
            part = "night" if groups.get("near", "").lower() == "tonight" else groups.get("part", "").lower()
            lead = (match["lead"].strip() or groups.get("prep", "")).lower()
            at = isinstance(value, dt.datetime)
            yield Span(
                match.start(),
                match.end(),
                lead,
                # "for Monday" is a day, "for Monday meeting" is not.
                sure or (bool(lead) and not (lead == "for" and _NOUN_AFTER.match(text, match.end()))),
                day=None if at else value,
                instant=value if isinstance(value, dt.datetime) else None,
                part=part,
            )
