"""iCalendar (RFC 5545): a VTODO for each task."""

import datetime as dt
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component, Timezone, Todo, vCategory, vRecur, vText
from icalendar.timezone import tzp
from todo_chat_shared.tasks import Priority, TaskStatus

from mcp_todo_server.tasks.models import TaskRow
from mcp_todo_server.tasks.payloads import PRIORITIES
from mcp_todo_server.transfer.entries import Entry, Kept, ListFacts, entry, short_uid
from mcp_todo_server.transfer.errors import LineError
from mcp_todo_server.transfer.moments import in_utc
from mcp_todo_server.transfer.source import lines

COMPONENT_MAX_BYTES: Final = 16 * 1024 * 1024
"""Longest component that is read; calendars may hold pictures."""
_NUMBERS: Final[Mapping[Priority, int]] = {"urgent": 1, "high": 3, "low": 9}
"""Priorities of section 3.8.1.9; a normal task has none."""
_STATUSES: Final[Mapping[str, TaskStatus]] = {"COMPLETED": "completed", "CANCELLED": "deleted"}
"""What section 3.8.1.11 says of a VTODO; all else is open. Who cancels a task puts it away, as who deletes it."""
_ZONES_FROM: Final = dt.date(1970, 1, 1)
_ZONES_UNTIL: Final = dt.date(2100, 1, 1)
"""Years for which a zone's rules are written out; an instant outside them is written in UTC."""
_SPECIAL: Final = re.compile(r"[\\;,]")
_LINE_BREAK: Final = re.compile(r"\r\n?|\n")
_CALENDAR: Final = Calendar()
_CALENDAR.add("version", "2.0")
_CALENDAR.add("prodid", "-//Todo Chat//mcp-todo-server//EN")


class _Text(vText):
    """A value of section 3.3.11, escaped by that section alone: `vText` takes a backslash and an N for a new line,
    and leaves out a byte order mark. Several values have commas between them."""

    def __new__(cls, *values: str) -> "_Text":
        return super().__new__(cls, ",".join(map(_escape, values)))

    def to_ical(self) -> str:  # type: ignore[override]  # text instead of bytes, which it would decode again
        """Return the value as it stands in a file."""
        return str(self)


def _escape(text: str) -> str:
    return _LINE_BREAK.sub(r"\\n", _SPECIAL.sub(r"\\\g<0>", text))


class VTodoWriter:
    """Writes open and completed tasks."""

    def __init__(self, _facts: ListFacts) -> None:
        self._zones: set[str] = set()

    def head(self) -> str:
        """Return the calendar's beginning."""
        text: str = _CALENDAR.to_ical().decode()
        return text.removesuffix("END:VCALENDAR\r\n")

    def task(self, kept: Kept) -> str:
        """Return a task's VTODO, after its zone's VTIMEZONE where the zone is a new one."""
        row = kept.row
        todo = Todo()
        todo["uid"] = _Text(kept.uid)
        # Without METHOD, this is when the task was last changed (section 3.8.7.2).
        todo.add("dtstamp", row.updated_at)
        todo.add("created", row.created_at)
        todo.add("last-modified", row.updated_at)
        todo["summary"] = _Text(row.title)
        if row.description is not None:
            todo["description"] = _Text(row.description)
        if kept.tags:
            todo["categories"] = _Text(*kept.tags)
        if number := _NUMBERS.get(PRIORITIES[row.priority_rank]):
            todo.add("priority", number)
        zone = _add_due(todo, row)
        if row.completed_at is not None:
            todo.add("status", "COMPLETED")
            todo.add("completed", row.completed_at)
        else:
            todo.add("status", "NEEDS-ACTION")
        text: str = todo.to_ical().decode()
        if zone is not None and zone not in self._zones:
            self._zones.add(zone)
            rules = Timezone.from_tzid(zone, first_date=_ZONES_FROM, last_date=_ZONES_UNTIL)
            text = rules.to_ical().decode() + text
        return text

    def tail(self) -> str:
        """Return the calendar's end."""
        return "END:VCALENDAR\r\n"


def _add_due(todo: Todo, row: TaskRow) -> str | None:
    """Write when a task is due and how it repeats; returns the zone that has to be defined for that."""
    due: dt.date | None = row.due
    zone = None
    if row.due_at is not None:
        due = _wall_time(row.due_at, row.due_zone)
        zone = None if due.tzinfo is dt.UTC else row.due_zone
    if due is None:
        return None
    todo.add("due", due)
    if row.recurrence is not None:
        todo.add("rrule", vRecur.from_ical(row.recurrence))
        # Section 3.8.2.4 requires it beside RRULE, which counts from it.
        todo.add("dtstart", due)
    return zone


def _wall_time(instant: dt.datetime, zone: str | None) -> dt.datetime:
    """Return the instant in its zone, or in UTC where the clock's time alone would not tell which one it is."""
    if zone is None or zone == "UTC" or not _ZONES_FROM < instant.date() < _ZONES_UNTIL:
        return instant.astimezone(dt.UTC)
    local = instant.astimezone(ZoneInfo(zone))
    # The second time that a clock shows an hour, when summer time ends, has no way of being written.
    return instant.astimezone(dt.UTC) if local.fold else local


def read(source: IO[bytes], zone: ZoneInfo) -> Iterator[Entry]:
    """Yield the VTODOs of a file; other components are left out. Times without a zone are of `zone`.

    Raises:
        LineError: A VTODO is wrong, or the file is no calendar.
    """
    # A zone may be defined after its first use.
    for line, text in _components(source, "VTIMEZONE"):
        try:
            tzp.cache_timezone_component(_parsed(line, text))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise LineError(line, f"what begins there cannot be read: {error}") from None
    source.seek(0)
    for line, text in _components(source, "VTODO"):
        try:
            yield _entry(line, text, zone)
        except OverflowError:
            raise LineError(line, "a date in it is beyond the calendar's ends") from None


def _components(source: IO[bytes], name: str) -> Iterator[tuple[int, str]]:
    """Yield the components of this name, whole, with the lines on which they begin."""
    begin, end = f"BEGIN:{name}", f"END:{name}"
    found: list[str] = []
    first, size, calendar = 0, 0, False
    for number, line in lines(source):
        marker = line.strip().upper()
        if not calendar and marker:
            if marker != "BEGIN:VCALENDAR":
                raise LineError(number, "is not the beginning of a calendar; BEGIN:VCALENDAR is missing")
            calendar = True
        if marker == begin:
            found, first, size = [], number, 0
        elif not first:
            continue
        found.append(line)
        size += len(line) + len("\r\n")
        if size > COMPONENT_MAX_BYTES:
            raise LineError(first, f"{name} is longer than {COMPONENT_MAX_BYTES} characters")
        if marker == end:
            yield first, "\r\n".join(found) + "\r\n"
            first = 0
    if first:
        raise LineError(first, f"{name} does not end; {end} is missing")


def _entry(line: int, text: str, zone: ZoneInfo) -> Entry:
    todo: Todo = _parsed(line, text)
    if "UID" not in todo:
        raise LineError(line, "UID is missing; every VTODO needs one of its own")
    uid = str(todo["UID"])
    if "RECURRENCE-ID" in todo:
        # One occurrence that differs from its series, and has its UID.
        uid = f"{uid}/{_text(todo, 'RECURRENCE-ID')}"
    status = _STATUSES.get(str(_one(todo, "STATUS") or "").upper(), "open")
    completed = _instant(line, todo, "COMPLETED", zone)
    if completed is not None and status == "open":
        status = "completed"
    task = {
        # A title has one line; a summary may have several.
        "title": " ".join(str(_one(todo, "SUMMARY") or "").split("\n")),
        "description": str(_one(todo, "DESCRIPTION") or "") or None,
        "priority": _priority(line, _one(todo, "PRIORITY")),
        "tags": _categories(line, todo),
        **_due(line, todo, zone),
        "recurrence": _text(todo, "RRULE") or None,
    }
    history = {
        "uid": short_uid(uid),
        "status": status,
        "created_at": _instant(line, todo, "CREATED", zone),
        "updated_at": _instant(line, todo, "LAST-MODIFIED", zone),
        "completed_at": completed,
    }
    return entry(line, task, history)


def _parsed(line: int, text: str) -> Any:
    """Return a component as the library reads it."""
    with warnings.catch_warnings():
        # A zone named by its maker and its place is taken for the place's.
        warnings.simplefilter("ignore")
        try:
            return Component.from_ical(text)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise LineError(line, f"what begins there cannot be read: {error}") from None


def _one(todo: Todo, name: str) -> Any:
    value = todo.get(name)
    return value[0] if isinstance(value, list) else value


def _text(todo: Todo, name: str) -> str:
    value = _one(todo, name)
    if value is None:
        return ""
    written: str | bytes = value.to_ical()  # text, of a value of another type than its property's
    return written if isinstance(written, str) else written.decode()


def _priority(line: int, value: Any) -> Priority | None:
    if value is None or value in (0, 5):
        return None
    if not isinstance(value, int) or not 1 <= value <= 9:
        raise LineError(line, "PRIORITY must be a number from 0 to 9, such as 1")
    return "urgent" if value == 1 else "high" if value < 5 else "low"


def _categories(line: int, todo: Todo) -> list[str]:
    value = todo.get("CATEGORIES")
    lists = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(categories, vCategory) for categories in lists):
        raise LineError(line, "CATEGORIES must be texts with commas between them, such as home,errands")
    return [str(category) for categories in lists for category in categories.cats if str(category).strip()]


def _due(line: int, todo: Todo, zone: ZoneInfo) -> dict[str, str]:
    """Return when a task is due as arguments of `add_task`."""
    value = _moment(line, todo, "DUE", zone)
    if value is None and "DURATION" in todo and (start := _moment(line, todo, "DTSTART", zone)) is not None:
        duration = getattr(_one(todo, "DURATION"), "dt", None)
        if not isinstance(duration, dt.timedelta):
            raise LineError(line, "DURATION must be a duration, such as PT1H")
        value = start + duration
    if value is None:
        return {}
    if not isinstance(value, dt.datetime):
        return {"due": value.isoformat()}
    key = "UTC" if value.tzinfo is dt.UTC else getattr(value.tzinfo, "key", None)
    # A zone that the file defines itself has a name of its own making; what its rules make of the time counts.
    return {"due_at": in_utc(value) + (f"[{key}]" if key else "")}


def _moment(line: int, todo: Todo, name: str, zone: ZoneInfo) -> dt.date | None:
    """Return a property's date, or its instant."""
    found = _one(todo, name)
    if found is None:
        return None
    value = getattr(found, "dt", None)
    if not isinstance(value, dt.date):
        raise LineError(line, f"{name} must be a date or a date and time, such as 20261224T170000Z")
    if not isinstance(value, dt.datetime) or value.tzinfo is not None:
        return value
    if tzid := found.params.get("TZID"):
        raise LineError(line, f"TZID of {name} is no zone that is known, nor defined in a VTIMEZONE: {tzid}")
    return value.replace(tzinfo=zone)


def _instant(line: int, todo: Todo, name: str, zone: ZoneInfo) -> str | None:
    value = _moment(line, todo, name, zone)
    if value is None:
        return None
    if not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time(), zone)
    return in_utc(value)
