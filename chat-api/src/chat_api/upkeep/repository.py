"""Statements over the rows of all users."""

import datetime as dt

from sqlalchemy import update

from chat_api.database import Connection, epoch_now
from chat_api.runs.models import ACTIVE
from chat_api.runs.repository import RUNS


async def close_lapsed_runs(connection: Connection, now: dt.datetime, *, error_type: str, error_detail: str) -> int:
    """Move runs whose lease has passed to `failed` and return how many: their processes went away."""
    closed = await connection.execute(
        update(RUNS)
        .where(RUNS.c.status.in_(ACTIVE), RUNS.c.lease_expires_at < epoch_now())
        .values(status="failed", lease_expires_at=None, ended_at=now, error_type=error_type, error_detail=error_detail)
    )
    return closed.rowcount
