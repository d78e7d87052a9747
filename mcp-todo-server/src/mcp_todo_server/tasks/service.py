"""What can be done with tasks: one method per tool, each in a transaction of its own."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from mcp_todo_server.database import Database, utc_now
from mcp_todo_server.effects.service import Effect, effect_of, is_known, perform_once, settle
from mcp_todo_server.lists.repository import ListRepository, TaskFilter, position_of
from mcp_todo_server.tasks.batch import BatchTasks, Reached, carry_out, unheard
from mcp_todo_server.tasks.cursors import decode, encode
from mcp_todo_server.tasks.dates import start_of_day, start_of_next_day
from mcp_todo_server.tasks.edits import Edits
from mcp_todo_server.tasks.errors import TaskNotFoundError
from mcp_todo_server.tasks.payloads import PRIORITIES, page_to_json, task_of, to_json
from mcp_todo_server.tasks.repository import TaskRepository
from mcp_todo_server.tasks.schemas import AddTask, Arguments, ListTasks, SetTimezone, TaskRef, UpdateTask
from mcp_todo_server.tasks.text import fold
from mcp_todo_server.users.repository import UserRepository
from mcp_todo_server.users.service import DEFAULT_ZONE, zone_of

ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)
Act = Callable[[Edits, ArgumentsT], Awaitable[BaseModel]]


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
            tasks = TaskRepository(session)
            row = await tasks.read(user_id, arguments.task_id)
            if row is None:
                raise TaskNotFoundError(arguments.task_id)
            tags = await tasks.tags_of(user_id, [row.task_id])
            return to_json(task_of(row, tags.get(row.task_id, [])))

    async def list_tasks(self, user_id: str, arguments: ListTasks) -> str:
        """Return one page of the tasks asked for."""
        after = decode(arguments)
        now = self._clock()
        async with self._database.reading() as session:
            zone_name = await UserRepository(session).timezone(user_id) or DEFAULT_ZONE
            which = _filter(arguments, zone_name, now)
            rows = await ListRepository(session).page(user_id, which, arguments.sort, after, arguments.limit + 1)
            shown = rows[: arguments.limit]
        more = len(rows) > len(shown)
        next_cursor = encode(arguments, position_of(shown[-1], arguments.sort)) if more else None
        return page_to_json(shown, next_cursor, now.astimezone(zone_of(zone_name)).date(), zone_name)

    async def add_task(self, user_id: str, arguments: AddTask, effect_key: Any = None) -> str:
        """Add a task."""
        return await self._write("add_task", user_id, arguments, effect_key, Edits.add)

    async def update_task(self, user_id: str, arguments: UpdateTask, effect_key: Any = None) -> str:
        """Change the fields given."""
        return await self._write("update_task", user_id, arguments, effect_key, Edits.update)

    async def complete_task(self, user_id: str, arguments: TaskRef, effect_key: Any = None) -> str:
        """Mark a task as done."""
        return await self._write("complete_task", user_id, arguments, effect_key, Edits.complete)

    async def reopen_task(self, user_id: str, arguments: TaskRef, effect_key: Any = None) -> str:
        """Undo a completion."""
        return await self._write("reopen_task", user_id, arguments, effect_key, Edits.reopen)

    async def delete_task(self, user_id: str, arguments: TaskRef, effect_key: Any = None) -> str:
        """Put a task away, from where `restore_task` brings it back."""
        return await self._write("delete_task", user_id, arguments, effect_key, Edits.delete)

    async def restore_task(self, user_id: str, arguments: TaskRef, effect_key: Any = None) -> str:
        """Undo a deletion; a task that was completed is completed again."""
        return await self._write("restore_task", user_id, arguments, effect_key, Edits.restore)

    async def set_timezone(self, user_id: str, arguments: SetTimezone, effect_key: Any = None) -> str:
        """Set the zone in which the user's days begin and end."""
        return await self._write("set_timezone", user_id, arguments, effect_key, Edits.set_timezone)

    async def batch_tasks(
        self, user_id: str, arguments: BatchTasks, effect_key: Any = None, reached: Reached = unheard
    ) -> str:
        """Make many changes; `reached` hears of each that is made."""
        act = partial(carry_out, reached=reached)
        return await self._write("batch_tasks", user_id, arguments, effect_key, act)

    async def doomed(
        self, tool: str, user_id: str, arguments: Arguments, effect_key: Any, task_ids: Sequence[int]
    ) -> list[tuple[int, str]]:
        """Return number and title of each of the tasks that a call is about to delete.

        There is none where the call was answered before: a repeat only hears that answer.

        Raises:
            EffectKeyError: The key is malformed.
        """
        effect = _effect(tool, user_id, arguments, effect_key)
        async with self._database.reading() as session:
            if await is_known(session, effect):
                return []
            return await TaskRepository(session).titles_of(user_id, task_ids)

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
            now = self._clock()

            async def perform() -> str:
                return to_json(await act(Edits(session, user_id, now), arguments))

            return await perform_once(session, effect, now, perform)


def _effect(tool: str, user_id: str, arguments: Arguments | None, effect_key: Any) -> Effect | None:
    # What was given and no more: a default that a later release adds must not make it another call.
    given = None if arguments is None else arguments.model_dump_json(exclude_unset=True)
    return effect_of(user_id, effect_key, tool, given)


def _filter(arguments: ListTasks, zone_name: str, now: dt.datetime) -> TaskFilter:
    zone = zone_of(zone_name)
    before = [start_of_day(arguments.due_before, zone)] if arguments.due_before else []
    if arguments.overdue:
        before.append(now)
    status = "open" if arguments.overdue else arguments.status
    return TaskFilter(
        status=None if status == "all" else status,
        query=arguments.query,
        folded_tag=fold(arguments.tag) if arguments.tag else None,
        priority_rank=PRIORITIES.index(arguments.priority) if arguments.priority else None,
        due_until_before=min(before, default=None),
        due_until_from=start_of_next_day(arguments.due_after, zone) if arguments.due_after else None,
    )
