"""A task of a file as rows of the database."""

import datetime as dt

from mcp_todo_server.tasks.edits import set_due
from mcp_todo_server.tasks.errors import TaskError
from mcp_todo_server.tasks.models import NOT_MOVED, TaskRow, TaskTagRow
from mcp_todo_server.tasks.payloads import PRIORITIES
from mcp_todo_server.tasks.recurrence import begin_series, check_series
from mcp_todo_server.tasks.text import fold
from mcp_todo_server.tasks.words import words
from mcp_todo_server.transfer.entries import Entry, own_uid
from mcp_todo_server.transfer.errors import LineError
from mcp_todo_server.transfer.models import ImportRow
from mcp_todo_server.transfer.repository import NewTask
from mcp_todo_server.users.service import zone_of


def new_task(entry: Entry, user_id: str, task_id: int, zone_name: str, now: dt.datetime, *, named: bool) -> NewTask:
    """Return the rows of a new task; what the file does not say is as `add_task` would have it now.

    With `named` it is known again by the name that it has in the file.

    Raises:
        LineError: Its rule never repeats it.
    """
    task, history = entry.task, entry.history
    created_at, updated_at = history.created_at or now, history.updated_at or now
    row = TaskRow(
        user_id=user_id,
        task_id=task_id,
        title=task.title,
        description=task.description or None,
        words=words(user_id, task_id, task.title, task.description),
        status=history.status,
        priority_rank=PRIORITIES.index(task.priority),
        recurrence=task.recurrence,
        next_task_id=history.next_task_id,
        next_version=history.next_version,
        position=NOT_MOVED if history.position is None else history.position,
        version=history.version,
        created_at=created_at,
        updated_at=updated_at,
        completed_at=(history.completed_at or updated_at) if history.status == "completed" else history.completed_at,
    )
    set_due(row, task.due, task.due_at, zone_of(zone_name))
    _set_series(entry, row)
    tags = [
        TaskTagRow(user_id=user_id, task_id=task_id, tag=fold(tag), label=tag, position=position)
        for position, tag in enumerate(task.tags)
    ]
    origin = None
    if named and history.uid != own_uid(task_id, created_at):
        origin = ImportRow(user_id=user_id, uid=history.uid, task_id=task_id)
    return NewTask(row, tags, origin)


def _set_series(entry: Entry, row: TaskRow) -> None:
    """Give a recurring task its place in its series; where the file does not say, the series begins with it."""
    if row.recurrence is None:
        return
    begin_series(row)
    if entry.history.series_start is not None:
        row.series_start = entry.history.series_start
        row.occurrence = entry.history.occurrence
    elif row.status == "open":
        try:
            check_series(row)
        except TaskError as error:
            raise LineError(entry.line, str(error)) from None
