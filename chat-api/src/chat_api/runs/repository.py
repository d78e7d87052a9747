"""All SQL of runs and tool calls. Every function names its user.

The statements of a turn are built once, with parameters: building one costs more than sending it.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    and_,
    bindparam,
    exists,
    insert,
    select,
    tuple_,
    update,
)

from chat_api.agent.turn import Usage
from chat_api.database import Connection, UtcDateTime, epoch_now, table_of
from chat_api.runs.models import ACTIVE, RunRow, ToolCallRow

RUNS = table_of(RunRow)
TOOL_CALLS = table_of(ToolCallRow)


@dataclass(frozen=True, slots=True)
class RunKey:
    """A run as its owner holds it: whoever claims the run raises the attempt, and earlier owners write no more."""

    user_id: str
    run_id: str
    attempt: int

    @property
    def parameters(self) -> dict[str, Any]:
        """What `_OWNED` is asked with."""
        return {"owner_user": self.user_id, "owner_run": self.run_id, "owner_attempt": self.attempt}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: columns of its row."""

    run_id: str
    conversation_id: int
    status: str
    input: str
    error_type: str | None
    error_detail: str | None
    model_requests: int
    input_tokens: int
    output_tokens: int
    created_at: dt.datetime
    ended_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
    """A tool call: columns of its row. `result` is None while its outcome is not known."""

    run_id: str
    response_ordinal: int
    call_index: int
    tool_name: str
    arguments: str
    result: str | None
    is_error: bool | None


def _owned() -> ColumnElement[bool]:
    """True of a run that is still running under the key's attempt."""
    return and_(
        RUNS.c.user_id == bindparam("owner_user"),
        RUNS.c.run_id == bindparam("owner_run"),
        RUNS.c.attempt == bindparam("owner_attempt"),
        RUNS.c.status == "running",
    )


_INSERT_RUN = insert(RUNS).values(
    status="running",
    model_requests=0,
    input_tokens=0,
    output_tokens=0,
    lease_expires_at=epoch_now() + bindparam("lease_seconds"),
)
_ACTIVE_RUN = select(RUNS.c.run_id, RUNS.c.attempt, RUNS.c.lease_expires_at > epoch_now()).where(
    RUNS.c.user_id == bindparam("of_user"),
    RUNS.c.conversation_id == bindparam("of_conversation"),
    RUNS.c.status.in_(ACTIVE),
)
# Inserted from the run's own row, locked: nobody can claim the run between the check and the write.
_INSERT_CALL = insert(TOOL_CALLS).from_select(
    ["user_id", "run_id", "response_ordinal", "call_index", "tool_name", "arguments", "requested_at"],
    select(
        RUNS.c.user_id,
        RUNS.c.run_id,
        bindparam("new_ordinal", type_=Integer),
        bindparam("new_index", type_=Integer),
        bindparam("new_tool", type_=Text),
        bindparam("new_arguments", type_=Text),
        bindparam("new_requested_at", type_=UtcDateTime),
    )
    .where(_owned())
    .with_for_update(read=True),
)
_END_CALL = (
    update(TOOL_CALLS)
    .where(
        TOOL_CALLS.c.user_id == bindparam("of_user"),
        TOOL_CALLS.c.run_id == bindparam("of_run"),
        TOOL_CALLS.c.response_ordinal == bindparam("of_ordinal"),
        TOOL_CALLS.c.call_index == bindparam("of_index"),
    )
    .returning(exists(select(RUNS.c.run_id).where(_owned())))
)
_ENDED: Final[dict[str, Any]] = {
    "lease_expires_at": None,
    "ended_at": bindparam("at", type_=UtcDateTime),
    "model_requests": bindparam("requests", type_=Integer),
    "input_tokens": bindparam("tokens_in", type_=BigInteger),
    "output_tokens": bindparam("tokens_out", type_=BigInteger),
}
_COMPLETE = update(RUNS).where(_owned()).values(**_ENDED, status="completed")
_FAIL = (
    update(RUNS)
    .where(_owned())
    .values(
        **_ENDED,
        status="failed",
        error_type=bindparam("type", type_=Text),
        error_detail=bindparam("detail", type_=Text),
    )
)
_RUN = select(*(RUNS.c[field.name] for field in fields(RunRecord))).where(RUNS.c.user_id == bindparam("of_user"))
_CALLS = (
    select(*(TOOL_CALLS.c[field.name] for field in fields(ToolCallRecord)))
    .where(
        TOOL_CALLS.c.user_id == bindparam("of_user"),
        TOOL_CALLS.c.run_id.in_(bindparam("of_runs", expanding=True)),
    )
    .order_by(TOOL_CALLS.c.run_id, TOOL_CALLS.c.response_ordinal, TOOL_CALLS.c.call_index)
)


def _counted(usage: Usage) -> dict[str, int]:
    return {"requests": usage.requests, "tokens_in": usage.input_tokens, "tokens_out": usage.output_tokens}


async def insert_run(
    connection: Connection,
    key: RunKey,
    *,
    conversation_id: int,
    message: str,
    timezone: str,
    now: dt.datetime,
    lease_seconds: float,
) -> None:
    """Write a running run with its lease."""
    await connection.execute(
        _INSERT_RUN,
        {
            "user_id": key.user_id,
            "run_id": key.run_id,
            "attempt": key.attempt,
            "conversation_id": conversation_id,
            "input": message,
            "timezone": timezone,
            "created_at": now,
            "lease_seconds": lease_seconds,
        },
    )


async def active_run(connection: Connection, user_id: str, conversation_id: int) -> tuple[RunKey, bool] | None:
    """Return the conversation's active run and whether its lease still holds."""
    found = await connection.execute(_ACTIVE_RUN, {"of_user": user_id, "of_conversation": conversation_id})
    row = found.first()
    return None if row is None else (RunKey(user_id, row[0], row[1]), bool(row[2]))


async def renew_leases(connection: Connection, keys: Collection[RunKey], lease_seconds: float) -> None:
    """Let the leases of running runs end `lease_seconds` from now."""
    owned = tuple_(RUNS.c.user_id, RUNS.c.run_id, RUNS.c.attempt).in_(
        [(key.user_id, key.run_id, key.attempt) for key in keys]
    )
    await connection.execute(
        update(RUNS).where(owned, RUNS.c.status == "running").values(lease_expires_at=epoch_now() + lease_seconds)
    )


async def insert_calls(connection: Connection, key: RunKey, calls: Sequence[ToolCallRecord], now: dt.datetime) -> bool:
    """Write calls that are about to be sent; False, and nothing is written, where the run is not the key's."""
    for call in calls:
        written = await connection.execute(
            _INSERT_CALL,
            {
                **key.parameters,
                "new_ordinal": call.response_ordinal,
                "new_index": call.call_index,
                "new_tool": call.tool_name,
                "new_arguments": call.arguments,
                "new_requested_at": now,
            },
        )
        if written.rowcount == 0:
            return False
    return True


async def end_call(connection: Connection, key: RunKey, call: ToolCallRecord, now: dt.datetime) -> bool:
    """Write a call's outcome, whoever owns the run by now, and tell whether the key still does."""
    owned = await connection.execute(
        _END_CALL,
        {
            **key.parameters,
            "of_user": key.user_id,
            "of_run": key.run_id,
            "of_ordinal": call.response_ordinal,
            "of_index": call.call_index,
            "result": call.result,
            "is_error": call.is_error,
            "ended_at": now,
        },
    )
    return bool(owned.scalar_one_or_none())


async def complete(connection: Connection, key: RunKey, now: dt.datetime, usage: Usage) -> bool:
    """Move an owned, running run to `completed`; False where it is not that any more."""
    ended = await connection.execute(_COMPLETE, {**key.parameters, **_counted(usage), "at": now})
    return ended.rowcount == 1


async def fail(
    connection: Connection, key: RunKey, now: dt.datetime, *, error_type: str, error_detail: str, usage: Usage
) -> bool:
    """Move an owned, running run to `failed`; False where it is not that any more."""
    why = {"type": error_type, "detail": error_detail}
    ended = await connection.execute(_FAIL, {**key.parameters, **_counted(usage), **why, "at": now})
    return ended.rowcount == 1


async def expire(connection: Connection, key: RunKey, now: dt.datetime, *, error_type: str, error_detail: str) -> bool:
    """Move a run whose lease has passed to `failed`; False where it has been renewed or ended since."""
    ended = await connection.execute(
        update(RUNS)
        .where(
            RUNS.c.user_id == key.user_id,
            RUNS.c.run_id == key.run_id,
            RUNS.c.status.in_(ACTIVE),
            RUNS.c.lease_expires_at < epoch_now(),
        )
        .values(status="failed", lease_expires_at=None, ended_at=now, error_type=error_type, error_detail=error_detail)
    )
    return ended.rowcount == 1


async def get(connection: Connection, user_id: str, run_id: str) -> RunRecord | None:
    """Return one run."""
    row = (await connection.execute(_RUN.where(RUNS.c.run_id == run_id), {"of_user": user_id})).first()
    return None if row is None else RunRecord(*row)


async def page(
    connection: Connection, user_id: str, conversation_id: int, limit: int, after: str | None
) -> Sequence[RunRecord]:
    """Return up to `limit` runs of a conversation, newest first, those behind `after`."""
    query = _RUN.where(RUNS.c.conversation_id == conversation_id).order_by(RUNS.c.run_id.desc()).limit(limit)
    if after is not None:
        query = query.where(RUNS.c.run_id < after)
    return [RunRecord(*row) for row in await connection.execute(query, {"of_user": user_id})]


async def tool_calls(connection: Connection, user_id: str, run_ids: Collection[str]) -> dict[str, list[ToolCallRecord]]:
    """Return the tool calls of runs in the order in which the model asked for them, by run."""
    if not run_ids:
        return {}
    by_run: dict[str, list[ToolCallRecord]] = {}
    for row in await connection.execute(_CALLS, {"of_user": user_id, "of_runs": list(run_ids)}):
        record = ToolCallRecord(*row)
        by_run.setdefault(record.run_id, []).append(record)
    return by_run
