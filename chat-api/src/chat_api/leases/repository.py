"""All SQL of owning runs. Every function names its users."""

import datetime as dt
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import insert, select, tuple_, update

from chat_api.database import Connection, epoch_now, table_of
from chat_api.journal.keys import RunKey
from chat_api.journal.records import Measured
from chat_api.runs.models import RunAttemptRow
from chat_api.runs.repository import COLUMNS, LEASED, RUNS, RunRecord, move, owned, owner
from chat_api.runs.states import AttemptEnding, RunStatus

ATTEMPTS = table_of(RunAttemptRow)
RELEASED: Final = 0.0
"""The lease of a run that its owner has given up."""
_ATTEMPT = select(
    RUNS.c.timed_attempt, RUNS.c.attempt_began_at, RUNS.c.paused_at, RUNS.c.lease_expires_at, RUNS.c.measured
)
_KEEP_ATTEMPT = insert(ATTEMPTS)


async def renew_leases(connection: Connection, keys: Collection[RunKey], lease_seconds: float) -> set[RunKey]:
    """Let the leases of running runs end `lease_seconds` from now; returns the keys that still own theirs.

    One that has passed is renewed as well, as long as nobody has taken the run over.
    """
    mine = tuple_(RUNS.c.user_id, RUNS.c.run_id, RUNS.c.attempt).in_(
        [(key.user_id, key.run_id, key.attempt) for key in keys]
    )
    # Locked in key order, as the journal's writer does: two statements over many runs must not wait for each other.
    locked = (
        select(RUNS.c.user_id, RUNS.c.run_id)
        .where(mine, RUNS.c.status == "running")
        .order_by(RUNS.c.user_id, RUNS.c.run_id)
        .with_for_update()
        .cte("locked")
    )
    renewed = await connection.execute(
        update(RUNS)
        .where(tuple_(RUNS.c.user_id, RUNS.c.run_id).in_(select(locked.c.user_id, locked.c.run_id)))
        .values(lease_expires_at=epoch_now() + lease_seconds)
        .returning(RUNS.c.user_id, RUNS.c.run_id, RUNS.c.attempt)
    )
    return {RunKey(*row) for row in renewed}


async def start(connection: Connection, key: RunKey, lease_seconds: float) -> bool:
    """Move a queued run to `running`, under the attempt that it was queued with."""
    started = await connection.execute(
        move("running")
        .where(owned(), RUNS.c.status == "queued")
        .values(lease_expires_at=LEASED, attempt_began_at=dt.datetime.now(dt.UTC), timed_attempt=RUNS.c.attempt),
        {**owner(key), "lease_seconds": lease_seconds},
    )
    return started.rowcount == 1


async def take_over(
    connection: Connection,
    run: RunRecord,
    lease_seconds: float,
    *,
    lapsed: bool = False,
    decided: bool | None = None,
) -> RunRecord | None:
    """Make the caller the run's owner, under the next attempt; None where the run is not as `run` says any more.

    The row stays locked until the transaction ends, so what is read of the journal in it is all there will be.

    Args:
        connection: In a transaction of its own.
        run: The run as it was read.
        lease_seconds: How long it is the caller's.
        lapsed: Take a running one whose lease has passed. Else one that rests or waits goes on.
        decided: Of one that waits for approvals: True takes it before they expire, False afterwards.
    """
    statement = update(RUNS) if lapsed else move("running")
    expires_at = RUNS.c.approval_expires_at
    conditions = [owned(), RUNS.c.status == run.status]
    if lapsed:
        conditions.append(RUNS.c.lease_expires_at < epoch_now())
    if decided is not None:
        conditions.append(expires_at > epoch_now() if decided else expires_at <= epoch_now())
    found = await connection.execute(_ATTEMPT.where(*conditions).with_for_update(), owner(run.key))
    before = found.first()
    if before is None:
        return None
    taken = await connection.execute(
        statement.where(*conditions)
        .values(
            attempt=RUNS.c.attempt + 1,
            lease_expires_at=LEASED,
            cancel_requested=RUNS.c.cancel_requested if lapsed else False,
            approval_expires_at=None,
            unsettled=False,
            ended_at=None,
            error_type=None,
            error_detail=None,
            recoveries=RUNS.c.recoveries if lapsed else 0,
            attempt_began_at=dt.datetime.now(dt.UTC),
            timed_attempt=RUNS.c.attempt + 1,
            paused_at=None,
            measured=None,
        )
        .returning(*COLUMNS),
        {**owner(run.key), "lease_seconds": lease_seconds},
    )
    row = taken.first()
    if row is None:
        return None
    await connection.execute(_KEEP_ATTEMPT, _kept(run, before))
    return RunRecord(*row)


def _kept(run: RunRecord, before: Any) -> dict[str, Any]:
    """Return the row of the attempt that ends with a takeover of `run`."""
    # What a release measured that knew of times is not of an attempt that another release has made since.
    is_timed = before.timed_attempt == run.attempt
    ending: AttemptEnding | RunStatus = run.status
    measured = Measured.load(before.measured) if is_timed and before.measured is not None else None
    ended_at = run.ended_at
    if run.status == "requires_action":
        ended_at = before.paused_at if is_timed else None
    elif run.status == "running" and before.lease_expires_at == RELEASED:
        ending, ended_at = "released", measured.closing_at if measured else None
    elif run.status == "running":
        ending, ended_at = "lost", dt.datetime.fromtimestamp(before.lease_expires_at, dt.UTC)
    return {
        "user_id": run.user_id,
        "run_id": run.run_id,
        "attempt": run.attempt,
        "began_at": before.attempt_began_at if is_timed else None,
        "paused_at": before.paused_at if is_timed else None,
        "ended_at": ended_at,
        "ending": ending,
        "error_type": run.error_type,
        "error_detail": run.error_detail,
        "measured": before.measured if is_timed else None,
    }


async def note_recovery(connection: Connection, key: RunKey, *, recoveries: int, journal_mark: int) -> None:
    """Note how often the run was taken over since its journal had this many entries."""
    await connection.execute(
        update(RUNS).where(owned()).values(recoveries=recoveries, journal_mark=journal_mark), owner(key)
    )


async def release(connection: Connection, key: RunKey, measured: Measured) -> None:
    """Give a running run up in good order: whoever looks next takes it over at once, and counts no recovery."""
    await connection.execute(
        update(RUNS)
        .where(owned(), RUNS.c.status == "running")
        .values(lease_expires_at=RELEASED, recoveries=-1, measured=measured.dump()),
        owner(key),
    )
