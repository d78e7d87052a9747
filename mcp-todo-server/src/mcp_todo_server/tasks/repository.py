"""All SQL about tasks and their tags."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import String, bindparam, cast, delete, func, insert, tuple_, update
from sqlmodel import col, select

from mcp_todo_server.database import Session
from mcp_todo_server.tasks.models import NOT_MOVED, STATUSES, UNREAD, TaskRow, TaskTagRow

_ENDS_MAX: Final = 5000
"""Tasks that `set_due_until` works on before it lets others have their turn."""

_INSERT_TASK: Final = insert(TaskRow)
_INSERT_TAG: Final = insert(TaskTagRow)


class TaskRepository:
    """Rows of tasks, within the caller's session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def insert(self, row: TaskRow, tags: Sequence[TaskTagRow]) -> None:
        """Write a new task with its tags."""
        # By the statements themselves: nothing is read or changed in these objects any more.
        connection = await self._session.connection()
        await connection.execute(_INSERT_TASK, row.model_dump())
        if tags:
            await connection.execute(_INSERT_TAG, [tag.model_dump() for tag in tags])

    async def read(self, user_id: str, task_id: int, *, lock: bool = False) -> TaskRow | None:
        """Return one task; with `lock`, nobody else changes it before this transaction ends."""
        return await self._session.get(TaskRow, (user_id, task_id), with_for_update=lock, options=UNREAD)

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

    async def refresh(self, row: TaskRow) -> None:
        """Read a row's columns anew, after statements that changed rows without reading them."""
        await self._session.refresh(row)

    async def give_places(self, user_id: str, up_to: int, gap: int) -> None:
        """Give each task that was never moved, up to this number, a position after all that have one.

        They stay in the order of their numbers, and are at least `gap` apart.
        """
        found = await self.neighbours(user_id, (NOT_MOVED, 0), 1, before=False)
        if found and (first := found[0][1]) <= up_to:
            last = await self.neighbours(user_id, (NOT_MOVED, 0), 1, before=True)
            base = last[0][0] if last else 0
            await self._session.exec(
                update(TaskRow)
                .where(
                    col(TaskRow.user_id) == user_id,
                    col(TaskRow.status).in_(STATUSES),
                    col(TaskRow.position) == NOT_MOVED,
                    col(TaskRow.task_id) <= up_to,
                )
                .values(position=base + (col(TaskRow.task_id) - (first - 1)) * gap)
                .execution_options(synchronize_session=False)
            )

    async def neighbours(
        self, user_id: str, place: tuple[int, int], limit: int, *, before: bool
    ) -> list[tuple[int, int]]:
        """Return position and number of up to `limit` tasks next to such a place in the manual order, nearest first."""
        key = tuple_(col(TaskRow.position), col(TaskRow.task_id))
        beyond = key < place if before else key > place
        order = [part.desc() if before else part.asc() for part in (col(TaskRow.position), col(TaskRow.task_id))]
        found: list[tuple[int, int]] = []
        for status in STATUSES:
            query = select(TaskRow.position, TaskRow.task_id).where(
                TaskRow.user_id == user_id, TaskRow.status == status, beyond
            )
            found += [
                (position, number) for position, number in await self._session.exec(query.order_by(*order).limit(limit))
            ]
        return sorted(found, reverse=before)[:limit]

    async def place(self, user_id: str, positions: Mapping[int, int]) -> None:
        """Give tasks, named by their numbers, these positions; rows that were read have them at once."""
        rows = [{"user_id": user_id, "task_id": number, "position": place} for number, place in positions.items()]
        await self._session.exec(update(TaskRow), params=rows)

    async def due_on_days(self, user_id: str) -> list[tuple[int, dt.date, dt.datetime | None]]:
        """Return number, day and `due_until` of every task that is due on a day."""
        due = col(TaskRow.due)
        query = select(TaskRow.task_id, due, TaskRow.due_until).where(TaskRow.user_id == user_id, due.is_not(None))
        return [(number, day, until) for number, day, until in await self._session.exec(query) if day is not None]

    async def set_due_until(self, user_id: str, ends: Mapping[int, dt.datetime]) -> None:
        """Write until when tasks, named by their numbers, are not late."""
        statement = (
            update(TaskRow.metadata.tables["tasks"])
            .where(col(TaskRow.user_id) == user_id, col(TaskRow.task_id) == bindparam("number"))
            .values(due_until=bindparam("end"))
        )
        rows = [{"number": number, "end": end} for number, end in ends.items()]
        # The statement of a table, since one of a model would be sent row by row.
        connection = await self._session.connection()
        for first in range(0, len(rows), _ENDS_MAX):
            await connection.execute(statement, rows[first : first + _ENDS_MAX])

    async def titles_of(self, user_id: str, task_ids: Sequence[int]) -> list[tuple[int, str]]:
        """Return number and title of those of these tasks that are not deleted, in the order of their numbers."""
        query = (
            select(TaskRow.task_id, TaskRow.title)
            .where(TaskRow.user_id == user_id, col(TaskRow.task_id).in_(task_ids), TaskRow.status != "deleted")
            .order_by(col(TaskRow.task_id))
        )
        return [(task_id, title) for task_id, title in await self._session.exec(query)]

    async def numbers_of(self, user_id: str, beginning: str, limit: int) -> Sequence[int]:
        """Return numbers of open tasks that begin with a text, in ascending order."""
        query = select(TaskRow.task_id).where(
            TaskRow.user_id == user_id,
            TaskRow.status == "open",
            cast(col(TaskRow.task_id), String).startswith(beginning, autoescape=True),
        )
        return (await self._session.exec(query.order_by(col(TaskRow.task_id)).limit(limit))).all()

    async def tags_like(self, user_id: str, beginning: str, limit: int) -> list[str]:
        """Return tags, one spelling of each, whose folded form begins with a text, in alphabetical order."""
        query = (
            select(func.min(TaskTagRow.label))
            .where(TaskTagRow.user_id == user_id, col(TaskTagRow.tag).startswith(beginning, autoescape=True))
            .group_by(col(TaskTagRow.tag))
            .order_by(col(TaskTagRow.tag))
            .limit(limit)
        )
        return list((await self._session.exec(query)).all())
