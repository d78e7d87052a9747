"""All SQL about effects."""

from sqlalchemy import update
from sqlmodel import col

from mcp_todo_server.database import Session, insert_into
from mcp_todo_server.effects.models import EffectRow


class EffectRepository:
    """Rows of effects, within the caller's session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def claim(self, row: EffectRow) -> bool:
        """Write the row and return True, or return False where its key is written already.

        While another transaction that wrote it has not ended, this waits for it: PostgreSQL at the unique
        key, SQLite at its one write lock, which the transaction took when it began.
        """
        insert = insert_into(EffectRow, self._session.get_bind().dialect.name)
        statement = insert.values(**row.model_dump()).on_conflict_do_nothing().returning(col(EffectRow.effect_key))
        return (await self._session.exec(statement)).first() is not None

    async def read(self, user_id: str, effect_key: str) -> EffectRow | None:
        """Return the effect under this key."""
        return await self._session.get(EffectRow, (user_id, effect_key))

    async def store(self, user_id: str, effect_key: str, result: str) -> None:
        """Write the result under a key that this transaction has claimed."""
        await self._session.exec(
            update(EffectRow)
            .where(col(EffectRow.user_id) == user_id, col(EffectRow.effect_key) == effect_key)
            .values(result=result)
        )
