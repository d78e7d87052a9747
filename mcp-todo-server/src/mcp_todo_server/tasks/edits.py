"""Changes of tasks: the one home of their rules, whoever asks for the change."""

import datetime as dt
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from zoneinfo import ZoneInfo

from todo_chat_shared.tasks import Task, UserDay

from mcp_todo_server.database import Session
from mcp_todo_server.tasks.dates import due_until, end_of_day
from mcp_todo_server.tasks.errors import (
    InvalidArgumentsError,
    TaskDeletedError,
    TaskNotFoundError,
    VersionConflictError,
)
from mcp_todo_server.tasks.models import TaskRow, TaskTagRow
from mcp_todo_server.tasks.order import Order
from mcp_todo_server.tasks.payloads import PRIORITIES, task_of
from mcp_todo_server.tasks.recurrence import begin_series, check_series, next_occurrence
from mcp_todo_server.tasks.repository import TaskRepository
from mcp_todo_server.tasks.schemas import LAST, RECURRENCE_NEEDS_DUE, AddTask, SetTimezone, TaskRef, UpdateTask
from mcp_todo_server.tasks.text import fold
from mcp_todo_server.tasks.words import words
from mcp_todo_server.users.repository import UserRepository
from mcp_todo_server.users.service import zone_of


class Edits:
    """Changes of one user's tasks, within the caller's transaction.

    Every method answers with the task as it is afterwards. They raise `TaskError` for what is refused; the
    transaction, or the `attempt` that the change is, then has to be rolled back.
    """

    def __init__(self, session: Session, user_id: str, now: dt.datetime) -> None:
        self._session = session
        self._user_id = user_id
        self._now = now
        self._tasks = TaskRepository(session)
        self._users = UserRepository(session)
        self._zone = zone_of(None)
        """The user's zone, from the first task that is read on."""
        self._versions: dict[int, int] = {}
        """Of each task that was read its version then: the last that anybody outside can know."""

    def attempt(self) -> AbstractAsyncContextManager[object]:
        """Changes that are taken back where an exception leaves this, while the transaction goes on."""
        return self._session.begin_nested()

    async def add(self, arguments: AddTask) -> Task:
        """Add a task."""
        task_id, zone_name = await self._users.next_task_id(self._user_id)
        row = self._new(
            task_id,
            title=arguments.title,
            description=arguments.description or None,
            words=words(self._user_id, task_id, arguments.title, arguments.description),
            priority_rank=PRIORITIES.index(arguments.priority),
            recurrence=arguments.recurrence,
        )
        set_due(row, arguments.due, arguments.due_at, zone_of(zone_name))
        if row.recurrence is not None:
            begin_series(row)
            check_series(row)
        await self._tasks.insert(row, self._tag_rows(task_id, arguments.tags))
        return task_of(row, arguments.tags)

    async def update(self, arguments: UpdateTask) -> Task:
        """Change the fields given."""
        row = await self._changeable(arguments.task_id)
        expected = arguments.expected_version
        if expected is not None and expected != (actual := self._versions[row.task_id]):
            raise VersionConflictError(row.task_id, expected=expected, actual=actual)
        tags = await self._tags(row)
        before = task_of(row, tags), row.due_zone

        if arguments.title is not None:
            row.title = arguments.title
        if arguments.description is not None:
            row.description = arguments.description or None
        if arguments.priority is not None:
            row.priority_rank = PRIORITIES.index(arguments.priority)
        self._reschedule(row, arguments)
        if arguments.tags is not None and arguments.tags != tags:
            tags = arguments.tags
            await self._tasks.replace_tags(self._user_id, row.task_id, self._tag_rows(row.task_id, tags))
        changed = (task_of(row, tags), row.due_zone) != before
        if changed:
            row.words = words(self._user_id, row.task_id, row.title, row.description)
        if arguments.before is not None:
            changed |= await self._move(row, arguments.before)
        if changed:
            self._changed(row)
            await self._tasks.flush()
        return task_of(row, tags)

    async def set_timezone(self, arguments: SetTimezone) -> UserDay:
        """Set the zone in which the user's days begin and end, for the tasks that are due on a day as well."""
        zone = zone_of(arguments.timezone)
        if await self._users.note_change(self._user_id) != arguments.timezone:
            await self._users.set_timezone(self._user_id, arguments.timezone)
            dated = await self._tasks.due_on_days(self._user_id)
            ends = {day: end_of_day(day, zone) for day in {day for _, day, _ in dated}}
            await self._tasks.set_due_until(
                self._user_id, {number: ends[day] for number, day, until in dated if until != ends[day]}
            )
        return UserDay(timezone=arguments.timezone, today=self._now.astimezone(zone).date())

    async def complete(self, arguments: TaskRef) -> Task:
        """Mark a task as done; one that repeats is followed by its next, a task of its own."""
        row = await self._changeable(arguments.task_id)
        tags = await self._tags(row)
        if row.status == "open":
            row.status = "completed"
            row.completed_at = self._now
            self._changed(row)
            if row.recurrence is not None:
                await self._follow_up(row, tags)
        return task_of(row, tags)

    async def reopen(self, arguments: TaskRef) -> Task:
        """Undo a completion; the task that followed it is put away, unless it was changed since."""
        row = await self._changeable(arguments.task_id)
        if row.status == "completed":
            row.status = "open"
            row.completed_at = None
            self._changed(row)
            follower = await self._follower(row)
            if follower is not None and follower.status == "open" and follower.version == row.next_version:
                follower.status = "deleted"
                self._changed(follower)
                row.next_version = follower.version
        return task_of(row, await self._tags(row))

    async def delete(self, arguments: TaskRef) -> Task:
        """Put a task away, from where `restore` brings it back."""
        row = await self._existing(arguments.task_id)
        if row.status != "deleted":
            row.status = "deleted"
            self._changed(row)
        return task_of(row, await self._tags(row))

    async def restore(self, arguments: TaskRef) -> Task:
        """Undo a deletion; a task that was completed is completed again."""
        row = await self._existing(arguments.task_id)
        if row.status == "deleted":
            row.status = "open" if row.completed_at is None else "completed"
            self._changed(row)
        return task_of(row, await self._tags(row))

    def _reschedule(self, row: TaskRow, arguments: UpdateTask) -> None:
        """Change when a task is due and how it repeats, as far as the arguments say."""
        due, due_at = row.due, row.due_at
        if arguments.due is not None:
            due, due_at = arguments.due or None, None if arguments.due else due_at
        if arguments.due_at is not None:
            due, due_at = None if arguments.due_at else due, arguments.due_at or None
        rule = row.recurrence if arguments.recurrence is None else arguments.recurrence or None
        if rule is not None and due is None and due_at is None:
            raise InvalidArgumentsError(RECURRENCE_NEEDS_DUE)

        moved = (due, _in_utc(due_at)) != (row.due, row.due_at) or _zone_given(due_at) not in (None, row.due_zone)
        if moved:
            set_due(row, due, due_at, self._zone)
        if rule != row.recurrence:
            row.recurrence, row.series_start, row.occurrence = rule, None, None
        elif not moved:
            return
        if rule is not None:
            # What the rule leaves open it takes from the date; how many are to come stays where it is no new rule.
            self._begin_series(row)
            check_series(row)

    def _begin_series(self, row: TaskRow) -> None:
        if row.due_at is not None:  # rows of the release before know no zone
            row.due_zone = row.due_zone or self._zone.key
        begin_series(row, row.occurrence)

    async def _move(self, row: TaskRow, before: int) -> bool:
        await self._tasks.flush()
        if before == row.task_id:
            raise InvalidArgumentsError("before must be the number of another task, or 0 for the end of the list")
        target = None if before == LAST else await self._tasks.read(self._user_id, before, lock=True)
        if target is None and before != LAST:
            raise TaskNotFoundError(before, "before")
        return await Order(self._tasks, self._user_id).move(row, target)

    async def _follow_up(self, row: TaskRow, tags: list[str]) -> None:
        follower = await self._follower(row)
        if follower is not None and (follower.status != "deleted" or follower.version != row.next_version):
            return  # it has been touched since, and none follows twice
        if row.due_at is not None and row.due_zone is None:  # the release before gave a day of the series a time
            self._begin_series(row)
        occurrence = next_occurrence(row, self._now, self._zone)
        if occurrence is None:
            row.next_task_id = row.next_version = None
            return
        fields = {name: getattr(row, name) for name in _OF_THE_SERIES}
        if follower is None:
            row.next_task_id, _ = await self._users.next_task_id(self._user_id)
            next_row = self._new(row.next_task_id, **fields)
        else:
            next_row = follower.sqlmodel_update(fields)
            next_row.status = "open"
            self._changed(next_row)
        next_row.words = words(self._user_id, next_row.task_id, row.title, row.description)
        next_row.occurrence = occurrence.number
        set_due(next_row, occurrence.due, occurrence.due_at, self._zone)
        row.next_version = next_row.version
        tag_rows = self._tag_rows(next_row.task_id, tags)
        if follower is None:
            await self._tasks.insert(next_row, tag_rows)
        else:
            await self._tasks.replace_tags(self._user_id, next_row.task_id, tag_rows)

    async def _follower(self, row: TaskRow) -> TaskRow | None:
        if row.next_task_id is None:
            return None
        return await self._read(row.next_task_id)

    def _new(self, task_id: int, **fields: Any) -> TaskRow:
        return TaskRow(
            user_id=self._user_id,
            task_id=task_id,
            status="open",
            version=1,
            created_at=self._now,
            updated_at=self._now,
            **fields,
        )

    async def _existing(self, task_id: int) -> TaskRow:
        # Before the task, since whoever locks both has to do so in one order.
        self._zone = zone_of(await self._users.note_change(self._user_id))
        row = await self._read(task_id)
        if row is None:
            raise TaskNotFoundError(task_id)
        return row

    async def _read(self, task_id: int) -> TaskRow | None:
        row = await self._tasks.read(self._user_id, task_id, lock=True)
        if row is not None:
            self._versions.setdefault(task_id, row.version)
        return row

    async def _changeable(self, task_id: int) -> TaskRow:
        row = await self._existing(task_id)
        if row.status == "deleted":
            raise TaskDeletedError(task_id)
        return row

    def _changed(self, row: TaskRow) -> None:
        row.version += 1
        row.updated_at = self._now

    async def _tags(self, row: TaskRow) -> list[str]:
        return (await self._tasks.tags_of(self._user_id, [row.task_id])).get(row.task_id, [])

    def _tag_rows(self, task_id: int, tags: Sequence[str]) -> list[TaskTagRow]:
        return [
            TaskTagRow(user_id=self._user_id, task_id=task_id, tag=fold(tag), label=tag, position=position)
            for position, tag in enumerate(tags)
        ]


_OF_THE_SERIES: Final = ("title", "description", "priority_rank", "recurrence", "series_start", "position")
"""What a task that follows another one has from it, beside its tags. So it also takes its place in the user's order."""


def set_due(row: TaskRow, due: dt.date | None, due_at: dt.datetime | None, user_zone: ZoneInfo) -> None:
    """Let a task be due on this day or at this instant.

    An instant's zone is the one that it was given in, else the one that the task has, else the user's.
    """
    row.due = due
    row.due_at = _in_utc(due_at)
    row.due_zone = None if due_at is None else _zone_given(due_at) or row.due_zone or user_zone.key
    row.due_until = due_until(due, row.due_at, user_zone)


def _in_utc(due_at: dt.datetime | None) -> dt.datetime | None:
    # Never compare instants of two zones: Python takes those that clocks show twice for different (PEP 495).
    return None if due_at is None else due_at.astimezone(dt.UTC)


def _zone_given(due_at: dt.datetime | None) -> str | None:
    zone = None if due_at is None else due_at.tzinfo
    return zone.key if isinstance(zone, ZoneInfo) else None
