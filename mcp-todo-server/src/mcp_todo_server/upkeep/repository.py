"""Statements over the rows of all users."""

import datetime as dt

from sqlalchemy import delete, literal_column, tuple_, update
from sqlmodel import col, select

from mcp_todo_server.database import Session
from mcp_todo_server.effects.models import EffectRow
from mcp_todo_server.tasks.models import TaskRow
from mcp_todo_server.tasks.words import words


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


async def split_texts(session: Session, limit: int) -> int:
    """Give tasks that the service's previous release wrote their words, `limit` at most, and return how many.

    Those that another transaction is just changing are left to the next time.
    """
    unsplit = (
        select(TaskRow.user_id, TaskRow.task_id, TaskRow.title, TaskRow.description)
        # Not as a parameter: the index of these rows serves this very text.
        .where(col(TaskRow.search_text) != literal_column("''"))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = [
        {"user_id": user, "task_id": number, "words": words(user, number, title, description), "search_text": ""}
        for user, number, title, description in await session.exec(unsplit)
    ]
    if rows:
        await session.exec(update(TaskRow), params=rows)
    return len(rows)
