"""All SQL about users."""

import datetime as dt

from sqlalchemy import case
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from mcp_todo_server.database import Session
from mcp_todo_server.users.models import UserRow


class UserRepository:
    """Rows of users, within the caller's session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def timezone(self, user_id: str) -> str | None:
        """Return the user's zone; None for a user without a row."""
        query = select(UserRow.timezone).where(UserRow.user_id == user_id)
        return (await self._session.exec(query)).first()

    async def tokens_valid_from(self, user_id: str) -> dt.datetime | None:
        """Return the earliest issue time of tokens that still count; None where all do."""
        query = select(UserRow.tokens_valid_from).where(UserRow.user_id == user_id)
        return (await self._session.exec(query)).first()

    async def next_task_id(self, user_id: str) -> tuple[int, str]:
        """Take the user's next task number, and return it with the user's zone.

        The row stays locked until the transaction ends, so that numbers are given in the order of commits.
        """
        new = UserRow(user_id=user_id, last_task_id=1)
        result = await self._session.exec(
            self._insert(new)
            .on_conflict_do_update(
                index_elements=[col(UserRow.user_id)], set_={"last_task_id": col(UserRow.last_task_id) + 1}
            )
            .returning(col(UserRow.last_task_id), col(UserRow.timezone))
        )
        number, timezone = result.one()
        return number, timezone

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
        dialect = self._session.get_bind().dialect.name
        insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
        return insert(UserRow).values(**row.model_dump())
