"""JSON: everything that is kept of every task, deleted ones included.

    {"format": "mcp-todo-server/tasks", "version": 1, "timezone": "Europe/Berlin", "last_task_id": 2, "tasks": [
    {"task_id": 1, "uid": "1-…", "title": "Buy milk", "status": "open", …},
    …
    ]}

Fields without a value are left out. A list of tasks alone, and a page of `list_tasks`, are read as well.
"""

import datetime as dt
import json
from collections.abc import Iterator
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

from mcp_todo_server.tasks.models import NOT_MOVED, TaskRow
from mcp_todo_server.tasks.payloads import PRIORITIES
from mcp_todo_server.tasks.schemas import AddTask
from mcp_todo_server.transfer.entries import NUMBER_MAX, ContentUids, Entry, History, Kept, ListFacts, entry, own_uid
from mcp_todo_server.transfer.errors import LineError, TransferError
from mcp_todo_server.transfer.json_stream import JsonStream
from mcp_todo_server.transfer.moments import in_utc
from mcp_todo_server.users.zones import zone_named

FORMAT: Final = "mcp-todo-server/tasks"
VERSION: Final = 1
_HISTORY: Final = frozenset(History.model_fields)
_TASK: Final = frozenset(AddTask.model_fields)


class JsonWriter:
    """Writes every task of a list."""

    def __init__(self, facts: ListFacts) -> None:
        self._facts = facts
        self._separator = "\n"

    def head(self) -> str:
        """Return what stands before the tasks."""
        facts = self._facts
        head = {
            "format": FORMAT,
            "version": VERSION,
            "exported_at": facts.exported_at,
            "timezone": facts.timezone,
            "last_task_id": facts.last_task_id,
        }
        return f'{_to_json(head).removesuffix("}")}, "tasks": ['

    def task(self, kept: Kept) -> str:
        """Return a task's line."""
        row = kept.row
        task = {
            "task_id": row.task_id,
            "uid": kept.uid,
            "title": row.title,
            "description": row.description,
            "status": row.status,
            "priority": PRIORITIES[row.priority_rank],
            "tags": kept.tags or None,
            "due": row.due,
            "due_at": _due_at(row),
            "recurrence": row.recurrence,
            "series_start": row.series_start,
            "occurrence": row.occurrence,
            "next_task_id": row.next_task_id,
            "next_version": row.next_version,
            "position": None if row.position == NOT_MOVED else row.position,
            "version": row.version,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
            "completed_at": row.completed_at,
        }
        text = self._separator + _to_json(task)
        self._separator = ",\n"
        return text

    def tail(self) -> str:
        """Return what stands after the tasks."""
        return "\n]}\n"


def read_facts(source: IO[bytes]) -> ListFacts:
    """Return what a file says of its list, after a look at all of it: members stand in any order.

    Raises:
        LineError: The file is not such a list.
    """
    stream = JsonStream(source)
    members: dict[str, Any] = {}
    highest, numbered = 0, True
    for name in _members(stream):
        if name != "tasks":
            members[name] = stream.value()
            continue
        for _, task in stream.elements():
            number = task.get("task_id") if isinstance(task, dict) else None
            numbered = numbered and isinstance(number, int)
            highest = max(highest, number if isinstance(number, int) else 0)
    _check_format(members)
    last = members.get("last_task_id", 0)
    if isinstance(last, bool) or not isinstance(last, int) or not 0 <= last <= NUMBER_MAX:
        raise TransferError(f"last_task_id must be a whole number from 0 to {NUMBER_MAX}")
    return ListFacts(
        timezone=_zone_name(members.get("timezone")),
        last_task_id=max(highest, last),
        numbered=numbered,
    )


def read(source: IO[bytes], _zone: ZoneInfo) -> Iterator[Entry]:
    """Yield the tasks of a file.

    Raises:
        LineError: A task is wrong.
    """
    stream = JsonStream(source)
    uids = ContentUids("json")
    for name in _members(stream):
        if name == "tasks":
            for line, task in stream.elements():
                yield _entry(line, task, uids)
        else:
            stream.value()
    stream.end()


def _members(stream: JsonStream) -> Iterator[str]:
    """Yield the names of the document's members, of which there has to be one named tasks."""
    if stream.peek() == "[":
        yield "tasks"
        return
    names = set()
    for name in stream.members():
        names.add(name)
        yield name
    if "tasks" not in names:
        raise LineError(stream.line, 'holds no tasks; a list of them must stand there as "tasks"')


def _entry(line: int, task: Any, uids: ContentUids) -> Entry:
    if not isinstance(task, dict):
        raise LineError(line, 'a task must be an object, such as {"title": "Buy milk"}')
    if unknown := task.keys() - _TASK - _HISTORY:
        known = ", ".join([*AddTask.model_fields, *History.model_fields])
        raise LineError(line, f"{json.dumps(min(unknown))} is nothing that a task has; it has {known}")
    history = {name: task[name] for name in _HISTORY & task.keys()}
    if history.get("uid") is None:
        history["uid"] = _uid(task, uids)
    return entry(line, {name: task[name] for name in _TASK & task.keys()}, history)


def _uid(task: dict[str, Any], uids: ContentUids) -> str:
    """Return the uid of a task that was written without one: from its number and making, or from what it says."""
    number, created_at = task.get("task_id"), task.get("created_at")
    if isinstance(number, int) and isinstance(created_at, str):
        try:
            made = dt.datetime.fromisoformat(created_at)
            if made.tzinfo is not None:
                return own_uid(number, made)
        except (ValueError, OverflowError):
            # The check of the task's values says what is wrong with it.
            pass
    return uids.of(json.dumps({name: task[name] for name in sorted(_TASK & task.keys())}))


def _check_format(members: dict[str, Any]) -> None:
    if (name := members.get("format", FORMAT)) != FORMAT:
        raise TransferError(f'the file is of the format {json.dumps(name)}, not "{FORMAT}"')
    if (version := members.get("version", VERSION)) != VERSION:
        raise TransferError(f"the file has version {json.dumps(version)} of the format; this release reads {VERSION}")


def _zone_name(name: Any) -> str | None:
    try:
        return None if name is None else zone_named(str(name)).key
    except ValueError as error:
        raise TransferError(f"timezone {error}; got {json.dumps(name)}") from None


def _due_at(row: TaskRow) -> str | None:
    """Return a due instant in UTC, with its zone, which may have other rules where this is read."""
    if row.due_at is None:
        return None
    zone = "" if row.due_zone is None else f"[{row.due_zone}]"
    return f"{in_utc(row.due_at)}{zone}"


def _to_json(values: dict[str, Any]) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return json.dumps(given, ensure_ascii=False, default=_moment)


def _moment(value: dt.date) -> str:
    return in_utc(value) if isinstance(value, dt.datetime) else value.isoformat()
