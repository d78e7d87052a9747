"""All SQL of conversations and messages. Every function names its user.

The statements of a turn are built once, with parameters: building one costs more than sending it.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from sqlalchemy import Select, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from chat_api.conversations.models import ConversationRow, MessageRow, UserRow
from chat_api.database import Connection, table_of
from chat_api.runs.models import RunRow

USERS = table_of(UserRow)
CONVERSATIONS = table_of(ConversationRow)
MESSAGES = table_of(MessageRow)
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


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message."""

    message_id: int
    run_id: str
    role: str
    content: str
    created_at: dt.datetime


_APPEND = (
    update(CONVERSATIONS)
    .where(
        CONVERSATIONS.c.user_id == bindparam("of_user"),
        CONVERSATIONS.c.conversation_id == bindparam("of_conversation"),
    )
    .values(last_message_id=CONVERSATIONS.c.last_message_id + 2)
    .returning(CONVERSATIONS.c.last_message_id)
)
_SET_LAST_RUN = update(CONVERSATIONS).where(
    CONVERSATIONS.c.user_id == bindparam("of_user"),
    CONVERSATIONS.c.conversation_id == bindparam("of_conversation"),
)
_LOCK = (
    select(CONVERSATIONS.c.conversation_id)
    .where(
        CONVERSATIONS.c.user_id == bindparam("of_user"),
        CONVERSATIONS.c.conversation_id == bindparam("of_conversation"),
    )
    .with_for_update()
)
_MESSAGES = select(
    MESSAGES.c.message_id, MESSAGES.c.run_id, MESSAGES.c.role, MESSAGES.c.content, MESSAGES.c.created_at
).where(MESSAGES.c.user_id == bindparam("of_user"), MESSAGES.c.conversation_id == bindparam("of_conversation"))


def _next_conversation(dialect: ModuleType) -> ReturningInsert[int]:
    counted: ReturningInsert[int] = (
        dialect.insert(USERS)
        .values(last_conversation_id=1)
        .on_conflict_do_update(
            index_elements=[USERS.c.user_id],
            set_={"last_conversation_id": USERS.c.last_conversation_id + 1},
        )
        .returning(USERS.c.last_conversation_id)
    )
    return counted


_NEXT_CONVERSATION = {"postgresql": _next_conversation(postgresql), "sqlite": _next_conversation(sqlite)}


async def create(connection: Connection, user_id: str, title: str, run_id: str, now: dt.datetime) -> int:
    """Make a conversation for its first run and return its number, the user's next."""
    counted = await connection.execute(_NEXT_CONVERSATION[connection.dialect.name], {"user_id": user_id})
    conversation_id: int = counted.scalar_one()
    await connection.execute(
        insert(CONVERSATIONS),
        {
            "user_id": user_id,
            "conversation_id": conversation_id,
            "title": title,
            "created_at": now,
            "updated_at": now,
            "last_message_id": 0,
            "last_run_id": run_id,
        },
    )
    return conversation_id


async def lock(connection: Connection, user_id: str, conversation_id: int) -> bool:
    """Lock a conversation until the transaction ends; False where the user has no such conversation."""
    found = await connection.execute(_LOCK, {"of_user": user_id, "of_conversation": conversation_id})
    return found.first() is not None


async def set_last_run(
    connection: Connection, user_id: str, conversation_id: int, run_id: str, now: dt.datetime
) -> None:
    """Note the conversation's newest run."""
    await connection.execute(
        _SET_LAST_RUN,
        {"of_user": user_id, "of_conversation": conversation_id, "last_run_id": run_id, "updated_at": now},
    )


async def take_message_numbers(
    connection: Connection, user_id: str, conversation_id: int, now: dt.datetime
) -> int | None:
    """Take two message numbers and return the second; None where the conversation is gone.

    The conversation stays locked until the transaction ends, so that numbers follow the order of commits.
    """
    numbered = await connection.execute(
        _APPEND, {"of_user": user_id, "of_conversation": conversation_id, "updated_at": now}
    )
    number: int | None = numbered.scalar_one_or_none()
    return number


async def insert_pair(
    connection: Connection,
    user_id: str,
    conversation_id: int,
    run_id: str,
    *,
    question: str,
    asked_at: dt.datetime,
    answer: str,
    answered_at: dt.datetime,
    answer_id: int,
) -> None:
    """Write a run's two messages under the numbers that were taken for them."""
    common = {"user_id": user_id, "conversation_id": conversation_id, "run_id": run_id}
    await connection.execute(
        insert(MESSAGES),
        [
            {**common, "message_id": answer_id - 1, "role": "user", "content": question, "created_at": asked_at},
            {**common, "message_id": answer_id, "role": "assistant", "content": answer, "created_at": answered_at},
        ],
    )


async def answer_of(connection: Connection, user_id: str, run_id: str) -> int | None:
    """Return the number of a run's answer; None where none was written."""
    found = await connection.execute(
        select(MESSAGES.c.message_id).where(
            MESSAGES.c.user_id == user_id, MESSAGES.c.run_id == run_id, MESSAGES.c.role == "assistant"
        )
    )
    number: int | None = found.scalar_one_or_none()
    return number


async def page(
    connection: Connection, user_id: str, limit: int, after: tuple[dt.datetime, int] | None
) -> Sequence[ConversationRecord]:
    """Return up to `limit` conversations, the most recently updated first, those behind `after`."""
    key = tuple_(CONVERSATIONS.c.updated_at, CONVERSATIONS.c.conversation_id)
    query = _conversations(user_id).order_by(CONVERSATIONS.c.updated_at.desc(), CONVERSATIONS.c.conversation_id.desc())
    if after is not None:
        query = query.where(key < tuple_(*after))
    return [ConversationRecord(*row) for row in await connection.execute(query.limit(limit))]


async def get(connection: Connection, user_id: str, conversation_id: int) -> ConversationRecord | None:
    """Return one conversation."""
    query = _conversations(user_id).where(CONVERSATIONS.c.conversation_id == conversation_id)
    row = (await connection.execute(query)).first()
    return None if row is None else ConversationRecord(*row)


async def rename(connection: Connection, user_id: str, conversation_id: int, title: str) -> bool:
    """Give a conversation another title; False where the user has no such conversation."""
    renamed = await connection.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.user_id == user_id, CONVERSATIONS.c.conversation_id == conversation_id)
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


async def messages(
    connection: Connection,
    user_id: str,
    conversation_id: int,
    limit: int,
    *,
    after: int | None = None,
    ascending: bool = False,
) -> Sequence[MessageRecord]:
    """Return up to `limit` messages in the order of their numbers, newest first unless `ascending`."""
    number = MESSAGES.c.message_id
    query = _MESSAGES.order_by(number.asc() if ascending else number.desc()).limit(limit)
    if after is not None:
        query = query.where(number > after if ascending else number < after)
    parameters = {"of_user": user_id, "of_conversation": conversation_id}
    return [MessageRecord(*row) for row in await connection.execute(query, parameters)]


def _conversations(user_id: str) -> Select[int, str, dt.datetime, dt.datetime, str | None, str | None]:
    return (
        select(
            CONVERSATIONS.c.conversation_id,
            CONVERSATIONS.c.title,
            CONVERSATIONS.c.created_at,
            CONVERSATIONS.c.updated_at,
            RUNS.c.run_id,
            RUNS.c.status,
        )
        .outerjoin(
            RUNS,
            (RUNS.c.user_id == CONVERSATIONS.c.user_id) & (RUNS.c.run_id == CONVERSATIONS.c.last_run_id),
        )
        .where(CONVERSATIONS.c.user_id == user_id)
    )
