"""Recurrence rules (RFC 5545, section 3.3.10) of tasks: which days they name.

A rule repeats by days, weeks, months or years; the time of day is the task's own. Everything that a rule is asked
takes a bounded time: what could be sparse beyond bounds is refused or looked for one period at a time.
"""

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday

from mcp_todo_server.tasks.dates import LATEST
from mcp_todo_server.tasks.text import RefusedTextError

INTERVAL_MAX: Final = 1000
COUNT_MAX: Final = 1000

Until = dt.date | dt.datetime
"""Last day, or last instant (naive: in the series' own zone), at which a series may occur."""

_Frequency = Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
_FREQUENCIES: Final[Mapping[_Frequency, Any]] = {
    "DAILY": DAILY,
    "WEEKLY": WEEKLY,
    "MONTHLY": MONTHLY,
    "YEARLY": YEARLY,
}
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NUMBERS: Final[Mapping[str, tuple[str, int]]] = {
    "BYMONTH": ("bymonth", 12),
    "BYMONTHDAY": ("bymonthday", 31),
    "BYYEARDAY": ("byyearday", 366),
    "BYWEEKNO": ("byweekno", 53),
    "BYSETPOS": ("bysetpos", 366),
}
"""dateutil's name of each part that lists numbers, and the highest; all but months also count from the end."""
_DAY_PARTS: Final = frozenset({"byweekday", "bymonthday", "byyearday", "byweekno"})
_TAKES: Final[Mapping[_Frequency, frozenset[str]]] = {
    "DAILY": frozenset({"BYDAY", "BYMONTH"}),
    "WEEKLY": frozenset({"BYDAY", "BYMONTH"}),
    "MONTHLY": frozenset({"BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"}),
    "YEARLY": frozenset({"BYDAY", *_NUMBERS}),
}
_THINS_OUT: Final[Mapping[_Frequency, tuple[str, ...]]] = {
    "DAILY": ("BYDAY", "BYMONTH"),
    "WEEKLY": ("BYMONTH",),
    "MONTHLY": (),
    "YEARLY": (),
}
"""Parts that leave days of a dense rule out: of every second or tenth day they might leave none for centuries."""
_ALWAYS: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"})
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,4}")
_DAY: Final = re.compile(rf"([+-]?[0-9]{{1,2}})?({'|'.join(_WEEKDAYS)})")
_UNTIL: Final = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z?))?")

_EVALUATED_MAX: Final = 125
"""Months or years that are looked into for the next day. A rule that pauses for longest, 121 of them, is that of
every 7th year's 29 February if it is a Monday; what is not found by then never comes."""
_PASSED_MAX: Final = 12 * _EVALUATED_MAX
"""Months that may be passed on the way to one that BYMONTH names."""
_ONE_PERIOD: Final = 12 * dt.MAXYEAR
"""An interval that ends dateutil's search after its first period: left alone it would look on to the year 9999."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it was given, checked."""

    text: str
    """In capitals, without `RRULE:`."""
    frequency: _Frequency
    interval: int
    count: int | None
    until: Until | None
    parts: Mapping[str, Any]
    """The BY parts and WKST, as dateutil takes them."""

    def first_after(self, start: dt.date, day: dt.date) -> dt.date | None:
        """Return the rule's first day after `day` in a series that begins at `start`, whatever COUNT and UNTIL say.

        The start, and no day before it, belongs to the series. None where no such day is near enough to be
        found, or none before the calendar's end.
        """
        return next(self.days_after(start, day), None)

    def days_after(self, start: dt.date, day: dt.date) -> Iterator[dt.date]:
        """Yield the rule's days after `day` in their order, as `first_after` tells the first of them.

        Each month or year is evaluated once. The days end where no further one is near enough to be found.
        """
        day = max(day, start)
        found = self._dense(start, day) if self.frequency in ("DAILY", "WEEKLY") else self._sparse(start, day)
        return (later for later in found if later > day)

    def _dense(self, start: dt.date, day: dt.date) -> Iterator[dt.date]:
        step = self.interval * (7 if self.frequency == "WEEKLY" else 1)
        # An occurrence's own place in the series, near `day`, so that nothing before it has to be gone through.
        near = start + dt.timedelta(days=(day - start).days // step * step)
        return (found.date() for found in self._dateutil(near, self.interval, self.parts, until=LATEST))

    def _sparse(self, start: dt.date, day: dt.date) -> Iterator[dt.date]:
        parts = dict(self.parts)
        # Without a part that names days, it is the start's, or the last of a month that is shorter. Looked for as
        # the 1st, which every month has.
        last = 0 if _DAY_PARTS & parts.keys() else start.day
        if last:
            parts["bymonthday"] = 1
            if self.frequency == "YEARLY":
                parts.setdefault("bymonth", start.month)
        passed = in_vain = 0
        for first in self._periods(start, day):
            if passed == _PASSED_MAX or in_vain == _EVALUATED_MAX:
                return
            passed += 1
            if self.frequency == "MONTHLY" and first.month not in parts.get("bymonth", (first.month,)):
                continue
            in_vain += 1
            for found in self._dateutil(first, _ONE_PERIOD, parts):
                passed = in_vain = 0
                yield _in_month(found.date(), last) if last else found.date()

    def _periods(self, start: dt.date, day: dt.date) -> Iterator[dt.date]:
        """Yield the first days of the series' months or years, from the one that `day` may be in."""
        months = self.interval * (12 if self.frequency == "YEARLY" else 1)
        first = start.replace(day=1) if self.frequency == "MONTHLY" else start.replace(month=1, day=1)
        passed = (day.year - first.year) * 12 + day.month - first.month
        month = first.year * 12 + first.month - 1 + passed // months * months
        while month // 12 <= LATEST.year:
            yield dt.date(month // 12, month % 12 + 1, 1)
            month += months

    def _dateutil(
        self, start: dt.date, interval: int, parts: Mapping[str, Any], *, until: dt.date | None = None
    ) -> rrule:
        return rrule(_FREQUENCIES[self.frequency], dtstart=_midnight(start), interval=interval, until=until, **parts)


def parse_rule(text: str) -> Rule:
    """Return the rule that a text of RFC 5545 gives; `RRULE:` before it and small letters do no harm.

    Raises:
        RefusedTextError: It is no such rule, or one that a task cannot follow. Says which part is wrong.
    """
    if not text.isascii():  # capitals of other letters may be longer than what was measured
        raise _refused("it has no characters but those of ASCII")
    text = text.strip().upper().removeprefix("RRULE:")
    if any(line in text for line in ("DTSTART", "EXDATE", "RDATE", "EXRULE")):
        raise _refused("a series begins when its task is due, and takes no DTSTART, EXDATE or RDATE")
    given: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise _refused("its parts are NAME=VALUE with ; between them")
        if name in given:
            raise _refused(f"{name} stands twice")
        given[name] = value
    frequency = _frequency(given.get("FREQ", ""))
    for name in given:
        if name not in _ALWAYS | _TAKES[frequency]:
            taken = ", ".join(sorted(_ALWAYS - {"FREQ"} | _TAKES[frequency]))
            raise _refused(f"with FREQ={frequency} it may have {taken}, and a time of day stands in due_at alone")
    interval = _whole("INTERVAL", given.get("INTERVAL", "1"), INTERVAL_MAX)
    if "COUNT" in given and "UNTIL" in given:
        raise _refused("COUNT and UNTIL exclude each other")
    return Rule(
        text=text,
        frequency=frequency,
        interval=interval,
        count=_whole("COUNT", given["COUNT"], COUNT_MAX) if "COUNT" in given else None,
        until=_until(given["UNTIL"]) if "UNTIL" in given else None,
        parts=_parts(frequency, interval, given),
    )


def _frequency(value: str) -> _Frequency:
    for frequency in _FREQUENCIES:
        if value == frequency:
            return frequency
    raise _refused(f"FREQ must be one of {', '.join(_FREQUENCIES)}")


def _whole(name: str, value: str, highest: int) -> int:
    if not _NUMBER.fullmatch(value) or not 1 <= int(value) <= highest:
        raise _refused(f"{name} must be a whole number from 1 to {highest}")
    return int(value)


def _until(value: str) -> Until:
    match = _UNTIL.fullmatch(value)
    try:
        if match is None:
            raise ValueError
        day, time, utc = match.groups()
        if time is None:
            return dt.datetime.strptime(day, "%Y%m%d").date()  # noqa: DTZ007 - it is a date
        instant = dt.datetime.strptime(day + time, "%Y%m%d%H%M%S")  # noqa: DTZ007 - without Z it has no zone
    except ValueError:
        raise _refused("UNTIL must be a date such as 20261231 or an instant such as 20261231T225959Z") from None
    return instant.replace(tzinfo=dt.UTC) if utc else instant


def _parts(frequency: _Frequency, interval: int, given: Mapping[str, str]) -> dict[str, Any]:
    parts: dict[str, Any] = {"wkst": _weekday(given.get("WKST", "MO"))}
    if "BYDAY" in given:
        parts["byweekday"] = _weekdays(frequency, given)
    for name, (keyword, highest) in _NUMBERS.items():
        if name in given:
            parts[keyword] = _listed(name, given[name], highest)
    for name in _THINS_OUT[frequency] if interval > 1 else ():
        if name in given:
            raise _refused(f"with FREQ={frequency} and {name} its INTERVAL must be 1")
    if "BYSETPOS" in given and not _DAY_PARTS & parts.keys():
        raise _refused("BYSETPOS needs a part to choose from, such as BYDAY")
    return parts


def _listed(name: str, value: str, highest: int) -> tuple[int, ...]:
    lowest = 1 if name == "BYMONTH" else -highest
    numbers = value.split(",")
    if not all(_NUMBER.fullmatch(number) and int(number) and lowest <= int(number) <= highest for number in numbers):
        below = "" if lowest > 0 else f", or -1 to {lowest} from the end"
        raise _refused(f"{name} must list numbers from 1 to {highest}{below}")
    return tuple(dict.fromkeys(map(int, numbers)))


def _weekday(value: str) -> int:
    if value not in _WEEKDAYS:
        raise _refused("WKST must be a weekday such as MO")
    return _WEEKDAYS.index(value)


def _weekdays(frequency: _Frequency, given: Mapping[str, str]) -> list[weekday]:
    matches = [_DAY.fullmatch(day) for day in given["BYDAY"].split(",")]
    days = [(match[2], int(match[1] or 0)) for match in matches if match and match[1] != "0"]
    # The 5th is the last that a month may have, and the 53rd the last of a year.
    highest = {"DAILY": 0, "WEEKLY": 0, "MONTHLY": 5, "YEARLY": 5 if "BYMONTH" in given else 53}[frequency]
    if len(days) < len(matches) or any(abs(number) > highest for _, number in days):
        numbered = f', with a number up to {highest} for "the 2nd" (2MO) or "the last" (-1FR)' if highest else ""
        raise _refused(f"BYDAY must list weekdays such as MO,TH{numbered}")
    if len({bool(number) for _, number in days}) > 1:
        raise _refused("BYDAY must give a number to all its weekdays or to none")
    if "BYWEEKNO" in given and any(number for _, number in days):
        raise _refused("BYDAY takes no number beside BYWEEKNO")
    return [weekday(_WEEKDAYS.index(day), number or None) for day, number in days]


def _in_month(first: dt.date, day: int) -> dt.date:
    return first.replace(day=min(day, calendar.monthrange(first.year, first.month)[1]))


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time())


def _refused(why: str) -> RefusedTextError:
    return RefusedTextError(f'must be an RRULE such as "FREQ=WEEKLY;BYDAY=MO"; {why}')
