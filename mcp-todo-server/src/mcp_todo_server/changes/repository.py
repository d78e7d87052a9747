"""What tells that a user's tasks have changed, read for many users at once."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import tuple_
from sqlmodel import col, select

from mcp_todo_server.database import Session
from mcp_todo_server.tasks.models import TaskRow
from mcp_todo_server.users.models import UserRow

TaskKey = tuple[str, int]
"""A user and the number of one of their tasks."""

_KEYS_PER_QUERY: Final = 5000
"""SQLite takes 32,766 values in one statement, and a key is two."""


@dataclass(frozen=True, slots=True)
class UserState:
    """What a user's row says."""

    changes: int = 0
    """Grows with every change of the user's tasks."""
    timezone: str | None = None
    tokens_valid_from: dt.datetime | None = None


class ChangeRepository:
    """Counters of users and versions of tasks, within the caller's session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def states(self, user_ids: Collection[str]) -> dict[str, UserState]:
        """Return what the rows of these users say; users without a row are left out."""
        query = select(UserRow.user_id, UserRow.changes, UserRow.timezone, UserRow.tokens_valid_from).where(
            col(UserRow.user_id).in_(user_ids)
        )
        return {
            user_id: UserState(changes, timezone, tokens_valid_from)
            for user_id, changes, timezone, tokens_valid_from in await self._session.exec(query)
        }

    async def versions(self, tasks: Sequence[TaskKey]) -> dict[TaskKey, int]:
        """Return the versions of these tasks; tasks that do not exist are left out."""
        versions: dict[TaskKey, int] = {}
        for start in range(0, len(tasks), _KEYS_PER_QUERY):
            some = tasks[start : start + _KEYS_PER_QUERY]
            query = select(TaskRow.user_id, TaskRow.task_id, TaskRow.version).where(
                tuple_(col(TaskRow.user_id), col(TaskRow.task_id)).in_(some)
            )
            versions |= {(user_id, task_id): version for user_id, task_id, version in await self._session.exec(query)}
        return versions
