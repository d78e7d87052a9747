"""Times of day in sentences.

An hour without "am" or "pm" counts as said from 13 on and with a leading zero; else "in the morning", "tonight" and
their like decide; else 1 to 6 are afternoon hours and 7 to 12 are as said ("at 5" is 17:00, "at 9" is 09:00).
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

_AT = r"(?:(?:due )?(?:at|by|from|around|about|before|until|till) |@ ?)"
_PART = r"(?: (?P<part>in the morning|in the afternoon|in the evening|at night))?"
_DAY_AHEAD = (
    r"(?= ?(?:$|[,.:;!?)\]]| (?:on|by|today|tomorrow|tonight|this|next|in the|at night|and|to [a-z]+|(?:mon|tues"
    r"|wednes|thurs|fri|satur|sun)day)\b))"
)
_HOURS = {
    word: number
    for number, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], start=1
    )
}
_SPOKEN = "|".join(_HOURS)
_LEFT, _RIGHT = r"(?<![\w/#.:,$€£-])", r"(?![\w/%]|[-:.,]\d|-\w)"

_PATTERNS = tuple(
    re.compile(_LEFT + pattern + _PART, re.IGNORECASE)
    for pattern in (
        rf"(?:{_AT})?(?P<hour>\d{{1,2}})(?:[:.](?P<minute>[0-5]\d))? ?(?P<half>[ap])(?:\.m\.|m\b){_RIGHT}",
        rf"{_AT}(?P<hour>\d{{1,2}})[:.](?P<minute>[0-5]\d){_RIGHT}",
        rf"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d){_RIGHT}{_DAY_AHEAD}",
        rf"(?:{_AT})?(?P<hour>\d{{1,2}}|{_SPOKEN}) o['’]?clock\b",
        rf"(?:{_AT})?(?P<past>half past|quarter past|quarter to) (?P<hour>\d{{1,2}}|{_SPOKEN}){_RIGHT}",
        rf"{_AT}(?P<word>noon|midday|midnight)\b",
        r"(?<=day |row )(?P<word>noon|midday|midnight)\b",
        rf"(?:at |@ ?)(?P<hour>\d{{1,2}}){_RIGHT}{_DAY_AHEAD}",
    )
)
_PAST = {"half past": 30, "quarter past": 15, "quarter to": -15}


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day at `start:end` of a text, not yet settled between morning and afternoon."""

    start: int
    end: int
    hour: int
    minute: int
    half: str
    """"a", "p" or "" where it was not said."""
    as_said: bool
    """Neither "am" nor "pm" is to be guessed."""

    def time(self, part: str) -> dt.time:
        """Return the time, given the part of the day that was named beside it ("" where none was)."""
        hour = self.hour
        if self.half:
            hour = hour % 12 + (12 if self.half == "p" else 0)
        elif not self.as_said and (part in {"afternoon", "evening", "night"} or (not part and 1 <= hour <= 6)):
            hour = hour if hour >= 12 else hour + 12
        return dt.time(hour % 24, self.minute)


def find_clocks(text: str) -> Iterator[Clock]:
    """Yield the times of day in a text."""
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            clock = _clock(match)
            if clock is not None:
                yield clock


def _clock(match: re.Match[str]) -> Clock | None:
    groups = match.groupdict()
    if word := (groups.get("word") or "").lower():
        return Clock(match.start(), match.end(), 0 if word == "midnight" else 12, 0, "", True)
    said = groups["hour"].lower()
    hour = _HOURS[said] if said in _HOURS else int(said)
    minute = int(groups.get("minute") or 0)
    half = (groups.get("half") or "").lower()
    if hour > (12 if half or groups.get("past") else 23) or (half and hour == 0):
        return None
    as_said = hour > 12 or said.startswith("0")
    if past := groups.get("past"):
        minutes = (hour * 60 + _PAST[past.lower()]) % (12 * 60)
        hour, minute = minutes // 60 or 12, minutes % 60
    part = groups.get("part") or ""
    if part and not half:
        half = "a" if part.endswith("morning") else "p"
    return Clock(match.start(), match.end(), hour, minute, half if not as_said else "", as_said)
