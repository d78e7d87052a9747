"""Statements over the rows of all users."""

import datetime as dt

from sqlalchemy import delete, tuple_
from sqlmodel import col, select

from mcp_todo_server.database import Session
from mcp_todo_server.effects.models import EffectRow


async def delete_effects(session: Session, created_before: dt.datetime, limit: int) -> int:
    """Delete the oldest effects of before that instant, `limit` at most, and return how many.

    Those that another transaction is just deleting are left to it.
    """
    oldest = (
        select(EffectRow.user_id, EffectRow.effect_key)
        .where(col(EffectRow.created_at) < created_before)
        .order_by(col(EffectRow.created_at))
        .limit(limit)
        .with_for_update(skip_locked=True)
        # As a table of its own it is worked out once, so that the limit holds.
        .cte("oldest")
    )
    statement = (
        delete(EffectRow)
        .where(
            tuple_(col(EffectRow.user_id), col(EffectRow.effect_key)).in_(select(oldest.c.user_id, oldest.c.effect_key))
        )
        # Python's SQLite does not count the rows of a statement that begins with a table of its own.
        .returning(col(EffectRow.effect_key))
        # The session holds no such row that it would have to be told of.
        .execution_options(synchronize_session=False)
    )
    return len((await session.exec(statement)).all())
