"""Calendar days and instants, compared in a user's zone."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from mcp_todo_server.tasks.text import RefusedTextError

EARLIEST: Final = dt.date(1900, 1, 1)
LATEST: Final = dt.date(9998, 12, 31)
"""Far enough from the calendar's ends that no zone moves an instant over them."""

_ONE_DAY: Final = dt.timedelta(days=1)
_TICK: Final = dt.timedelta(microseconds=1)
"""The finest difference that both databases store."""


def start_of_day(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the instant at which a day begins in a zone, in UTC."""
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)


def due_until(due: dt.date | None, due_at: dt.datetime | None, zone: ZoneInfo) -> dt.datetime | None:
    """Return the last instant at which a task is not late: `due_at`, or the end of the day `due`."""
    return due_at if due is None else end_of_day(due, zone)


def end_of_day(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the last instant of a day in a zone, in UTC."""
    return start_of_next_day(day, zone) - _TICK


def start_of_next_day(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the instant at which the day after `day` begins in a zone, in UTC."""
    return start_of_day(day + _ONE_DAY, zone)


def at_wall_time(day: dt.date, time: dt.time, zone: ZoneInfo) -> dt.datetime:
    """Return the instant, in UTC, at which clocks in a zone show this time on this day.

    Of a time that comes twice it is the first. A time that a change of the clocks leaves out is taken as if they
    had not been changed yet (RFC 5545, section 3.3.5).
    """
    return dt.datetime.combine(day, time, zone).astimezone(dt.UTC)


def shown_once(local: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """Return the one moment at which clocks in a zone show this naive date and time, in that zone.

    Raises:
        RefusedTextError: A change of the clocks leaves it out, or lets it come twice.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    # Each as it is in UTC: of times that are left out, the one by the clocks before the change is the later.
    if first.astimezone(dt.UTC) > second.astimezone(dt.UTC):
        raise RefusedTextError(f"must be another time: the clocks of {zone.key} skip this one that day")
    if first.astimezone(dt.UTC) < second.astimezone(dt.UTC):
        raise RefusedTextError(
            f"names a time that the clocks of {zone.key} show twice that day; add the offset: "
            f"{first.isoformat()}[{zone.key}] or {second.isoformat()}[{zone.key}]"
        )
    return first
