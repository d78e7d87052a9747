"""All SQL of conversations. Every function names its user.

The statements of a turn are built once, with parameters: building one costs more than sending it.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import BigInteger, Integer, Select, String, bindparam, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from chat_api.conversations.models import ConversationRow
from chat_api.database import Connection, UtcDateTime, table_of
from chat_api.runs.models import RunRow
from chat_api.runs.states import ACTIVE

CONVERSATIONS = table_of(ConversationRow)
RUNS = table_of(RunRow)


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """A conversation with the state of its newest run."""

    conversation_id: int
    title: str
    created_at: dt.datetime
    updated_at: dt.datetime
    last_run_id: str | None
    last_run_status: str | None
    active_run_id: str | None


@dataclass(frozen=True, slots=True)
class LockedConversation:
    """What admission needs of a conversation whose row it holds."""

    conversation_id: int
    last_run_id: str | None
    last_run_number: int
    queued_runs: int
    client_thread_id: str | None


@dataclass(frozen=True, slots=True)
class EndingConversation:
    """What the end of a run needs of its conversation, whose row it holds."""

    last_message_id: int
    """The second of the two numbers taken, where messages are written."""
    queued_runs: int
    deleted_at: dt.datetime | None
    client_thread_id: str | None


_END_OF_RUN = (
    update(CONVERSATIONS)
    .where(
        CONVERSATIONS.c.user_id == bindparam("of_user"),
        CONVERSATIONS.c.conversation_id == bindparam("of_conversation"),
    )
    .values(
        last_message_id=CONVERSATIONS.c.last_message_id + bindparam("taken", type_=BigInteger),
        updated_at=bindparam("at", type_=UtcDateTime),
    )
    .returning(
        CONVERSATIONS.c.last_message_id,
        CONVERSATIONS.c.queued_runs,
        CONVERSATIONS.c.deleted_at,
        CONVERSATIONS.c.client_thread_id,
    )
)
_NEW_RUN = (
    update(CONVERSATIONS)
    .where(
        CONVERSATIONS.c.user_id == bindparam("of_user"),
        CONVERSATIONS.c.conversation_id == bindparam("of_conversation"),
    )
    .values(
        last_run_id=bindparam("new_run", type_=String),
        last_run_number=CONVERSATIONS.c.last_run_number + 1,
        queued_runs=CONVERSATIONS.c.queued_runs + bindparam("new_queued", type_=Integer),
        updated_at=bindparam("at", type_=UtcDateTime),
    )
)
_LOCK = (
    select(*(CONVERSATIONS.c[field.name] for field in fields(LockedConversation)))
    .where(CONVERSATIONS.c.user_id == bindparam("of_user"), CONVERSATIONS.c.deleted_at.is_(None))
    .with_for_update()
)
_LOCK_ONE = _LOCK.where(CONVERSATIONS.c.conversation_id == bindparam("of_conversation"))
_LOCK_THREAD = _LOCK.where(CONVERSATIONS.c.client_thread_id == bindparam("of_thread"))


Place = tuple[dt.datetime, int]
"""Where a conversation stands in the list: when it was last updated, and its number."""
_PLACE = (CONVERSATIONS.c.updated_at, CONVERSATIONS.c.conversation_id)


class ThreadTakenError(Exception):
    """The client's name for a conversation was given away a moment ago: it can be looked up now."""


_CREATE = {
    "postgresql": postgresql.insert(CONVERSATIONS).on_conflict_do_nothing().returning(CONVERSATIONS.c.conversation_id),
    "sqlite": sqlite.insert(CONVERSATIONS).on_conflict_do_nothing().returning(CONVERSATIONS.c.conversation_id),
}


async def create(
    connection: Connection,
    user_id: str,
    conversation_id: int,
    title: str,
    run_id: str,
    now: dt.datetime,
    client_thread_id: str | None = None,
) -> None:
    """Make a conversation for its first run.

    Raises:
        ThreadTakenError: Another transaction has just given the client's name to one of the user's conversations.
    """
    made = await connection.execute(
        _CREATE[connection.dialect.name],
        {
            "user_id": user_id,
            "conversation_id": conversation_id,
            "title": title,
            "created_at": now,
            "updated_at": now,
            "last_message_id": 0,
            "last_run_id": run_id,
            "last_run_number": 1,
            "queued_runs": 0,
            "client_thread_id": client_thread_id,
        },
    )
    # Not the count of rows, which the driver does not always know of an INSERT.
    if made.first() is None:
        raise ThreadTakenError


async def lock(connection: Connection, user_id: str, conversation_id: int) -> LockedConversation | None:
    """Lock a conversation until the transaction ends; None where the user has no such conversation."""
    found = await connection.execute(_LOCK_ONE, {"of_user": user_id, "of_conversation": conversation_id})
    row = found.first()
    return None if row is None else LockedConversation(*row)


async def lock_thread(connection: Connection, user_id: str, client_thread_id: str) -> LockedConversation | None:
    """Lock the conversation to which a client gave this name; None where it gave it to none."""
    found = await connection.execute(_LOCK_THREAD, {"of_user": user_id, "of_thread": client_thread_id})
    row = found.first()
    return None if row is None else LockedConversation(*row)


async def add_run(
    connection: Connection, user_id: str, conversation_id: int, run_id: str, now: dt.datetime, *, queued: bool
) -> None:
    """Note the newest run of a conversation that the caller has locked."""
    await connection.execute(
        _NEW_RUN,
        {
            "of_user": user_id,
            "of_conversation": conversation_id,
            "new_run": run_id,
            "new_queued": int(queued),
            "at": now,
        },
    )


async def count_queued(connection: Connection, user_id: str, conversation_id: int, change: int) -> None:
    """Count runs that joined or left the queue of a conversation that the caller has locked."""
    await connection.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.user_id == user_id, CONVERSATIONS.c.conversation_id == conversation_id)
        .values(queued_runs=CONVERSATIONS.c.queued_runs + change)
    )


async def end_run(
    connection: Connection, user_id: str, conversation_id: int, now: dt.datetime, *, messages: int
) -> EndingConversation | None:
    """Lock a conversation, take numbers for so many messages; None where it is gone.

    It stays locked until the transaction ends, so that numbers follow the order of commits.
    """
    taken = await connection.execute(
        _END_OF_RUN, {"of_user": user_id, "of_conversation": conversation_id, "taken": messages, "at": now}
    )
    row = taken.first()
    return None if row is None else EndingConversation(*row)


async def page(connection: Connection, user_id: str, limit: int, after: Place | None) -> Sequence[ConversationRecord]:
    """Return up to `limit` conversations, the most recently updated first, those behind `after`."""
    query = _newest_first(_conversations(user_id), after).limit(limit)
    return [ConversationRecord(*row) for row in await connection.execute(query)]


async def titles(connection: Connection, user_id: str, limit: int, after: Place | None) -> Sequence[tuple[Place, str]]:
    """Return places and titles of what `page` returns."""
    shown = (CONVERSATIONS.c.user_id == user_id, CONVERSATIONS.c.deleted_at.is_(None))
    query = _newest_first(select(*_PLACE, CONVERSATIONS.c.title).where(*shown), after).limit(limit)
    return [((updated_at, number), title) for updated_at, number, title in await connection.execute(query)]


async def some(connection: Connection, user_id: str, numbers: Sequence[int]) -> Sequence[ConversationRecord]:
    """Return the conversations of these numbers, the most recently updated first."""
    query = _conversations(user_id).where(CONVERSATIONS.c.conversation_id.in_(numbers))
    return [ConversationRecord(*row) for row in await connection.execute(_newest_first(query, None))]


async def get(connection: Connection, user_id: str, conversation_id: int) -> ConversationRecord | None:
    """Return one conversation."""
    query = _conversations(user_id).where(CONVERSATIONS.c.conversation_id == conversation_id)
    row = (await connection.execute(query)).first()
    return None if row is None else ConversationRecord(*row)


async def rename(connection: Connection, user_id: str, conversation_id: int, title: str) -> bool:
    """Give a conversation another title; False where the user has no such conversation."""
    renamed = await connection.execute(
        update(CONVERSATIONS)
        .where(
            CONVERSATIONS.c.user_id == user_id,
            CONVERSATIONS.c.conversation_id == conversation_id,
            CONVERSATIONS.c.deleted_at.is_(None),
        )
        .values(title=title)
    )
    return renamed.rowcount == 1


async def remove(connection: Connection, user_id: str, conversation_id: int) -> bool:
    """Delete a conversation with its runs and messages; False where the user has no such conversation."""
    removed = await connection.execute(
        delete(CONVERSATIONS).where(
            CONVERSATIONS.c.user_id == user_id, CONVERSATIONS.c.conversation_id == conversation_id
        )
    )
    return removed.rowcount == 1


async def hide(connection: Connection, user_id: str, conversation_id: int, now: dt.datetime) -> None:
    """Show a conversation no more; what still works in it takes it away when it has ended."""
    await connection.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.user_id == user_id, CONVERSATIONS.c.conversation_id == conversation_id)
        .values(deleted_at=now, client_thread_id=None)
    )


def _newest_first(query: Select[Any], after: Place | None) -> Select[Any]:
    if after is not None:
        query = query.where(tuple_(*_PLACE) < tuple_(*after))
    return query.order_by(*(column.desc() for column in _PLACE))


def _conversations(user_id: str) -> Select[Any]:
    last, active = RUNS.alias("last_run"), RUNS.alias("active_run")
    return (
        select(
            CONVERSATIONS.c.conversation_id,
            CONVERSATIONS.c.title,
            CONVERSATIONS.c.created_at,
            CONVERSATIONS.c.updated_at,
            last.c.run_id,
            last.c.status,
            active.c.run_id,
        )
        .outerjoin(last, (last.c.user_id == CONVERSATIONS.c.user_id) & (last.c.run_id == CONVERSATIONS.c.last_run_id))
        .outerjoin(
            active,
            (active.c.user_id == CONVERSATIONS.c.user_id)
            & (active.c.conversation_id == CONVERSATIONS.c.conversation_id)
            & active.c.status.in_(ACTIVE),
        )
        .where(CONVERSATIONS.c.user_id == user_id, CONVERSATIONS.c.deleted_at.is_(None))
    )
