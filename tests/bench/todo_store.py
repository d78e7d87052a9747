"""What the todo server asks its database, with psycopg alone: the contestants' way to the same tables.

It runs in the environments of all contestants, and imports nothing but the driver.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

CONNECTIONS: Final = 10
PRIORITIES: Final = ("urgent", "high", "normal", "low")

_ZONE: Final = "SELECT timezone FROM users WHERE user_id = %(user)s"
_LIST: Final = """
    SELECT task_id, title, description, status, priority_rank, due, due_at, version, created_at, updated_at,
        completed_at, ARRAY(
            SELECT label FROM task_tags
            WHERE task_tags.user_id = %(user)s AND task_tags.task_id = tasks.task_id ORDER BY position
        ) AS tags
    FROM tasks WHERE user_id = %(user)s AND status = 'open' ORDER BY task_id LIMIT %(limit)s
"""
_NUMBER: Final = """
    INSERT INTO users (user_id, last_task_id, timezone) VALUES (%(user)s, 1, 'UTC')
    ON CONFLICT (user_id) DO UPDATE SET last_task_id = users.last_task_id + 1, changes = users.changes + 1
    RETURNING last_task_id
"""
_ADD: Final = """
    INSERT INTO tasks (user_id, task_id, title, search_text, words, status, priority_rank, version, created_at,
        updated_at)
    VALUES (%(user)s, %(number)s, %(title)s, '', %(words)s::tsvector, 'open', 2, 1, %(now)s, %(now)s)
"""


class Store:
    """One user's tasks, over a pool of connections."""

    def __init__(self, url: str, user: str) -> None:
        self._url = url
        self._user = user
        self._connections: asyncio.Queue[AsyncConnection[DictRow]] = asyncio.Queue()

    async def open(self) -> None:
        """Connect."""
        for _ in range(CONNECTIONS):
            connection = await AsyncConnection.connect(self._url, autocommit=True, row_factory=dict_row)
            self._connections.put_nowait(connection)

    async def list_tasks(self, limit: int) -> dict[str, Any]:
        """Return the first open tasks, the day and the zone."""
        values = {"user": self._user, "limit": limit + 1}
        async with self._connection() as connection:
            zone = await (await connection.execute(_ZONE, values)).fetchone()
            rows = await (await connection.execute(_LIST, values)).fetchall()
        name = "UTC" if zone is None else zone["timezone"]
        for row in rows:
            row["priority"] = PRIORITIES[row.pop("priority_rank")]
        return {
            "tasks": [told(row) for row in rows[:limit]],
            "today": dt.datetime.now(ZoneInfo(name)).date().isoformat(),
            "timezone": name,
        }

    async def add_task(self, title: str) -> dict[str, Any]:
        """Add a task with a title alone."""
        now = dt.datetime.now(dt.UTC)
        words = " ".join(f"'marked{word}'" for word in title.lower().split())
        values = {"user": self._user, "title": title, "words": words, "now": now}
        async with self._connection() as connection, connection.transaction():
            number = await (await connection.execute(_NUMBER, values)).fetchone()
            assert number is not None
            values["number"] = number["last_task_id"]
            await connection.execute(_ADD, values)
        task = {"task_id": values["number"], "title": title, "status": "open", "priority": "normal", "version": 1}
        return told({**task, "created_at": now, "updated_at": now})

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        connection = await self._connections.get()
        try:
            yield connection
        finally:
            self._connections.put_nowait(connection)


def told(row: dict[str, Any]) -> dict[str, Any]:
    """Return a task as it is told: without what is empty, and times as text."""
    return {
        name: value.isoformat() if isinstance(value, dt.date) else value
        for name, value in row.items()
        if value is not None and value != []
    }
