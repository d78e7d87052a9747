"""All SQL of usage. Every function names its user."""

import datetime as dt
from dataclasses import dataclass
from types import ModuleType

from sqlalchemy import Integer, bindparam, case, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from chat_api.agent.turn import Usage
from chat_api.conversations.models import UserRow
from chat_api.database import Connection, table_of
from chat_api.usage.models import DailyUsageRow

USERS = table_of(UserRow)
DAILY_USAGE = table_of(DailyUsageRow)


@dataclass(frozen=True, slots=True)
class RunCount:
    """A user's counters after a run was counted."""

    last_conversation_id: int
    runs_in_minute: int


def _count_run(dialect: ModuleType) -> ReturningInsert[int, int]:
    new_conversations = bindparam("new_conversations", type_=Integer)
    new = dialect.insert(USERS).values(last_conversation_id=new_conversations, runs_in_minute=1)
    # Minutes never run backwards here: replicas whose clocks differ would begin the count anew at every turn.
    later = new.excluded.minute > USERS.c.minute
    counted: ReturningInsert[int, int] = new.on_conflict_do_update(
        index_elements=[USERS.c.user_id],
        set_={
            "last_conversation_id": USERS.c.last_conversation_id + new.excluded.last_conversation_id,
            "minute": case((later, new.excluded.minute), else_=USERS.c.minute),
            "runs_in_minute": case((later, 1), else_=USERS.c.runs_in_minute + 1),
        },
    ).returning(USERS.c.last_conversation_id, USERS.c.runs_in_minute)
    return counted


def _add(dialect: ModuleType) -> ReturningInsert[int]:
    new = dialect.insert(DAILY_USAGE)
    added: ReturningInsert[int] = new.on_conflict_do_update(
        index_elements=[DAILY_USAGE.c.user_id, DAILY_USAGE.c.day],
        set_={
            name: DAILY_USAGE.c[name] + new.excluded[name]
            for name in ("model_requests", "input_tokens", "output_tokens")
        },
    )
    return added


_COUNT_RUN = {"postgresql": _count_run(postgresql), "sqlite": _count_run(sqlite)}
_ADD = {"postgresql": _add(postgresql), "sqlite": _add(sqlite)}
_DAY = select(DAILY_USAGE.c.model_requests, DAILY_USAGE.c.input_tokens, DAILY_USAGE.c.output_tokens).where(
    DAILY_USAGE.c.user_id == bindparam("of_user"), DAILY_USAGE.c.day == bindparam("of_day")
)
_MINUTE = select(USERS.c.minute, USERS.c.runs_in_minute).where(USERS.c.user_id == bindparam("of_user"))


async def count_run(connection: Connection, user_id: str, minute: int, *, new_conversation: bool) -> RunCount:
    """Count one more run of the user in this minute (since the epoch), and one more conversation where it is new."""
    counted = await connection.execute(
        _COUNT_RUN[connection.dialect.name],
        {"user_id": user_id, "minute": minute, "new_conversations": int(new_conversation)},
    )
    return RunCount(*counted.one())


async def runs_in_minute(connection: Connection, user_id: str, minute: int) -> int:
    """Return how many runs the user has begun in this minute (since the epoch)."""
    row = (await connection.execute(_MINUTE, {"of_user": user_id})).first()
    return 0 if row is None or row[0] < minute else int(row[1])


async def add(connection: Connection, user_id: str, day: dt.date, usage: Usage) -> None:
    """Count what model calls have cost."""
    await connection.execute(
        _ADD[connection.dialect.name],
        {
            "user_id": user_id,
            "day": day,
            "model_requests": usage.requests,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
        },
    )


async def of_day(connection: Connection, user_id: str, day: dt.date) -> Usage:
    """Return what the user's model calls of a day (UTC) have cost."""
    row = (await connection.execute(_DAY, {"of_user": user_id, "of_day": day})).first()
    return Usage() if row is None else Usage(*row)
