"""Conversations written straight into chat-api's database: thousands of messages without a turn for each."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chat_api.conversations.models import ConversationRow, UserRow
from chat_api.database import Table, table_of
from chat_api.messages.models import MessageRow
from chat_api.runs.models import RunRow
from sqlalchemy import create_engine, insert
from uuid_utils import uuid7

_BETWEEN_TURNS: Final = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Past:
    """A conversation that was held: its title, and questions with their answers."""

    title: str
    turns: Sequence[tuple[str, str]] = (("hello", "Hello."),)
    age: dt.timedelta = dt.timedelta()
    """Time since then, on top of what the turns after it took."""


def seed(database_url: str, user_id: str, conversations: Sequence[Past]) -> None:
    """Write the conversations of a user who has none so far; they are numbered from 1, the last is the newest."""
    rows: dict[type[Table], list[dict[str, Any]]] = {UserRow: [], ConversationRow: [], RunRow: [], MessageRow: []}
    rows[UserRow] = [{"user_id": user_id, "last_conversation_id": len(conversations)}]
    now = dt.datetime.now(dt.UTC) - sum(len(past.turns) for past in conversations) * _BETWEEN_TURNS
    for number, past in enumerate(conversations, 1):
        owner = {"user_id": user_id, "conversation_id": number}
        began, run_id = now - past.age, ""
        for turn, (question, answer) in enumerate(past.turns, 1):
            run_id = str(uuid7())
            now += _BETWEEN_TURNS
            rows[RunRow].append(
                {
                    **owner,
                    "run_id": run_id,
                    "number": turn,
                    "status": "completed",
                    "input": question,
                    "timezone": "UTC",
                    "attempt": 1,
                    "model_requests": 1,
                    "input_tokens": 1,
                    "output_tokens": 1,
                    "events_kept": False,
                    "created_at": now - past.age,
                    "ended_at": now - past.age,
                }
            )
            rows[MessageRow] += [
                {
                    **owner,
                    "message_id": 2 * turn - 1 + place,
                    "run_id": run_id,
                    "role": role,
                    "content": content,
                    "created_at": now - past.age,
                }
                for place, (role, content) in enumerate((("user", question), ("assistant", answer)))
            ]
        rows[ConversationRow].append(
            {
                **owner,
                "title": past.title,
                "created_at": began,
                "updated_at": now - past.age,
                "last_message_id": 2 * len(past.turns),
                "last_run_id": run_id,
                "last_run_number": len(past.turns),
            }
        )
    _write(database_url, rows.items())


def _write(database_url: str, rows: Iterable[tuple[type[Table], list[dict[str, Any]]]]) -> None:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            for model, values in rows:
                connection.execute(insert(table_of(model)), values)
    finally:
        engine.dispose()
