"""What the resources hold, and what their names can be completed to."""

import datetime as dt
import json
import string
from collections.abc import Callable
from typing import Final, NamedTuple

from mcp_todo_server.database import Database, utc_now
from mcp_todo_server.tasks.repository import TaskRepository
from mcp_todo_server.tasks.schemas import PAGE_MAX, QUERY_MAX_CHARS, ListTasks, TaskRef
from mcp_todo_server.tasks.service import TaskService
from mcp_todo_server.tasks.text import fold, is_storable
from mcp_todo_server.users.service import UserService

COMPLETIONS_MAX: Final = 100
"""Most values that one completion may hold (MCP 2026-07-28, completion)."""
_ONE_DAY: Final = dt.timedelta(days=1)
_NUMBER_MAX_DIGITS: Final = len(str(2**63 - 1))
"""Digits of the greatest number that a database holds; SQLite refuses a pattern of many thousand."""


class Values(NamedTuple):
    """What an argument can be completed to: the first values, and whether there are more."""

    values: list[str]
    more: bool


class ResourceService:
    """Reads of a user's tasks for resources; every call names its user."""

    def __init__(self, database: Database, *, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._tasks = TaskService(database, clock=clock)
        self._users = UserService(database)

    async def open_tasks(self, user_id: str) -> str:
        """Return the first open tasks as JSON, and how to read on where there are more."""
        return await self._list(user_id, {})

    async def today(self, user_id: str) -> str:
        """Return the open tasks that are due today in the user's zone, or late, as JSON."""
        tomorrow = await self.date(user_id) + _ONE_DAY
        return await self._list(user_id, {"due_before": tomorrow.isoformat(), "sort": "due"})

    async def task(self, user_id: str, task_id: int) -> str:
        """Return one task as JSON, deleted ones included.

        Raises:
            TaskNotFoundError: The user has no task of this number.
        """
        return await self._tasks.get_task(user_id, TaskRef(task_id=task_id))

    async def date(self, user_id: str) -> dt.date:
        """Return today's date in the user's zone."""
        return self._clock().astimezone(await self._users.zone(user_id)).date()

    async def numbers(self, user_id: str, typed: str) -> Values:
        """Return the numbers of open tasks that begin with `typed`, then those of open tasks that it finds."""
        text = typed.strip()
        numbers: dict[int, None] = {}
        if len(text) <= _NUMBER_MAX_DIGITS and not text.strip(string.digits):
            async with self._database.reading() as session:
                numbers |= dict.fromkeys(await TaskRepository(session).numbers_of(user_id, text, COMPLETIONS_MAX + 1))
        more = False
        if text and len(text) <= QUERY_MAX_CHARS and is_storable(text):
            found = json.loads(await self._tasks.list_tasks(user_id, ListTasks(query=text, limit=PAGE_MAX)))
            numbers |= dict.fromkeys(task["task_id"] for task in found["tasks"])
            more = "next_cursor" in found
        return _first([str(number) for number in numbers], COMPLETIONS_MAX, more=more)

    async def tags(self, user_id: str, typed: str, limit: int) -> Values:
        """Return up to `limit` of the user's tags that begin with `typed`."""
        text = typed.strip()
        if not is_storable(text):
            return Values([], more=False)
        async with self._database.reading() as session:
            return _first(await TaskRepository(session).tags_like(user_id, fold(text), limit + 1), limit)

    async def _list(self, user_id: str, arguments: dict[str, str]) -> str:
        first = ListTasks.model_validate({**arguments, "limit": PAGE_MAX})
        text = await self._tasks.list_tasks(user_id, first)
        page = json.loads(text)
        cursor = page.pop("next_cursor", None)
        if cursor is None:
            return text
        page["more"] = {"tool": "list_tasks", "arguments": {**arguments, "limit": PAGE_MAX, "cursor": cursor}}
        return json.dumps(page, ensure_ascii=False, separators=(",", ":"))


def _first(values: list[str], limit: int, *, more: bool = False) -> Values:
    return Values(values[:limit], more or len(values) > limit)
