"""How often: "every Monday", "daily", "on the 1st of every month", as rules of RFC 5545 (RRULE)."""

import datetime as dt
import re
from typing import NamedTuple

from chat_api.agent.offline.dates.days import WEEKDAYS, day_of_month, weekday, weekday_number

_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_DAYS = rf"{_DAY}(?:(?:,? and|,) {_DAY}){{0,6}}"
_COUNTS = {"other": 2, "second": 2, "two": 2, "third": 3, "three": 3, "four": 4, "five": 5, "six": 6}
_UNITS = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_FREQUENCIES = _UNITS | dict.fromkeys(("morning", "afternoon", "evening", "night"), "DAILY")
_ADVERBS = {
    "daily": "FREQ=DAILY",
    "weekly": "FREQ=WEEKLY",
    "fortnightly": "FREQ=WEEKLY;INTERVAL=2",
    "monthly": "FREQ=MONTHLY",
    "yearly": "FREQ=YEARLY",
    "annually": "FREQ=YEARLY",
}
_WORKING_DAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
_SATURDAY = 5
_IN_EVERY_MONTH = 28
_MONTHLY = re.compile(
    r"\b(?:on )?the (?P<day>\d{1,2})(?:st|nd|rd|th) (?:day )?of (?:every|each) month\b", re.IGNORECASE
)
_EVERY = re.compile(
    rf"\b(?:every|each) (?:(?P<count>{'|'.join(_COUNTS)}|\d{{1,2}}) )?"
    rf"(?:(?P<unit>{'|'.join(_FREQUENCIES)})s?|(?P<working>(?:week|work|working )days?)|(?P<days>{_DAYS}))\b",
    re.IGNORECASE,
)
_ADVERB = re.compile(rf"(?<!\bthe )(?<!\ba )\b(?P<adverb>{'|'.join(_ADVERBS)})\b", re.IGNORECASE)
_GOES_ON = re.compile(
    r"[ ,;]*(?:$|(?:at|from|starting|beginning|as of|by|in the)\b|\d{1,2}(?:[:.]\d\d)? ?(?:am|pm)?\b(?! ?times))"
)
"""What may follow a rule: else its words are part of a title ("read every day of my life")."""
_START = re.compile(r",? ?\b(?:starting|beginning|from|as of)(?: on| from)?(?=$| )", re.IGNORECASE)


class FoundRepeat(NamedTuple):
    """How often, and the sentence without its words."""

    rule: str
    first: dt.date
    """The first day that the rule falls on, today included only where it names no weekday."""
    names_day: bool
    """The rule itself says on which days, so that a time of day alone does not."""
    rest: str


def find_repeat(text: str, today: dt.date) -> FoundRepeat | None:
    """Return how often the sentence says that something comes back, or None."""
    for pattern in (_MONTHLY, _EVERY, _ADVERB):
        for match in pattern.finditer(text):
            before, after = text[: match.start()], text[match.end() :]
            leads = not before.strip() and pattern is not _ADVERB
            if not (leads or _GOES_ON.match(after)):
                continue
            read = _read(match, today)
            if read:
                rest = _START.sub(" ", f"{before.rstrip(' ,')} {after.lstrip(' ,')}")
                return FoundRepeat(*read, " ".join(rest.split()))
    return None


def _read(match: re.Match[str], today: dt.date) -> tuple[str, dt.date, bool] | None:
    said = {name: text.lower() for name, text in match.groupdict().items() if text}
    if "adverb" in said:
        return _ADVERBS[said["adverb"]], today, False
    if "day" in said:
        number = int(said["day"])
        first = day_of_month(number, today)
        # Beyond the 28th, a plain rule falls on the last day of the months that are too short.
        rule = f"FREQ=MONTHLY;BYMONTHDAY={number}" if number <= _IN_EVERY_MONTH else "FREQ=MONTHLY"
        return (rule, first, True) if first else None
    count = _COUNTS.get(said.get("count", ""), 0) or int(said.get("count", 1))
    if count < 1:
        return None
    interval = f";INTERVAL={count}" if count > 1 else ""
    if "working" in said:
        if count > 1:
            return None
        monday = today + dt.timedelta(days=7 - today.weekday())
        return _WORKING_DAYS, today if today.weekday() < _SATURDAY else monday, True
    if "days" in said:
        names = re.findall(_DAY, said["days"])
        numbers = sorted({weekday_number(name) for name in names})
        days = ",".join(WEEKDAYS[number][:2].upper() for number in numbers)
        return f"FREQ=WEEKLY{interval};BYDAY={days}", min(weekday(n, today, next_week=False) for n in names), True
    return f"FREQ={_FREQUENCIES[said['unit']]}{interval}", today, False


def repeat_words(rule: str) -> str:
    """Return a rule in words, "every 2 weeks" or "every Monday and Friday"; one beyond them as it is written."""
    if rule.upper() == _WORKING_DAYS:
        return "every weekday"
    parts = dict(part.split("=", 1) for part in rule.upper().split(";") if "=" in part)
    frequency, count = parts.pop("FREQ", ""), parts.pop("INTERVAL", "1")
    unit = next((unit for unit, name in _UNITS.items() if name == frequency), None)
    if unit and not parts:
        return f"every {unit}" if count == "1" else f"every {count} {unit}s"
    if unit == "month" and count == "1" and parts.keys() == {"BYMONTHDAY"} and parts["BYMONTHDAY"].isdigit():
        return f"every month on day {parts['BYMONTHDAY']}"
    codes = parts.get("BYDAY", "").split(",")
    days = [name.capitalize() for name in WEEKDAYS if name[:2].upper() in codes]
    if unit == "week" and count == "1" and parts.keys() == {"BYDAY"} and len(days) == len(codes):
        *others, last = days
        return f"every {', '.join(others)} and {last}" if others else f"every {last}"
    return f"by the rule {rule}"
