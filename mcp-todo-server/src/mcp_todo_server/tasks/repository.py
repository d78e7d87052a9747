"""All SQL about tasks and their tags."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, or_
from sqlmodel import col, select

from mcp_todo_server.database import Session
from mcp_todo_server.tasks.cursors import Position
from mcp_todo_server.tasks.models import TaskRow, TaskTagRow
from mcp_todo_server.tasks.schemas import TaskSort


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks of a user a list holds; None leaves a condition out."""

    status: str | None = None
    folded_query: str | None = None
    folded_tag: str | None = None
    priority_rank: int | None = None
    due_until_before: dt.datetime | None = None
    due_until_from: dt.datetime | None = None


_SORTED_BY: Final[dict[TaskSort, Any]] = {
    "created": None,
    "newest": None,
    "due": col(TaskRow.due_until),
    "priority": col(TaskRow.priority_rank),
    "updated": col(TaskRow.updated_at),
}
"""The column that comes before the task's number in each order; None where the number is the order."""
_DESCENDING: Final[frozenset[TaskSort]] = frozenset({"newest", "updated"})


def position_of(row: TaskRow, sort: TaskSort) -> Position:
    """Return where `row` stands in a list of this order."""
    column = _SORTED_BY[sort]
    return Position(None if column is None else getattr(row, column.key), row.task_id)


class TaskRepository:
    """Rows of tasks, within the caller's session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def insert(self, row: TaskRow, tags: Sequence[TaskTagRow]) -> None:
        """Write a new task with its tags."""
        self._session.add(row)
        await self._session.flush()
        self._session.add_all(tags)
        await self._session.flush()

    async def read(self, user_id: str, task_id: int, *, lock: bool = False) -> TaskRow | None:
        """Return one task; with `lock`, nobody else changes it before this transaction ends."""
        return await self._session.get(TaskRow, (user_id, task_id), with_for_update=lock)

    async def flush(self) -> None:
        """Write the changes of rows that were read."""
        await self._session.flush()

    async def replace_tags(self, user_id: str, task_id: int, tags: Sequence[TaskTagRow]) -> None:
        """Give a task these tags and no others."""
        await self._session.exec(
            delete(TaskTagRow).where(col(TaskTagRow.user_id) == user_id, col(TaskTagRow.task_id) == task_id)
        )
        self._session.add_all(tags)
        await self._session.flush()

    async def tags_of(self, user_id: str, task_ids: Sequence[int]) -> dict[int, list[str]]:
        """Return the tags of these tasks as written and in their order; tasks without any are left out."""
        query = (
            select(TaskTagRow.task_id, TaskTagRow.label)
            .where(TaskTagRow.user_id == user_id, col(TaskTagRow.task_id).in_(task_ids))
            .order_by(col(TaskTagRow.task_id), col(TaskTagRow.position))
        )
        tags: dict[int, list[str]] = {}
        for task_id, label in await self._session.exec(query):
            tags.setdefault(task_id, []).append(label)
        return tags

    async def page(
        self, user_id: str, which: TaskFilter, sort: TaskSort, after: Position | None, limit: int
    ) -> Sequence[TaskRow]:
        """Return up to `limit` tasks that follow `after` in this order."""
        query = select(TaskRow).where(TaskRow.user_id == user_id, *_conditions(user_id, which))
        if after is not None:
            query = query.where(_beyond(sort, after))
        return (await self._session.exec(query.order_by(*_order(sort)).limit(limit))).all()


def _conditions(user_id: str, which: TaskFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if which.status is not None:
        conditions.append(col(TaskRow.status) == which.status)
    if which.folded_query is not None:
        conditions.append(col(TaskRow.search_text).contains(which.folded_query, autoescape=True))
    if which.folded_tag is not None:
        tagged = select(TaskTagRow.task_id).where(TaskTagRow.user_id == user_id, TaskTagRow.tag == which.folded_tag)
        conditions.append(col(TaskRow.task_id).in_(tagged))
    if which.priority_rank is not None:
        conditions.append(col(TaskRow.priority_rank) == which.priority_rank)
    if which.due_until_before is not None:
        conditions.append(col(TaskRow.due_until) < which.due_until_before)
    if which.due_until_from is not None:
        conditions.append(col(TaskRow.due_until) >= which.due_until_from)
    return conditions


def _order(sort: TaskSort) -> list[ColumnElement[Any]]:
    number, column = col(TaskRow.task_id), _SORTED_BY[sort]
    if sort in _DESCENDING:
        return [number.desc()] if column is None else [column.desc(), number.desc()]
    # Tasks without a date come last; the databases' own defaults differ.
    return [number.asc()] if column is None else [column.asc().nulls_last(), number.asc()]


def _beyond(sort: TaskSort, after: Position) -> ColumnElement[bool]:
    number, column = col(TaskRow.task_id), _SORTED_BY[sort]
    if sort in _DESCENDING:
        if column is None:
            return number < after.task_id
        return or_(column < after.key, and_(column == after.key, number < after.task_id))
    if column is None:
        return number > after.task_id
    if after.key is None:
        return and_(column.is_(None), number > after.task_id)
    return or_(column > after.key, column.is_(None), and_(column == after.key, number > after.task_id))
