"""Statements over the rows of all users. Each takes a few rows at a time, by an index made for it."""

import datetime as dt
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, select, tuple_, update

from chat_api.database import Connection, epoch_now, table_of
from chat_api.idempotency.repository import KEYS
from chat_api.journal.models import RunEventRow
from chat_api.runs.repository import COLUMNS, RUNS, RunRecord
from chat_api.runs.states import ACTIVE

EVENTS = table_of(RunEventRow)
ROWS: Final = 100
"""Rows that one statement takes at most."""
RUNS_PER_PURGE: Final = 10
"""Runs whose events are deleted in one transaction: a run can have thousands."""


async def lapsed_runs(connection: Connection) -> list[RunRecord]:
    """Return running runs whose lease has passed: their processes went away."""
    return await _runs(
        connection, RUNS.c.status == "running", RUNS.c.lease_expires_at < epoch_now(), by=RUNS.c.lease_expires_at
    )


async def expired_approvals(connection: Connection) -> list[RunRecord]:
    """Return runs that have waited for the user's decision for too long."""
    expires_at = RUNS.c.approval_expires_at
    return await _runs(connection, RUNS.c.status == "requires_action", expires_at <= epoch_now(), by=expires_at)


async def left_behind(connection: Connection) -> list[RunRecord]:
    """Return the oldest queued runs of conversations in which nothing is at work that would begin them."""
    other = RUNS.alias("other")
    in_the_way = exists(
        select(other.c.run_id).where(
            other.c.user_id == RUNS.c.user_id,
            other.c.conversation_id == RUNS.c.conversation_id,
            other.c.status.in_(ACTIVE) | ((other.c.status == "queued") & (other.c.number < RUNS.c.number)),
        )
    )
    return await _runs(connection, RUNS.c.status == "queued", ~in_the_way, by=RUNS.c.user_id)


async def unsettled_runs(
    connection: Connection, *, begun_after: dt.datetime, failed_before: dt.datetime
) -> list[RunRecord]:
    """Return runs with a call whose outcome is unknown: those that were stopped, or failed before an instant."""
    due = (RUNS.c.status != "failed") | (RUNS.c.ended_at < failed_before)
    return await _runs(connection, RUNS.c.unsettled, RUNS.c.created_at > begun_after, due, by=RUNS.c.ended_at)


async def purge_events(connection: Connection, before: dt.datetime) -> bool:
    """Delete the events of some runs that ended before an instant, and tell whether there may be more."""
    found = await connection.execute(
        select(RUNS.c.user_id, RUNS.c.run_id)
        .where(RUNS.c.events_kept, RUNS.c.ended_at < before)
        .order_by(RUNS.c.ended_at)
        .limit(RUNS_PER_PURGE)
        .with_for_update(skip_locked=True)
    )
    runs = [tuple(row) for row in found]
    if runs:
        # Marked first: a reader that comes in between is told that they are gone, not shown half of them.
        await connection.execute(
            update(RUNS).where(tuple_(RUNS.c.user_id, RUNS.c.run_id).in_(runs)).values(events_kept=False)
        )
        await connection.execute(delete(EVENTS).where(tuple_(EVENTS.c.user_id, EVENTS.c.run_id).in_(runs)))
    return len(runs) == RUNS_PER_PURGE


async def purge_idempotency_keys(connection: Connection, before: dt.datetime) -> bool:
    """Delete some keys that were used before an instant, and tell whether there may be more."""
    old = select(KEYS.c.user_id, KEYS.c.idempotency_key).where(KEYS.c.created_at < before).limit(ROWS)
    deleted = await connection.execute(delete(KEYS).where(tuple_(KEYS.c.user_id, KEYS.c.idempotency_key).in_(old)))
    return deleted.rowcount == ROWS


async def _runs(connection: Connection, *which: ColumnElement[bool], by: ColumnElement[object]) -> list[RunRecord]:
    found = await connection.execute(select(*COLUMNS).where(*which).order_by(by).limit(ROWS))
    return [RunRecord(*row) for row in found]
