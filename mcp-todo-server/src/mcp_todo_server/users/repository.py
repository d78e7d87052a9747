"""All SQL about users."""

import datetime as dt
from functools import cache
from typing import Final

from sqlalchemy import Executable, bindparam, case, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from mcp_todo_server.database import Session, insert_into
from mcp_todo_server.users.models import UserRow

_USERS: Final = UserRow.metadata.tables["users"].c
# Every call begins with these: made once, they take a third of the time.
_TIMEZONE: Final = select(_USERS.timezone).where(_USERS.user_id == bindparam("user_id"))
_TOKENS_VALID_FROM: Final = select(_USERS.tokens_valid_from).where(_USERS.user_id == bindparam("user_id"))


@cache
def _next_number(dialect: str) -> Executable:
    return (
        insert_into(UserRow, dialect)
        .on_conflict_do_update(
            index_elements=[_USERS.user_id],
            set_={"last_task_id": _USERS.last_task_id + 1, "changes": _USERS.changes + 1},
        )
        .returning(_USERS.last_task_id, _USERS.timezone)
    )


class UserRepository:
    """Rows of users, within the caller's session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def timezone(self, user_id: str) -> str | None:
        """Return the user's zone; None for a user without a row."""
        connection = await self._session.connection()
        zone: str | None = await connection.scalar(_TIMEZONE, {"user_id": user_id})
        return zone

    async def tokens_valid_from(self, user_id: str) -> dt.datetime | None:
        """Return the earliest issue time of tokens that still count; None where all do."""
        connection = await self._session.connection()
        valid_from: dt.datetime | None = await connection.scalar(_TOKENS_VALID_FROM, {"user_id": user_id})
        return valid_from

    async def next_task_id(self, user_id: str) -> tuple[int, str]:
        """Take the user's next task number, and return it with the user's zone.

        The row stays locked until the transaction ends, so that numbers are given in the order of commits.
        """
        connection = await self._session.connection()
        new = UserRow(user_id=user_id, last_task_id=1, changes=1)
        result = await connection.execute(_next_number(connection.dialect.name), new.model_dump())
        number, timezone = result.one()
        return number, timezone

    async def note_change(self, user_id: str) -> str | None:
        """Count a change of the user's tasks, and return the user's zone; None for a user without a row.

        The row stays locked until the transaction ends. Whoever changes tasks calls this before locking any of
        them: with one order for all, transactions of several changes never wait for each other in a circle, and
        the counter grows in the order of commits.
        """
        result = await self._session.exec(
            update(UserRow)
            .where(col(UserRow.user_id) == user_id)
            .values(changes=col(UserRow.changes) + 1)
            .returning(col(UserRow.timezone))
        )
        timezone: str | None = result.scalar_one_or_none()
        return timezone

    async def set_timezone(self, user_id: str, timezone: str) -> None:
        """Set the user's zone; the row stays locked until the transaction ends."""
        await self._session.exec(
            self._insert(UserRow(user_id=user_id, timezone=timezone)).on_conflict_do_update(
                index_elements=[col(UserRow.user_id)], set_={"timezone": timezone}
            )
        )

    async def revoke_tokens(self, user_id: str, issued_before: dt.datetime) -> dt.datetime:
        """Refuse the user's tokens issued before that instant, from now on.

        Returns the instant that counts: an earlier revocation that reaches further stays.
        """
        known = col(UserRow.tokens_valid_from)
        result = await self._session.exec(
            self._insert(UserRow(user_id=user_id, tokens_valid_from=issued_before))
            .on_conflict_do_update(
                index_elements=[col(UserRow.user_id)],
                set_={"tokens_valid_from": case((known > issued_before, known), else_=issued_before)},
            )
            .returning(known)
        )
        valid_from: dt.datetime = result.one()[0]
        return valid_from

    def _insert(self, row: UserRow) -> postgresql.Insert | sqlite.Insert:
        return insert_into(UserRow, self._session.get_bind().dialect.name).values(**row.model_dump())
