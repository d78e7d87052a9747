"""All SQL of messages. Every function names its user.

The statements of a turn are built once, with parameters: building one costs more than sending it.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, String, Text, bindparam, delete, insert, select

from chat_api.database import Connection, UtcDateTime, table_of
from chat_api.messages.models import MessageRow
from chat_api.runs.models import RunRow

MESSAGES = table_of(MessageRow)
RUNS = table_of(RunRow)


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message."""

    message_id: int
    run_id: str
    role: str
    content: str
    created_at: dt.datetime


_MESSAGES = (
    select(MESSAGES.c.message_id, MESSAGES.c.run_id, MESSAGES.c.role, MESSAGES.c.content, MESSAGES.c.created_at)
    .join(RUNS, (RUNS.c.user_id == MESSAGES.c.user_id) & (RUNS.c.run_id == MESSAGES.c.run_id))
    .where(
        MESSAGES.c.user_id == bindparam("of_user"),
        MESSAGES.c.conversation_id == bindparam("of_conversation"),
        RUNS.c.replaced.is_(False),
    )
)
_COMMON = {
    "user_id": bindparam("of_user", type_=String),
    "conversation_id": bindparam("of_conversation", type_=BigInteger),
    "run_id": bindparam("of_run", type_=String),
}
# Both rows in one statement: a statement that is sent once for each row costs as much for each.
_INSERT_PAIR = insert(MESSAGES).values(
    [
        {
            **_COMMON,
            "message_id": bindparam("question_id", type_=BigInteger),
            "role": "user",
            "content": bindparam("question", type_=Text),
            "created_at": bindparam("asked_at", type_=UtcDateTime),
        },
        {
            **_COMMON,
            "message_id": bindparam("answer_id", type_=BigInteger),
            "role": "assistant",
            "content": bindparam("answer", type_=Text),
            "created_at": bindparam("answered_at", type_=UtcDateTime),
        },
    ]
)
_ANSWERS = select(MESSAGES.c.run_id, MESSAGES.c.message_id, MESSAGES.c.content).where(
    MESSAGES.c.user_id == bindparam("of_user"),
    MESSAGES.c.run_id.in_(bindparam("of_runs", expanding=True)),
    MESSAGES.c.role == "assistant",
)


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
    await connection.execute(
        _INSERT_PAIR,
        {
            "of_user": user_id,
            "of_conversation": conversation_id,
            "of_run": run_id,
            "question_id": answer_id - 1,
            "question": question,
            "asked_at": asked_at,
            "answer_id": answer_id,
            "answer": answer,
            "answered_at": answered_at,
        },
    )


async def answers(connection: Connection, user_id: str, run_ids: Collection[str]) -> dict[str, tuple[int, str]]:
    """Return number and text of the answers of runs that have one, by run."""
    if not run_ids:
        return {}
    found = await connection.execute(_ANSWERS, {"of_user": user_id, "of_runs": list(run_ids)})
    return {run_id: (message_id, content) for run_id, message_id, content in found}


async def remove_pair(connection: Connection, user_id: str, run_id: str) -> None:
    """Delete the messages of a run that goes on. Their numbers are not used again."""
    await connection.execute(delete(MESSAGES).where(MESSAGES.c.user_id == user_id, MESSAGES.c.run_id == run_id))


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
