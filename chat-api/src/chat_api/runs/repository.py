"""All SQL of runs. Every function names its user.

The statements of a turn are built once, with parameters: building one costs more than sending it. Each change of
state is guarded by where the run may come from (`states.MOVES`) and, for its owner, by the attempt: whoever is not
the owner any more changes nothing, and a statement that is sent twice changes nothing the second time.
"""

import datetime as dt
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Text,
    Update,
    and_,
    bindparam,
    func,
    insert,
    select,
    update,
)
from todo_chat_shared.effects import EFFECT_KEY_DAYS

from chat_api.agent.turn import Usage
from chat_api.database import Connection, UtcDateTime, epoch_now, table_of
from chat_api.journal.keys import RunKey
from chat_api.journal.records import Measured
from chat_api.runs.models import RunRow
from chat_api.runs.states import ACTIVE, RunStatus, sources

RUNS = table_of(RunRow)
NUMBER_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: columns of its row."""

    user_id: str
    run_id: str
    conversation_id: int
    number: int
    status: RunStatus
    input: str
    timezone: str
    created_at: dt.datetime
    replaces: str | None = None
    client_run_id: str | None = None
    attempt: int = 1
    cancel_requested: bool = False
    approval_expires_at: float | None = None
    recoveries: int = 0
    journal_mark: int = 0
    replaced: bool = False
    events_kept: bool = True
    error_type: str | None = None
    error_detail: str | None = None
    model_requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    ended_at: dt.datetime | None = None

    @property
    def key(self) -> RunKey:
        """The run as its present owner holds it."""
        return RunKey(self.user_id, self.run_id, self.attempt)

    @property
    def has_outlived_its_keys(self) -> bool:
        """Whether the todo server may have forgotten its effect keys: a call sent or settled now would be a new one."""
        return dt.datetime.now(dt.UTC) - self.created_at > dt.timedelta(days=EFFECT_KEY_DAYS)

    @property
    def usage(self) -> Usage:
        """What its model calls had cost when that was last written."""
        return Usage(self.model_requests, self.input_tokens, self.output_tokens)


COLUMNS: Final = tuple(RUNS.c[field.name] for field in fields(RunRecord))


def owned() -> ColumnElement[bool]:
    """True of the run under the key's attempt."""
    return and_(
        RUNS.c.user_id == bindparam("owner_user"),
        RUNS.c.run_id == bindparam("owner_run"),
        RUNS.c.attempt == bindparam("owner_attempt"),
    )


def owner(key: RunKey) -> dict[str, Any]:
    """Return what `owned` is asked with."""
    return {"owner_user": key.user_id, "owner_run": key.run_id, "owner_attempt": key.attempt}


def move(target: RunStatus) -> Update:
    """Begin an update that moves runs to a state, from the states that may precede it."""
    return update(RUNS).where(RUNS.c.status.in_(sources(target))).values(status=target)


LEASED: Final = epoch_now() + bindparam("lease_seconds", type_=Double)
"""When a lease of `lease_seconds` ends that begins now, by the database's clock."""
_INSERTED: Final = (
    "user_id",
    "run_id",
    "conversation_id",
    "number",
    "input",
    "timezone",
    "created_at",
    "replaces",
    "client_run_id",
)
_INSERT_RUN = insert(RUNS).values(attempt=1, model_requests=0, input_tokens=0, output_tokens=0)
_BEGAN = bindparam("began_at", type_=UtcDateTime)
_INSERT_RUNNING = _INSERT_RUN.values(
    status="running", lease_expires_at=LEASED, attempt_began_at=_BEGAN, timed_attempt=1
)
_INSERT_QUEUED = _INSERT_RUN.values(status="queued", queued_at=_BEGAN)
_ACTIVE_RUN = select(*COLUMNS).where(
    RUNS.c.user_id == bindparam("of_user"),
    RUNS.c.conversation_id == bindparam("of_conversation"),
    RUNS.c.status.in_(ACTIVE),
)
_QUEUED_RUNS = (
    select(*COLUMNS)
    .where(
        RUNS.c.user_id == bindparam("of_user"),
        RUNS.c.conversation_id == bindparam("of_conversation"),
        RUNS.c.status == "queued",
    )
    .order_by(RUNS.c.number)
)
_END: Final[dict[RunStatus, Update]] = {
    status: move(status)
    .where(owned())
    .values(
        lease_expires_at=None,
        approval_expires_at=None,
        ended_at=bindparam("at", type_=UtcDateTime),
        error_type=bindparam("new_error_type", type_=Text),
        error_detail=bindparam("new_error_detail", type_=Text),
        unsettled=bindparam("new_unsettled", type_=Boolean),
        model_requests=bindparam("new_requests", type_=BigInteger),
        input_tokens=bindparam("new_input_tokens", type_=BigInteger),
        output_tokens=bindparam("new_output_tokens", type_=BigInteger),
        # Of a run that ends while it waits, what was measured is in its row since it was paused.
        measured=func.coalesce(bindparam("new_measured", type_=Text), RUNS.c.measured),
    )
    for status in ("completed", "failed", "cancelled")
}
_RUN = select(*COLUMNS).where(RUNS.c.user_id == bindparam("of_user"))
_ONE = _RUN.where(RUNS.c.run_id == bindparam("of_run"))
_PAGE = (
    _RUN.where(RUNS.c.conversation_id == bindparam("of_conversation"), RUNS.c.number < bindparam("below"))
    .order_by(RUNS.c.number.desc())
    .limit(bindparam("at_most"))
)


async def insert_run(connection: Connection, run: RunRecord, lease_seconds: float) -> None:
    """Write a new run: running under a lease that begins now, or queued without one."""
    values: dict[str, Any] = {name: getattr(run, name) for name in _INSERTED} | {"began_at": run.created_at}
    if run.status == "queued":
        await connection.execute(_INSERT_QUEUED, values)
    else:
        await connection.execute(_INSERT_RUNNING, {**values, "lease_seconds": lease_seconds})


async def active_run(connection: Connection, user_id: str, conversation_id: int) -> RunRecord | None:
    """Return the run that the conversation waits for."""
    found = await connection.execute(_ACTIVE_RUN, {"of_user": user_id, "of_conversation": conversation_id})
    row = found.first()
    return None if row is None else RunRecord(*row)


async def queued_runs(connection: Connection, user_id: str, conversation_id: int) -> list[RunRecord]:
    """Return the runs that wait for the active one, the oldest first."""
    found = await connection.execute(_QUEUED_RUNS, {"of_user": user_id, "of_conversation": conversation_id})
    return [RunRecord(*row) for row in found]


async def is_being_replaced(connection: Connection, user_id: str, conversation_id: int, run_id: str) -> bool:
    """Tell whether a run that has not ended is to take this one's place."""
    found = await connection.execute(
        select(RUNS.c.run_id).where(
            RUNS.c.user_id == user_id,
            RUNS.c.conversation_id == conversation_id,
            RUNS.c.status.in_(("queued", *ACTIVE)),
            RUNS.c.replaces == run_id,
        )
    )
    return found.first() is not None


async def pause(
    connection: Connection, key: RunKey, expires_seconds: float, usage: Usage, measured: Measured | None = None
) -> float | None:
    """Move a run to `requires_action` until its calls are decided on, and return when that expires.

    None, and nothing changed, where the run is not the key's any more or is to stop.
    """
    paused = await connection.execute(
        move("requires_action")
        .where(owned(), RUNS.c.cancel_requested.is_(False))
        .values(
            lease_expires_at=None,
            approval_expires_at=epoch_now() + expires_seconds,
            paused_at=dt.datetime.now(dt.UTC),
            measured=measured and measured.dump(),
            model_requests=usage.requests,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
        )
        .returning(RUNS.c.approval_expires_at),
        owner(key),
    )
    expires: float | None = paused.scalar_one_or_none()
    return expires


async def request_cancel(connection: Connection, key: RunKey) -> bool:
    """Ask a running run's owner, whoever that will be, to stop; False where it is not running."""
    asked = await connection.execute(
        update(RUNS)
        .where(RUNS.c.user_id == key.user_id, RUNS.c.run_id == key.run_id, RUNS.c.status == "running")
        .values(cancel_requested=True)
    )
    return asked.rowcount == 1


async def end(
    connection: Connection,
    key: RunKey,
    status: RunStatus,
    now: dt.datetime,
    usage: Usage,
    *,
    error_type: str | None = None,
    error_detail: str | None = None,
    unsettled: bool = False,
    measured: Measured | None = None,
) -> bool:
    """Move the key's run to a state in which it rests; False where it is not the key's, or has ended."""
    ended = await connection.execute(
        _END[status],
        {
            **owner(key),
            "at": now,
            "new_error_type": error_type,
            "new_error_detail": error_detail,
            "new_unsettled": unsettled,
            "new_requests": usage.requests,
            "new_input_tokens": usage.input_tokens,
            "new_output_tokens": usage.output_tokens,
            "new_measured": measured and measured.dump(),
        },
    )
    return ended.rowcount == 1


async def settled(connection: Connection, key: RunKey) -> None:
    """Note that no call of an ended run is without its outcome any more; of one that has gone on, nothing is known."""
    await connection.execute(update(RUNS).where(owned()).values(unsettled=False), owner(key))


async def mark_replaced(connection: Connection, user_id: str, run_id: str, *, replaced: bool = True) -> None:
    """Leave a run out of transcript and history from now on, or let it stand there again."""
    await connection.execute(
        update(RUNS).where(RUNS.c.user_id == user_id, RUNS.c.run_id == run_id).values(replaced=replaced)
    )


async def get(connection: Connection, user_id: str, run_id: str) -> RunRecord | None:
    """Return one run."""
    row = (await connection.execute(_ONE, {"of_user": user_id, "of_run": run_id})).first()
    return None if row is None else RunRecord(*row)


async def page(
    connection: Connection, user_id: str, conversation_id: int, limit: int, after: int | None = None
) -> list[RunRecord]:
    """Return up to `limit` runs of a conversation, newest first, those with numbers below `after`."""
    below = NUMBER_MAX if after is None else after
    parameters = {"of_user": user_id, "of_conversation": conversation_id, "below": below, "at_most": limit}
    return [RunRecord(*row) for row in await connection.execute(_PAGE, parameters)]
