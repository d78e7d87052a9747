"""The date of a sentence: its day and its time of day, and what is left of the sentence without them."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol, TypeVar

from chat_api.agent.offline.dates.clock import Clock, find_clocks
from chat_api.agent.offline.dates.spans import Span, find_days
from chat_api.agent.offline.intents import When

_GAP = re.compile(r"[ ,]*(?:and )?[ ,]*")
_STRETCH = re.compile(r" ?(?:to|-|–|until|till)? ?")
_BOTH = re.compile(r",? (?:and|or|&) ")
_EDGES = " ,;:-–—"
LONGEST = 1_000
"""Longer texts are no task's title; they are not searched, which bounds the time that a message can take."""


class FoundWhen(NamedTuple):
    """A date and the sentence without its words."""

    when: When
    rest: str


class _Placed(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


_P = TypeVar("_P", bound=_Placed)


def find_when(text: str, now: dt.datetime) -> FoundWhen | None:
    """Return when the sentence says that something is due, or None.

    A day gives `due`, a time of day `due_at`; a time alone means its next coming. Of several days the one that the
    sentence begins with counts, else the last.

    Args:
        text: A sentence whose spaces are single.
        now: The clock, in the user's zone.
    """
    if len(text) > LONGEST:
        return None
    clock = _last_clock(text)
    day = find_day(text, now, clock)
    if day is None and clock is None:
        return None
    return FoundWhen(_when(day, clock, now), cut(text, [found for found in (day, clock) if found]))


def _last_clock(text: str) -> Clock | None:
    """Return the last time of day; of a stretch ("from 3pm to 4pm") its beginning, with the words of both.

    Two times ("at 8am and 8pm") are more than a task can be due at, so they stay in its title.
    """
    clocks = widest(list(find_clocks(text)))
    if len(clocks) > 1 and _BOTH.fullmatch(text[clocks[-2].end : clocks[-1].start]):
        return None
    if len(clocks) > 1 and _STRETCH.fullmatch(text[clocks[-2].end : clocks[-1].start]):
        return replace(clocks[-2], end=clocks[-1].end)
    return clocks[-1] if clocks else None


def find_day(text: str, now: dt.datetime, clock: Clock | None = None) -> Span | None:
    """Return the words that name the day, or None. `clock` stands for nothing when edges are looked for."""
    spans = [span for span in widest(list(find_days(text, now))) if _counts(span, text, clock)]
    if clock:
        spans = [span for span in spans if span.end <= clock.start or span.start >= clock.end]
    if not spans:
        return None
    return spans[0] if spans[0].start == 0 else spans[-1]


def widest(found: Sequence[_P]) -> list[_P]:
    """Drop what overlaps something longer; the rest in the order of the text."""
    kept: list[_P] = []
    for one in sorted(found, key=lambda each: (each.start - each.end, each.start)):
        if all(one.end <= other.start or one.start >= other.end for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda each: each.start)


def cut(text: str, spans: Sequence[_Placed]) -> str:
    """Return the text without the spans and without what only joined them to it."""
    for span in sorted(spans, key=lambda each: each.start, reverse=True):
        text = f"{text[: span.start].rstrip()} {text[span.end :].lstrip()}"
    return " ".join(text.split()).replace(" ,", ",").strip(_EDGES)


def _counts(span: Span, text: str, clock: Clock | None) -> bool:
    if span.sure:
        return True
    before, after = text[: span.start], text[span.end :]
    if clock and clock.start >= span.end:
        after = text[span.end : clock.start] + text[clock.end :]
        if not _GAP.fullmatch(text[span.end : clock.start]):
            after = text[span.end :]
    if not after.strip(" .,;!?)"):
        return True
    return not before.strip() and after.lstrip()[:1] in {",", ":"}


def _when(day: Span | None, clock: Clock | None, now: dt.datetime) -> When:
    if day and day.instant:
        return When(due_at=day.instant)
    if clock is None:
        return When(due=day.day if day else None)
    time = clock.time(day.part if day else "")
    date = day.day if day and day.day else now.date()
    due_at = _at(date, time, now)
    if clock.hour == 0 and clock.as_said and day is not None:
        # "Midnight" of a day is its end.
        due_at = _at(date + dt.timedelta(days=1), time, now)
    elif day is None and due_at <= now:
        due_at = _at(date + dt.timedelta(days=1), time, now)
    return When(due_at=due_at, day_named=day is not None)


def _at(date: dt.date, time: dt.time, now: dt.datetime) -> dt.datetime:
    """Return the instant of a wall-clock time; one that a change of clocks skips moves past the gap."""
    wall = dt.datetime.combine(date, time, now.tzinfo)
    return wall.astimezone(dt.UTC).astimezone(now.tzinfo)
