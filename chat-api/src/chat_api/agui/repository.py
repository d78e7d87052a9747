"""All SQL of AG-UI threads: conversations by the names that clients gave them. Every function names its user."""

from typing import Final

from sqlalchemy import bindparam, select

from chat_api.conversations.models import ConversationRow
from chat_api.database import Connection, table_of
from chat_api.journal.models import RunEventRow
from chat_api.journal.records import StoredEvent

CONVERSATIONS = table_of(ConversationRow)
EVENTS = table_of(RunEventRow)

BOUNDARY: Final = '{"type":"RUN_'
"""How the text of every event begins that opens or closes a run, and no other's."""

_CONVERSATION = select(CONVERSATIONS.c.conversation_id).where(
    CONVERSATIONS.c.user_id == bindparam("of_user"),
    CONVERSATIONS.c.client_thread_id == bindparam("of_thread"),
    CONVERSATIONS.c.deleted_at.is_(None),
)
_BOUNDARIES = (
    select(EVENTS.c.n, EVENTS.c.data)
    .where(
        EVENTS.c.user_id == bindparam("of_user"),
        EVENTS.c.run_id == bindparam("of_run"),
        EVENTS.c.data.startswith(BOUNDARY, autoescape=True),
    )
    .order_by(EVENTS.c.n)
)


async def conversation_of(connection: Connection, user_id: str, thread_id: str) -> int | None:
    """Return the number of the conversation to which a client gave this name; None where it gave it to none."""
    found = await connection.execute(_CONVERSATION, {"of_user": user_id, "of_thread": thread_id})
    number: int | None = found.scalar_one_or_none()
    return number


async def boundaries(connection: Connection, user_id: str, run_id: str) -> list[StoredEvent]:
    """Return the stored events that open or close a run, over all its interruptions, in order."""
    found = await connection.execute(_BOUNDARIES, {"of_user": user_id, "of_run": run_id})
    return [StoredEvent(*row) for row in found]
