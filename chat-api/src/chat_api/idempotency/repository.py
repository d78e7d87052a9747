"""All SQL of idempotency keys. Every function names its user."""

import datetime as dt
from dataclasses import dataclass
from types import ModuleType

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from chat_api.database import Connection, table_of
from chat_api.idempotency.models import IdempotencyKeyRow

KEYS = table_of(IdempotencyKeyRow)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a key was used for."""

    request_hash: str
    run_id: str


def _claim(dialect: ModuleType) -> ReturningInsert[str]:
    claimed: ReturningInsert[str] = dialect.insert(KEYS).on_conflict_do_nothing().returning(KEYS.c.run_id)
    return claimed


_CLAIM = {"postgresql": _claim(postgresql), "sqlite": _claim(sqlite)}
_READ = select(KEYS.c.request_hash, KEYS.c.run_id).where(
    KEYS.c.user_id == bindparam("of_user"), KEYS.c.idempotency_key == bindparam("of_key")
)


async def claim(connection: Connection, user_id: str, key: str, use: KeyUse, now: dt.datetime) -> KeyUse | None:
    """Write a key for a run and return None; where it is written already, return what it was used for.

    While another transaction that wrote it has not ended, this waits for it.
    """
    values = {
        "user_id": user_id,
        "idempotency_key": key,
        "request_hash": use.request_hash,
        "run_id": use.run_id,
        "created_at": now,
    }
    if (await connection.execute(_CLAIM[connection.dialect.name], values)).first() is not None:
        return None
    row = (await connection.execute(_READ, {"of_user": user_id, "of_key": key})).one()
    return KeyUse(*row)
