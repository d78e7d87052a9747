"""Calendar days and instants, compared in a user's zone."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

_ONE_DAY: Final = dt.timedelta(days=1)
_TICK: Final = dt.timedelta(microseconds=1)
"""The finest difference that both databases store."""


def start_of_day(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the instant at which a day begins in a zone, in UTC."""
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)


def due_until(due: dt.date | None, due_at: dt.datetime | None, zone: ZoneInfo) -> dt.datetime | None:
    """Return the last instant at which a task is not late: `due_at`, or the end of the day `due`."""
    if due is not None:
        return start_of_day(due + _ONE_DAY, zone) - _TICK
    return due_at


def start_of_next_day(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the instant at which the day after `day` begins in a zone, in UTC."""
    return start_of_day(day + _ONE_DAY, zone)
