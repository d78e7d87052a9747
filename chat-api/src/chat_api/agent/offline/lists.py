"""Filters as arguments of `list_tasks`."""

import datetime as dt
from typing import Any

from chat_api.agent.offline.intents import Filters, Period

PAGE_MOST = 100
"""The longest page that `list_tasks` gives."""
_ONE = dt.timedelta(days=1)


def list_arguments(filters: Filters, limit: int = PAGE_MOST) -> dict[str, Any]:
    """Return the arguments. The tool's bounds exclude their days, a period's days belong to it."""
    arguments: dict[str, Any] = {"status": filters.status, "limit": limit}
    if filters.query:
        arguments["query"] = filters.query
    if filters.tag:
        arguments["tag"] = filters.tag
    if filters.priority:
        arguments["priority"] = filters.priority
    if filters.overdue:
        arguments["overdue"] = True
    if completed_within(filters):
        return arguments | {"sort": "updated"}
    if filters.period and filters.period.first:
        arguments["due_after"] = (filters.period.first - _ONE).isoformat()
    if filters.period and filters.period.last:
        arguments["due_before"] = (filters.period.last + _ONE).isoformat()
    if filters.sort:
        arguments["sort"] = filters.sort
    elif filters.overdue or filters.period:
        arguments["sort"] = "due"
    return arguments


def completed_within(filters: Filters) -> Period | None:
    """Return the days in which tasks have to be completed; `list_tasks` knows when they are due alone."""
    return filters.period if filters.status == "completed" else None


def within(day: dt.date | None, period: Period) -> bool:
    """Say whether a day belongs to a period."""
    return day is not None and (period.first or day) <= day <= (period.last or day)
