"""What both databases hold of a schedule's users, read behind the services' backs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.world import World

_RUNS: Final = """
SELECT user_id, run_id, conversation_id, status, input, replaced, unsettled FROM runs
WHERE user_id = ANY(%s) ORDER BY user_id, run_id
"""
_CALLS: Final = """
SELECT user_id, run_id, response_ordinal, call_index, tool_name, arguments, result, is_error FROM tool_calls
WHERE user_id = ANY(%s) ORDER BY 1, 2, 3, 4
"""
# An event that was taken back leaves an empty row, which keeps its number from being used again.
_EVENTS: Final = (
    "SELECT user_id, run_id, n, data FROM run_events WHERE user_id = ANY(%s) AND data <> '' ORDER BY 1, 2, 3"
)
_ANSWERS: Final = "SELECT user_id, run_id, content FROM messages WHERE user_id = ANY(%s) AND role = 'assistant'"
_KEYS: Final = "SELECT user_id, idempotency_key, run_id FROM idempotency_keys WHERE user_id = ANY(%s)"
_TASKS: Final = "SELECT user_id, task_id, title, status, version FROM tasks WHERE user_id = ANY(%s)"
_OPEN: Final = """
SELECT run_id, status, attempt, cancel_requested, unsettled FROM runs
WHERE user_id = ANY(%s) AND (status IN ('queued', 'running') OR (unsettled AND status = 'cancelled'))
"""
_WAITING: Final = "SELECT user_id, run_id FROM runs WHERE user_id = ANY(%s) AND status = 'requires_action'"
_TORN: Final = """
SELECT r.run_id, r.status, count(m.role) FROM runs r LEFT JOIN messages m USING (user_id, run_id)
WHERE r.user_id = ANY(%s) GROUP BY 1, 2
HAVING count(m.role) NOT IN (0, 2) OR (r.status = 'completed') <> (count(m.role) = 2) AND r.status <> 'cancelled'
"""


@dataclass(frozen=True)
class CallRecord:
    """One journalled tool call."""

    ordinal: int
    index: int
    tool: str
    arguments: dict[str, Any]
    result: str | None
    is_error: bool | None


@dataclass
class RunOnRecord:
    """One run with all that hangs on it."""

    user_id: str
    run_id: str
    conversation_id: int
    status: str
    input: str
    replaced: bool
    calls: list[CallRecord] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)
    answer: str | None = None
    """As the transcript has it."""


@dataclass(frozen=True)
class TaskOnRecord:
    """One task."""

    user_id: str
    task_id: int
    title: str
    status: str
    version: int


@dataclass(frozen=True)
class Records:
    """Everything of some users."""

    runs: list[RunOnRecord]
    tasks: list[TaskOnRecord]
    keys: dict[tuple[str, str], str]
    """Run ids by user and idempotency key."""

    @property
    def calls(self) -> list[tuple[RunOnRecord, CallRecord]]:
        """Every call with its run."""
        return [(run, call) for run in self.runs for call in run.calls]


async def read_records(world: World, users: Sequence[str]) -> Records:
    """Read what is on record of users whose runs have ended."""
    runs = {(row[0], row[1]): RunOnRecord(*row[:6]) for row in await world.chat_rows(_RUNS, list(users))}
    for user, run_id, ordinal, index, tool, arguments, result, is_error in await world.chat_rows(_CALLS, list(users)):
        call = CallRecord(ordinal, index, tool, json.loads(arguments), result, is_error)
        runs[user, run_id].calls.append(call)
    for user, run_id, n, data in await world.chat_rows(_EVENTS, list(users)):
        runs[user, run_id].events.append((n, data))
    for user, run_id, answer in await world.chat_rows(_ANSWERS, list(users)):
        runs[user, run_id].answer = answer
    keys = {(user, key): run_id for user, key, run_id in await world.chat_rows(_KEYS, list(users))}
    tasks = [TaskOnRecord(*row) for row in await world.todo_rows(_TASKS, list(users))]
    return Records(list(runs.values()), tasks, keys)


async def open_runs(world: World, users: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return runs that somebody is still at work on, and stopped ones with a call that is not settled yet."""
    return await world.chat_rows(_OPEN, list(users))


async def waiting_runs(world: World, users: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return runs that wait for a decision."""
    return await world.chat_rows(_WAITING, list(users))


async def torn_runs(world: World, users: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return runs whose messages and status do not agree at this moment: never the case, in no moment at all."""
    return await world.chat_rows(_TORN, list(users))
