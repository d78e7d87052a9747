"""All SQL of the journal but the two ways to append (`postgresql`, `sqlite`). Every function names its users."""

import datetime as dt
import json
from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Boolean, Integer, Text, bindparam, insert, select, update

from chat_api.agent.turn import Usage
from chat_api.database import Connection, UtcDateTime, table_of
from chat_api.journal import events, postgresql, sqlite
from chat_api.journal.events import Message
from chat_api.journal.keys import RunKey
from chat_api.journal.models import RETRACTED, ModelResponseRow, RunEventRow, ToolCallRow
from chat_api.journal.records import (
    Decision,
    EndedCall,
    Entry,
    ResponseRecord,
    RunState,
    StoredEvent,
    ToolCallRecord,
)

RESPONSES = table_of(ModelResponseRow)
TOOL_CALLS = table_of(ToolCallRow)
EVENTS = table_of(RunEventRow)

RunName = tuple[str, str]
"""User and run id."""

_CALL_COLUMNS: Final = tuple(TOOL_CALLS.c[field.name] for field in fields(ToolCallRecord))
_CALLS = (
    select(*_CALL_COLUMNS)
    .where(
        TOOL_CALLS.c.user_id == bindparam("of_user"),
        TOOL_CALLS.c.run_id.in_(bindparam("of_runs", expanding=True)),
    )
    .order_by(TOOL_CALLS.c.run_id, TOOL_CALLS.c.response_ordinal, TOOL_CALLS.c.call_index)
)
_OPEN_CALLS = _CALLS.where(TOOL_CALLS.c.result.is_(None))
_RESPONSES = (
    select(
        RESPONSES.c.response_ordinal,
        RESPONSES.c["items"],
        RESPONSES.c.requests,
        RESPONSES.c.input_tokens,
        RESPONSES.c.output_tokens,
        RESPONSES.c.created_at,
    )
    .where(RESPONSES.c.user_id == bindparam("of_user"), RESPONSES.c.run_id == bindparam("of_run"))
    .order_by(RESPONSES.c.response_ordinal)
)
_NEWEST_EVENTS = (
    select(EVENTS.c.n, EVENTS.c.data)
    .where(EVENTS.c.user_id == bindparam("of_user"), EVENTS.c.run_id == bindparam("of_run"))
    .order_by(EVENTS.c.n.desc())
    .limit(bindparam("count", type_=Integer))
)
_NEWEST_SHOWN = _NEWEST_EVENTS.where(EVENTS.c.data != RETRACTED)
_EVENTS_FROM = (
    select(EVENTS.c.data)
    .where(
        EVENTS.c.user_id == bindparam("of_user"),
        EVENTS.c.run_id == bindparam("of_run"),
        EVENTS.c.n >= bindparam("first_n", type_=Integer),
        EVENTS.c.data != RETRACTED,
    )
    .order_by(EVENTS.c.n)
)
_RESULTS_TOLD = select(EVENTS.c.data).where(
    EVENTS.c.user_id == bindparam("of_user"),
    EVENTS.c.run_id == bindparam("of_run"),
    EVENTS.c.data.startswith(events.TOOL_RESULT, autoescape=True),
)
_INSERT_EVENTS = insert(EVENTS)
_ONE_CALL = (
    TOOL_CALLS.c.user_id == bindparam("of_user"),
    TOOL_CALLS.c.run_id == bindparam("of_run"),
    TOOL_CALLS.c.response_ordinal == bindparam("of_ordinal"),
    TOOL_CALLS.c.call_index == bindparam("of_index"),
)
_END_CALL = (
    update(TOOL_CALLS)
    .where(*_ONE_CALL, TOOL_CALLS.c.result.is_(None))
    .values(
        result=bindparam("outcome_result", type_=Text),
        is_error=bindparam("outcome_error", type_=Boolean),
        ended_at=bindparam("at", type_=UtcDateTime),
    )
)
_APPROVE = update(TOOL_CALLS).where(*_ONE_CALL, TOOL_CALLS.c.approval == "pending").values(approval="approved")
_DENY = _END_CALL.where(TOOL_CALLS.c.approval == "pending").values(approval="denied")

# Arrays on PostgreSQL, a JSON array on SQLite: one statement for any number of runs, so that it is prepared once.
_RUNS_ASKED: Final = {
    "postgresql": "unnest(%(users)s::text[], %(runs)s::text[], %(after)s::int[]) AS asked (user_id, run_id, after_n)",
    "sqlite": "(SELECT json_extract(value, '$[0]') AS user_id, json_extract(value, '$[1]') AS run_id,"
    " json_extract(value, '$[2]') AS after_n FROM json_each(:asked)) AS asked",
}
_STATES: Final = {
    dialect: f"""
SELECT runs.user_id, runs.run_id, runs.status, runs.attempt, runs.cancel_requested, coalesce((
    SELECT max(run_events.n) FROM run_events
    WHERE run_events.user_id = runs.user_id AND run_events.run_id = runs.run_id
), 0)
FROM {asked} JOIN runs ON runs.user_id = asked.user_id AND runs.run_id = asked.run_id
"""  # noqa: S608 - constants alone
    for dialect, asked in _RUNS_ASKED.items()
}
_EVENTS_AFTER: Final = {
    dialect: f"""
SELECT run_events.user_id, run_events.run_id, run_events.n, run_events.data
FROM {asked} JOIN run_events ON run_events.user_id = asked.user_id AND run_events.run_id = asked.run_id
WHERE run_events.n > asked.after_n AND run_events.data <> '{RETRACTED}'
ORDER BY run_events.user_id, run_events.run_id, run_events.n
LIMIT {limit}
"""  # noqa: S608 - constants alone
    for dialect, asked, limit in (
        ("postgresql", _RUNS_ASKED["postgresql"], "%(count)s"),
        ("sqlite", _RUNS_ASKED["sqlite"], ":count"),
    )
}


async def append(connection: Connection, entries: Sequence[Entry]) -> set[RunKey]:
    """Write what different runs have gathered; returns the keys that still own their runs.

    Entries of the others are not written. An entry that is there already changes nothing, so that a statement whose
    answer was lost may be sent again. Give it a connection of `Database.statement`.
    """
    if connection.dialect.name == "postgresql":
        return await postgresql.append(connection, entries)
    return await sqlite.append(connection, entries)


async def tool_calls(connection: Connection, user_id: str, run_ids: Collection[str]) -> dict[str, list[ToolCallRecord]]:
    """Return the tool calls of runs in the order in which the model asked for them, by run."""
    if not run_ids:
        return {}
    by_run: dict[str, list[ToolCallRecord]] = {}
    for row in await connection.execute(_CALLS, {"of_user": user_id, "of_runs": list(run_ids)}):
        record = ToolCallRecord(*row)
        by_run.setdefault(record.run_id, []).append(record)
    return by_run


async def open_calls(connection: Connection, user_id: str, run_id: str) -> list[ToolCallRecord]:
    """Return the calls of a run whose outcome is not known."""
    rows = await connection.execute(_OPEN_CALLS, {"of_user": user_id, "of_runs": [run_id]})
    return [ToolCallRecord(*row) for row in rows]


async def responses(connection: Connection, user_id: str, run_id: str) -> list[ResponseRecord]:
    """Return the journalled model responses of a run, in order."""
    rows = await connection.execute(_RESPONSES, {"of_user": user_id, "of_run": run_id})
    return [
        ResponseRecord(ordinal, items, Usage(requests, tokens_in, tokens_out), at)
        for ordinal, items, requests, tokens_in, tokens_out, at in rows
    ]


async def settle_call(connection: Connection, user_id: str, run_id: str, end: EndedCall) -> bool:
    """Write the outcome of a call, whoever owns the run; False where it has one already."""
    ended = await connection.execute(
        _END_CALL,
        {
            "of_user": user_id,
            "of_run": run_id,
            "of_ordinal": end.call.response_ordinal,
            "of_index": end.call.call_index,
            "outcome_result": end.outcome.result,
            "outcome_error": end.outcome.is_error,
            "at": end.at,
        },
    )
    return ended.rowcount == 1


async def decide(
    connection: Connection, user_id: str, run_id: str, decisions: Collection[Decision], now: dt.datetime
) -> int:
    """Write what the user decided on calls that wait for it; returns how many of them really did.

    A denied call gets its outcome with the decision, so that it is never sent.
    """
    decided = 0
    for decision in decisions:
        place = {
            "of_user": user_id,
            "of_run": run_id,
            "of_ordinal": decision.response_ordinal,
            "of_index": decision.call_index,
        }
        if decision.denial is None:
            changed = await connection.execute(_APPROVE, place)
        else:
            outcome = {
                "outcome_result": decision.denial.result,
                "outcome_error": decision.denial.is_error,
                "at": now,
            }
            changed = await connection.execute(_DENY, {**place, **outcome})
        decided += changed.rowcount
    return decided


async def insert_events(connection: Connection, user_id: str, run_id: str, stored: Sequence[StoredEvent]) -> None:
    """Write events in a transaction that is guarded by the run's state and attempt already."""
    if not stored:
        return
    if connection.dialect.name == "postgresql":
        await postgresql.insert_events(connection, user_id, run_id, stored)
    else:
        await connection.execute(
            _INSERT_EVENTS,
            [{"user_id": user_id, "run_id": run_id, "n": event.n, "data": event.data} for event in stored],
        )


async def last_event(connection: Connection, user_id: str, run_id: str) -> StoredEvent | None:
    """Return the newest event of a run, even where it was retracted: the next number is the one behind it."""
    found = await connection.execute(_NEWEST_EVENTS, {"of_user": user_id, "of_run": run_id, "count": 1})
    row = found.first()
    return None if row is None else StoredEvent(*row)


async def retract_event(connection: Connection, user_id: str, run_id: str, n: int) -> None:
    """Take an event back because its run goes on: readers are not told of it any more.

    Its row stays, so that its number is not used again even if the run is lost before it has another event.
    """
    await connection.execute(
        update(EVENTS)
        .where(EVENTS.c.user_id == user_id, EVENTS.c.run_id == run_id, EVENTS.c.n == n)
        .values(data=RETRACTED)
    )


async def last_message(connection: Connection, user_id: str, run_id: str) -> Message | None:
    """Return the text message that a run's stored log ends with, if nothing has followed it but the run's end."""
    found = await connection.execute(_NEWEST_SHOWN, {"of_user": user_id, "of_run": run_id, "count": 2})
    newest = events.last_message([data for _, data in reversed(found.all())])
    if newest is None:
        return None
    # A message is named by the number of its first event.
    first_n = int(newest.message_id.rpartition(":")[2])
    rows = await connection.execute(_EVENTS_FROM, {"of_user": user_id, "of_run": run_id, "first_n": first_n})
    return events.last_message([data for (data,) in rows])


async def results_told(connection: Connection, user_id: str, run_id: str) -> set[str]:
    """Return the ids of those calls whose outcomes the run's readers are told."""
    rows = await connection.execute(_RESULTS_TOLD, {"of_user": user_id, "of_run": run_id})
    return {json.loads(data)["toolCallId"] for (data,) in rows}


async def states(connection: Connection, names: Collection[RunName]) -> dict[RunName, RunState]:
    """Return the states of runs; those that do not exist are not among them."""
    asked = [(user_id, run_id, 0) for user_id, run_id in names]
    found = await connection.exec_driver_sql(_STATES[connection.dialect.name], _asked(connection, asked))
    rows: Sequence[Any] = found.all()
    return {
        (user_id, run_id): RunState(status, attempt, bool(cancel_requested), last_n)
        for user_id, run_id, status, attempt, cancel_requested, last_n in rows
    }


async def events_after(
    connection: Connection, asked: Collection[tuple[str, str, int]], limit: int
) -> dict[RunName, list[StoredEvent]]:
    """Return events of runs, each given as (user, run id, n), that stand behind number n of their run, in order.

    There are `limit` at most in all; fewer are all that there were.
    """
    parameters = {**_asked(connection, asked), "count": limit}
    found = await connection.exec_driver_sql(_EVENTS_AFTER[connection.dialect.name], parameters)
    rows: Sequence[Any] = found.all()
    by_run: dict[RunName, list[StoredEvent]] = {}
    for user_id, run_id, n, data in rows:
        by_run.setdefault((user_id, run_id), []).append(StoredEvent(n, data))
    return by_run


def _asked(connection: Connection, asked: Collection[tuple[str, str, int]]) -> dict[str, Any]:
    if connection.dialect.name == "sqlite":
        return {"asked": json.dumps(list(asked))}
    return {
        "users": [user_id for user_id, _, _ in asked],
        "runs": [run_id for _, run_id, _ in asked],
        "after": [n for _, _, n in asked],
    }
