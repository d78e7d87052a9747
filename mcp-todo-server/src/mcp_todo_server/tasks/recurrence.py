"""When a recurring task is due next: on which day of its series, and at what instant in its zone.

A series begins at the task's due. It is of calendar dates, or of a time of day in the zone that the instant was
given in; it keeps that time there, whatever the zone's distance from UTC does.
"""

import datetime as dt
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mcp_todo_server.tasks.dates import at_wall_time
from mcp_todo_server.tasks.errors import InvalidArgumentsError
from mcp_todo_server.tasks.models import TaskRow
from mcp_todo_server.tasks.rules import Rule, parse_rule
from mcp_todo_server.users.service import zone_of


class Occurrence(NamedTuple):
    """One occurrence of a series."""

    due: dt.date | None
    due_at: dt.datetime | None
    """In the series' zone. An occurrence has `due` or `due_at`, as its series has."""
    number: int | None
    """Place in the series, from 1; None where the rule has no COUNT."""


@dataclass(frozen=True, slots=True)
class Series:
    """A rule, and the local date and time from which on it counts."""

    rule: Rule
    start: dt.datetime
    """Naive; midnight where the series has no time of day."""
    zone: ZoneInfo | None
    """The zone of `start`; None where the series is one of dates."""

    def has_ended(self, day: dt.date) -> bool:
        """Tell whether UNTIL excludes an occurrence on this day."""
        until = self.rule.until
        if not isinstance(until, dt.datetime):
            return until is not None and day > until
        if self.zone is None:
            return day > until.date()
        if until.tzinfo is None:
            return dt.datetime.combine(day, self.start.time()) > until
        return at_wall_time(day, self.start.time(), self.zone) > until

    def following(self, own_day: dt.date, number: int | None, today: dt.date) -> Occurrence | None:
        """Return the first occurrence after both `own_day` and `today`; None where the series has ended by then.

        `own_day` is the local date of the occurrence that is done, and `number` its place in the series. Those
        that fell in between are left out, and count.
        """
        start, latest = self.start.date(), max(own_day, today)
        if self.rule.count is None:
            day, number = self.rule.first_after(start, latest), None
        else:
            number = number or 1
            left = islice(self.rule.days_after(start, own_day), max(0, self.rule.count - number))
            numbered = ((place, found) for place, found in enumerate(left, number + 1) if found > latest)
            number, day = next(numbered, (None, None))
        if day is None or self.has_ended(day):
            return None
        if self.zone is None:
            return Occurrence(day, None, number)
        return Occurrence(None, at_wall_time(day, self.start.time(), self.zone).astimezone(self.zone), number)


def begin_series(row: TaskRow, number: int | None = None) -> None:
    """Let the series of a task's rule begin where the task is due, with this number where the rule has a COUNT."""
    if row.due_at is None:
        row.series_start = str(row.due)
    else:
        row.series_start = row.due_at.astimezone(zone_of(row.due_zone)).replace(tzinfo=None).isoformat()
    series = _series(row)
    row.occurrence = None if series.rule.count is None else number or 1


def check_series(row: TaskRow) -> None:
    """Return if a task's rule can repeat it.

    Raises:
        InvalidArgumentsError: It never does.
    """
    series = _series(row)
    day = series.start.date()
    if series.has_ended(day):
        raise InvalidArgumentsError(f"recurrence ends before the task is due, on {day}; UNTIL must be later than that")
    if series.rule.first_after(day, day) is None:
        raise InvalidArgumentsError(
            f"recurrence {series.rule.text} never comes after {day}; "
            "the last day of each month, for example, is FREQ=MONTHLY;BYMONTHDAY=-1"
        )


def next_occurrence(row: TaskRow, now: dt.datetime, user_zone: ZoneInfo) -> Occurrence | None:
    """Return when a task of a series that is done now comes again; None where its series has ended.

    Of a series with a time of day, today's occurrence is still to come until that time.
    """
    series = _series(row)
    zone = series.zone or user_zone
    own_day = row.due or (row.due_at or now).astimezone(zone).date()
    today = now.astimezone(zone).date()
    if series.zone is not None and at_wall_time(today, series.start.time(), series.zone) > now:
        today -= dt.timedelta(days=1)
    return series.following(own_day, row.occurrence, today)


def _series(row: TaskRow) -> Series:
    zone = None if row.due_at is None else zone_of(row.due_zone)
    return Series(parse_rule(str(row.recurrence)), dt.datetime.fromisoformat(str(row.series_start)), zone)
