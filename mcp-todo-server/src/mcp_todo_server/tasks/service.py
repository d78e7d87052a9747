"""What can be done with tasks, and the rules of each change."""

import datetime as dt
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from todo_chat_shared.tasks import Priority, Task, TaskPage

from mcp_todo_server.database import Database, Session, utc_now
from mcp_todo_server.effects.service import Effect, effect_of, perform_once, settle
from mcp_todo_server.tasks.cursors import decode, encode
from mcp_todo_server.tasks.dates import due_until, start_of_day, start_of_next_day
from mcp_todo_server.tasks.errors import TaskDeletedError, TaskNotFoundError, VersionConflictError
from mcp_todo_server.tasks.models import TaskRow, TaskTagRow
from mcp_todo_server.tasks.repository import TaskFilter, TaskRepository, position_of
from mcp_todo_server.tasks.schemas import AddTask, Arguments, ListTasks, TaskRef, UpdateTask
from mcp_todo_server.tasks.text import fold
from mcp_todo_server.users.repository import UserRepository
from mcp_todo_server.users.service import DEFAULT_ZONE, zone_of

PRIORITIES: Final[Sequence[Priority]] = ("urgent", "high", "normal", "low")
"""By rank, the most pressing first."""

ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)
Act = Callable[[Session, str, ArgumentsT], Awaitable[Task]]


class TaskService:
    """Tasks of all users; every call names its user. Each method but `settle` is one tool's work.

    They answer with JSON, since a repeat under an effect key has to be the same to the byte. They raise
    `TaskError` for what is refused for good, and those that write raise `EffectKeyError` for a key that cannot
    be used; whatever else they raise may succeed later.
    """

    def __init__(self, database: Database, *, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def get_task(self, user_id: str, arguments: TaskRef) -> str:
        """Return one task, deleted ones included."""
        async with self._database.reading() as session:
            row = await _existing(session, user_id, arguments.task_id)
            return to_json(await _to_task(session, row))

    async def list_tasks(self, user_id: str, arguments: ListTasks) -> str:
        """Return one page of the tasks asked for."""
        after = decode(arguments)
        now = self._clock()
        async with self._database.reading() as session:
            zone_name = await UserRepository(session).timezone(user_id) or DEFAULT_ZONE
            tasks = TaskRepository(session)
            which = _filter(arguments, zone_name, now)
            rows = await tasks.page(user_id, which, arguments.sort, after, arguments.limit + 1)
            shown = rows[: arguments.limit]
            tags = await tasks.tags_of(user_id, [row.task_id for row in shown]) if shown else {}
        more = len(rows) > len(shown)
        page = TaskPage(
            tasks=[_task(row, tags.get(row.task_id, [])) for row in shown],
            next_cursor=encode(arguments, position_of(shown[-1], arguments.sort)) if more else None,
            today=now.astimezone(zone_of(zone_name)).date(),
            timezone=zone_name,
        )
        return to_json(page)

    async def add_task(self, user_id: str, arguments: AddTask, effect_key: Any = None) -> str:
        """Add a task."""
        return await self._write("add_task", user_id, arguments, effect_key, self._add)

    async def update_task(self, user_id: str, arguments: UpdateTask, effect_key: Any = None) -> str:
        """Change the fields given."""
        return await self._write("update_task", user_id, arguments, effect_key, self._update)

    async def complete_task(self, user_id: str, arguments: TaskRef, effect_key: Any = None) -> str:
        """Mark a task as done."""
        return await self._write("complete_task", user_id, arguments, effect_key, self._complete)

    async def reopen_task(self, user_id: str, arguments: TaskRef, effect_key: Any = None) -> str:
        """Undo a completion."""
        return await self._write("reopen_task", user_id, arguments, effect_key, self._reopen)

    async def delete_task(self, user_id: str, arguments: TaskRef, effect_key: Any = None) -> str:
        """Put a task away, from where `restore_task` brings it back."""
        return await self._write("delete_task", user_id, arguments, effect_key, self._delete)

    async def restore_task(self, user_id: str, arguments: TaskRef, effect_key: Any = None) -> str:
        """Undo a deletion; a task that was completed is completed again."""
        return await self._write("restore_task", user_id, arguments, effect_key, self._restore)

    async def settle(self, tool: str, user_id: str, arguments: Arguments | None, effect_key: Any) -> str:
        """Return what a call of a tool that writes has answered, or see to it that it never does anything.

        `arguments` is None where they are refused.

        Raises:
            VoidedError: The call has done nothing, and never will.
            EffectKeyError: The key is missing, malformed, or was used for another call.
        """
        return await settle(self._database, _effect(tool, user_id, arguments, effect_key), self._clock())

    async def _write(
        self, name: str, user_id: str, arguments: ArgumentsT, effect_key: Any, act: Act[ArgumentsT]
    ) -> str:
        effect = _effect(name, user_id, arguments, effect_key)
        async with self._database.writing() as session:

            async def perform() -> str:
                return to_json(await act(session, user_id, arguments))

            return await perform_once(session, effect, self._clock(), perform)

    async def _add(self, session: Session, user_id: str, arguments: AddTask) -> Task:
        task_id, zone_name = await UserRepository(session).next_task_id(user_id)
        now = self._clock()
        row = TaskRow(
            user_id=user_id,
            task_id=task_id,
            title=arguments.title,
            description=arguments.description or None,
            search_text=_search_text(arguments.title, arguments.description),
            status="open",
            priority_rank=PRIORITIES.index(arguments.priority),
            due=arguments.due,
            due_at=arguments.due_at,
            due_until=due_until(arguments.due, arguments.due_at, zone_of(zone_name)),
            version=1,
            created_at=now,
            updated_at=now,
        )
        await TaskRepository(session).insert(row, _tag_rows(user_id, task_id, arguments.tags))
        return _task(row, arguments.tags)

    async def _update(self, session: Session, user_id: str, arguments: UpdateTask) -> Task:
        row = await _changeable(session, user_id, arguments.task_id)
        expected = arguments.expected_version
        if expected is not None and expected != row.version:
            raise VersionConflictError(row.task_id, expected=expected, actual=row.version)
        tasks = TaskRepository(session)
        tags = (await tasks.tags_of(user_id, [row.task_id])).get(row.task_id, [])
        before = _task(row, tags)
        zone_name = await UserRepository(session).timezone(user_id)

        if arguments.title is not None:
            row.title = arguments.title
        if arguments.description is not None:
            row.description = arguments.description or None
        if arguments.due is not None:
            row.due = arguments.due or None
            row.due_at = None if row.due else row.due_at
        if arguments.due_at is not None:
            row.due_at = arguments.due_at or None
            row.due = None if row.due_at else row.due
        if arguments.priority is not None:
            row.priority_rank = PRIORITIES.index(arguments.priority)
        if arguments.tags is not None and arguments.tags != tags:
            tags = arguments.tags
            await tasks.replace_tags(user_id, row.task_id, _tag_rows(user_id, row.task_id, tags))
        if _task(row, tags) != before:
            row.search_text = _search_text(row.title, row.description)
            row.due_until = due_until(row.due, row.due_at, zone_of(zone_name))
            self._changed(row)
            await tasks.flush()
        return _task(row, tags)

    async def _complete(self, session: Session, user_id: str, arguments: TaskRef) -> Task:
        row = await _changeable(session, user_id, arguments.task_id)
        if row.status == "open":
            row.status = "completed"
            row.completed_at = self._changed(row)
        return await _to_task(session, row)

    async def _reopen(self, session: Session, user_id: str, arguments: TaskRef) -> Task:
        row = await _changeable(session, user_id, arguments.task_id)
        if row.status == "completed":
            row.status = "open"
            row.completed_at = None
            self._changed(row)
        return await _to_task(session, row)

    async def _delete(self, session: Session, user_id: str, arguments: TaskRef) -> Task:
        row = await _existing(session, user_id, arguments.task_id, lock=True)
        if row.status != "deleted":
            row.status = "deleted"
            self._changed(row)
        return await _to_task(session, row)

    async def _restore(self, session: Session, user_id: str, arguments: TaskRef) -> Task:
        row = await _existing(session, user_id, arguments.task_id, lock=True)
        if row.status == "deleted":
            row.status = "open" if row.completed_at is None else "completed"
            self._changed(row)
        return await _to_task(session, row)

    def _changed(self, row: TaskRow) -> dt.datetime:
        row.version += 1
        row.updated_at = self._clock()
        return row.updated_at


def to_json(payload: Task | TaskPage) -> str:
    """Return a payload as it is sent: compact, and without the fields that are empty."""
    content = payload.model_dump(mode="json", exclude_none=True)
    for task in content["tasks"] if isinstance(payload, TaskPage) else [content]:
        if not task["tags"]:
            del task["tags"]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _effect(tool: str, user_id: str, arguments: Arguments | None, effect_key: Any) -> Effect | None:
    # What was given and no more: a default that a later release adds must not make it another call.
    given = None if arguments is None else arguments.model_dump_json(exclude_unset=True)
    return effect_of(user_id, effect_key, tool, given)


async def _existing(session: Session, user_id: str, task_id: int, *, lock: bool = False) -> TaskRow:
    row = await TaskRepository(session).read(user_id, task_id, lock=lock)
    if row is None:
        raise TaskNotFoundError(task_id)
    return row


async def _changeable(session: Session, user_id: str, task_id: int) -> TaskRow:
    row = await _existing(session, user_id, task_id, lock=True)
    if row.status == "deleted":
        raise TaskDeletedError(task_id)
    return row


async def _to_task(session: Session, row: TaskRow) -> Task:
    tags = await TaskRepository(session).tags_of(row.user_id, [row.task_id])
    return _task(row, tags.get(row.task_id, []))


def _task(row: TaskRow, tags: list[str]) -> Task:
    return Task.model_validate(
        {
            **row.model_dump(include=set(_COPIED)),
            "priority": PRIORITIES[row.priority_rank],
            "tags": tags,
        }
    )


_COPIED: Final = frozenset(Task.model_fields) - {"priority", "tags"}


def _tag_rows(user_id: str, task_id: int, tags: Sequence[str]) -> list[TaskTagRow]:
    return [
        TaskTagRow(user_id=user_id, task_id=task_id, tag=fold(tag), label=tag, position=position)
        for position, tag in enumerate(tags)
    ]


def _search_text(title: str, description: str | None) -> str:
    return fold(f"{title}\n{description or ''}")


def _filter(arguments: ListTasks, zone_name: str, now: dt.datetime) -> TaskFilter:
    zone = zone_of(zone_name)
    before = [start_of_day(arguments.due_before, zone)] if arguments.due_before else []
    if arguments.overdue:
        before.append(now)
    status = "open" if arguments.overdue else arguments.status
    return TaskFilter(
        status=None if status == "all" else status,
        folded_query=fold(arguments.query) if arguments.query else None,
        folded_tag=fold(arguments.tag) if arguments.tag else None,
        priority_rank=PRIORITIES.index(arguments.priority) if arguments.priority else None,
        due_until_before=min(before, default=None),
        due_until_from=start_of_next_day(arguments.due_after, zone) if arguments.due_after else None,
    )
