"""All SQL of transfers: a list read as a whole, and many tasks written at once."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import insert, text, update
from sqlmodel import col, select

from mcp_todo_server.database import Session, Table, insert_into
from mcp_todo_server.tasks.models import UNREAD, TaskRow, TaskTagRow
from mcp_todo_server.tasks.repository import TaskRepository
from mcp_todo_server.transfer.entries import Kept, number_in, own_uid
from mcp_todo_server.transfer.models import ImportRow
from mcp_todo_server.users.models import UserRow

PAGE_ROWS: Final = 500
"""Tasks that are read, and written, at a time."""
IDLE_SECONDS: Final = 600
"""Longest time on PostgreSQL that the list stays locked while the file is read and nothing is written."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be written, with its tags, and where it came in from elsewhere the name by which it is known there."""

    row: TaskRow
    tags: Sequence[TaskTagRow]
    origin: ImportRow | None


class TransferRepository:
    """Rows of one user's list, within the caller's session."""

    def __init__(self, session: Session, user_id: str) -> None:
        self._session = session
        self._user_id = user_id
        self._dialect = session.get_bind().dialect.name

    async def begin_snapshot(self) -> None:
        """Let all that this transaction reads be of one moment. It must not have read anything yet."""
        if self._dialect == "postgresql":
            _ = await self._session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        # On SQLite every transaction that reads is a snapshot, from its first statement on.

    async def user(self) -> tuple[int, str | None]:
        """Return the highest number that any of the user's tasks has had, and the user's zone."""
        query = select(UserRow.last_task_id, UserRow.timezone).where(UserRow.user_id == self._user_id)
        found = (await self._session.exec(query)).first()
        return (0, None) if found is None else (found[0], found[1])

    async def pages(self, *, deleted: bool) -> AsyncIterator[list[Kept]]:
        """Yield all tasks in the order of their numbers, page by page; deleted ones only where they are wanted."""
        last = 0
        while True:
            query = select(TaskRow).where(TaskRow.user_id == self._user_id, col(TaskRow.task_id) > last)
            rows = (
                await self._session.exec(query.options(*UNREAD).order_by(col(TaskRow.task_id)).limit(PAGE_ROWS))
            ).all()
            if not rows:
                return
            last = rows[-1].task_id
            numbers = [row.task_id for row in rows if deleted or row.status != "deleted"]
            tags = await TaskRepository(self._session).tags_of(self._user_id, numbers)
            uids = await self._uids(numbers)
            yield [
                Kept(row, tags.get(row.task_id, []), uids.get(row.task_id) or own_uid(row.task_id, row.created_at))
                for row in rows
                if deleted or row.status != "deleted"
            ]

    async def lock(self, default_timezone: str | None) -> tuple[int, str]:
        """Let nobody else add or change tasks of the list before this transaction ends.

        Returns the highest number that any task of the list has had, and the user's zone, which for a new user is
        the one given here.
        """
        if self._dialect == "postgresql":
            # Whatever is in the file between two tasks is read inside the transaction.
            connection = await self._session.connection()
            await connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"))
        new = UserRow(user_id=self._user_id, changes=1)
        if default_timezone is not None:
            new.timezone = default_timezone
        result = await self._session.exec(
            insert_into(UserRow, self._dialect)
            .values(**new.model_dump())
            .on_conflict_do_update(index_elements=[col(UserRow.user_id)], set_={"changes": col(UserRow.changes) + 1})
            .returning(col(UserRow.last_task_id), col(UserRow.timezone))
        )
        last, timezone = result.one()
        return last, timezone

    async def known(self, uids: Collection[str]) -> dict[str, int]:
        """Return the numbers of those tasks that are in the list already; uids of other tasks are left out."""
        imported = select(ImportRow.uid, ImportRow.task_id).where(
            ImportRow.user_id == self._user_id, col(ImportRow.uid).in_(uids)
        )
        found: dict[str, int] = dict((await self._session.exec(imported)).all())
        numbers = {number for uid in uids if (number := number_in(uid)) is not None}
        made = select(TaskRow.task_id, TaskRow.created_at).where(
            TaskRow.user_id == self._user_id, col(TaskRow.task_id).in_(numbers)
        )
        wanted = set(uids)
        for number, created_at in await self._session.exec(made):
            if (uid := own_uid(number, created_at)) in wanted:
                found[uid] = number
        return found

    async def insert(self, tasks: Sequence[NewTask]) -> None:
        """Write new tasks."""
        await self._insert(TaskRow, [task.row for task in tasks])
        await self._insert(TaskTagRow, [tag for task in tasks for tag in task.tags])
        await self._insert(ImportRow, [task.origin for task in tasks if task.origin is not None])

    async def link(self, following: Sequence[tuple[int, int | None]]) -> None:
        """Write which task follows which: pairs of a task's number and its next one's, None where it has none."""
        if following:
            await self._session.exec(
                update(TaskRow),
                params=[
                    {"user_id": self._user_id, "task_id": number, "next_task_id": next_number}
                    for number, next_number in following
                ],
            )

    async def set_last_number(self, last_task_id: int) -> None:
        """Write the highest number that any task of the list has had."""
        await self._session.exec(
            update(UserRow).where(col(UserRow.user_id) == self._user_id).values(last_task_id=last_task_id)
        )

    async def _uids(self, numbers: Collection[int]) -> dict[int, str]:
        query = select(ImportRow.task_id, ImportRow.uid).where(
            ImportRow.user_id == self._user_id, col(ImportRow.task_id).in_(numbers)
        )
        return dict((await self._session.exec(query)).all())

    async def _insert(self, table: type[Table], rows: Sequence[Table]) -> None:
        # Not one by one through the session: there may be a hundred thousand.
        values: list[dict[str, Any]] = [row.model_dump() for row in rows]
        if values:
            await self._session.exec(insert(table), params=values)
