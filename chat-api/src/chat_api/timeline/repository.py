"""All SQL of timelines. Every function names its user."""

import datetime as dt
from dataclasses import dataclass, fields
from typing import Final, TypeVar

from sqlalchemy import Table, bindparam, select

from chat_api.database import Connection
from chat_api.journal.records import Approval
from chat_api.journal.repository import RESPONSES, TOOL_CALLS
from chat_api.leases.repository import ATTEMPTS
from chat_api.runs.repository import RUNS
from chat_api.runs.states import AttemptEnding


@dataclass(frozen=True, slots=True)
class RunTimes:
    """What a run's row tells of its beginning and of its present attempt."""

    queued_at: dt.datetime | None
    attempt_began_at: dt.datetime | None
    timed_attempt: int | None
    """The attempt that the other columns are of."""
    paused_at: dt.datetime | None
    measured: str | None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """An attempt that another one has followed."""

    attempt: int
    began_at: dt.datetime | None
    paused_at: dt.datetime | None
    ended_at: dt.datetime | None
    ending: AttemptEnding
    error_type: str | None
    error_detail: str | None
    measured: str | None


@dataclass(frozen=True, slots=True)
class ResponseTimes:
    """A journalled model response, without its items."""

    response_ordinal: int
    attempt: int | None
    asked_at: dt.datetime | None
    first_word_at: dt.datetime | None
    created_at: dt.datetime
    previous_stored_at: dt.datetime | None
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class CallTimes:
    """A tool call."""

    response_ordinal: int
    call_index: int
    tool_name: str
    arguments: str
    result: str | None
    is_error: bool | None
    approval: Approval | None
    attempt: int | None
    requested_at: dt.datetime
    sent_at: dt.datetime | None
    ended_at: dt.datetime | None
    previous_stored_at: dt.datetime | None


_Record = TypeVar("_Record", RunTimes, AttemptRecord, ResponseTimes, CallTimes)
_SOURCES: Final[dict[type, tuple[Table, tuple[str, ...]]]] = {
    RunTimes: (RUNS, ()),
    AttemptRecord: (ATTEMPTS, ("attempt",)),
    ResponseTimes: (RESPONSES, ("response_ordinal",)),
    CallTimes: (TOOL_CALLS, ("response_ordinal", "call_index")),
}
"""Each record's table, and the columns by which a run's rows are ordered."""
_STATEMENTS: Final = {
    record: select(*(table.c[column.name] for column in fields(record)))
    .where(table.c.user_id == bindparam("of_user"), table.c.run_id == bindparam("of_run"))
    .order_by(*(table.c[name] for name in order))
    for record, (table, order) in _SOURCES.items()
}


async def read(connection: Connection, record: type[_Record], user_id: str, run_id: str) -> list[_Record]:
    """Return a run's rows of a kind, in order."""
    rows = await connection.execute(_STATEMENTS[record], {"of_user": user_id, "of_run": run_id})
    return [record(*row) for row in rows]
