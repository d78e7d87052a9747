"""Due dates and instants as text: `2026-12-24`, or `2026-12-24T17:00:00+01:00[Europe/Berlin]` (RFC 9557)."""

import datetime as dt
from zoneinfo import ZoneInfo

from mcp_todo_server.tasks.models import TaskRow


def due_text(row: TaskRow) -> str:
    """Return when a task is due, at its place; "" where it is not."""
    if row.due_at is None:
        return "" if row.due is None else row.due.isoformat()
    if row.due_zone is None:
        return in_utc(row.due_at)
    local = row.due_at.astimezone(ZoneInfo(row.due_zone))
    # Before there were zones, a place was so many seconds from UTC, which the text cannot say.
    whole_minutes = not (local.utcoffset() or dt.timedelta()) % dt.timedelta(minutes=1)
    return f"{local.isoformat() if whole_minutes else in_utc(local)}[{row.due_zone}]"


def in_utc(instant: dt.datetime) -> str:
    """Return an instant in UTC, with a Z."""
    return f"{instant.astimezone(dt.UTC).replace(tzinfo=None).isoformat()}Z"


def due_arguments(text: str) -> dict[str, str]:
    """Return such a text as arguments of `add_task`, which checks them."""
    if not text:
        return {}
    return {"due_at" if ":" in text else "due": text}


def local_moment(text: str) -> str:
    """Return a date, or a date and time without a zone, if it is one.

    Raises:
        ValueError: It is not.
    """
    moment = dt.datetime.fromisoformat(text) if "T" in text else dt.date.fromisoformat(text)
    if moment.isoformat() != text:
        raise ValueError("must be a date or a local date and time, such as 2026-12-24T17:00:00")
    return text
