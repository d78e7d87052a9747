"""The journal on real databases: runs as rows, without a service around them."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from chat_api.agent.turn import ModelStep, PastCall, ToolCall, Usage
from chat_api.conversations.models import ConversationRow, UserRow
from chat_api.database import Connection, Database, table_of
from chat_api.journal import repository
from chat_api.journal.keys import RunKey
from chat_api.journal.log import RunLog
from chat_api.journal.models import RunEventRow
from chat_api.journal.records import StoredEvent, ToolCallRecord
from chat_api.journal.writer import JournalWriter
from chat_api.runs.models import RunRow
from chat_api.usage.models import DailyUsageRow
from sqlalchemy import insert, select, update

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ADD_MILK = ToolCall(0, 0, "add_task", '{"title":"milk \\"whole\\""}')
COST = Usage(1, 10, 3)
WAIT_SECONDS = 20
"""Longest time that a test waits for anything."""

NewRun = Callable[..., Awaitable[RunKey]]
RUNS = table_of(RunRow)


@pytest_asyncio.fixture(loop_scope="module")
async def new_run(database: Database, user_id: str) -> NewRun:
    """Makes running runs: `await new_run()`, of another user where one is named."""

    async def make(user: str = user_id, **columns: Any) -> RunKey:
        return await insert_run(database, user, **columns)

    return make


async def insert_run(database: Database, user: str, **columns: Any) -> RunKey:
    """Write a run in a conversation of its own."""
    async with database.writing() as connection:
        users = table_of(UserRow)
        held = (await connection.execute(select(users).where(users.c.user_id == user))).first()
        number = 1 if held is None else held.last_conversation_id + 1
        if held is None:
            await connection.execute(insert(users).values(user_id=user, last_conversation_id=number))
        else:
            await connection.execute(update(users).where(users.c.user_id == user).values(last_conversation_id=number))
        await connection.execute(
            insert(table_of(ConversationRow)).values(
                user_id=user, conversation_id=number, title="", created_at=NOW, updated_at=NOW, last_message_id=0
            )
        )
        run = {
            "user_id": user,
            "run_id": str(uuid.uuid4()),
            "conversation_id": number,
            "status": "running",
            "attempt": 1,
            "input": "Hello",
            "timezone": "UTC",
            "model_requests": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "created_at": NOW,
            **columns,
        }
        await connection.execute(insert(RUNS).values(**run))
    return RunKey(user, run["run_id"], run["attempt"])


async def set_run(database: Database, key: RunKey, **columns: Any) -> None:
    """Change a run's row as another process would."""
    async with database.writing() as connection:
        await set_run_in(connection, key, **columns)


async def set_run_in(connection: Connection, key: RunKey, **columns: Any) -> None:
    """Change a run's row in a transaction of one's own."""
    await connection.execute(
        update(RUNS).where(RUNS.c.user_id == key.user_id, RUNS.c.run_id == key.run_id).values(**columns)
    )


async def take_over(database: Database, key: RunKey) -> RunKey:
    """Claim a run as a new owner does."""
    taken = replace(key, attempt=key.attempt + 1)
    await set_run(database, key, attempt=taken.attempt)
    return taken


async def stored_events(database: Database, key: RunKey) -> list[StoredEvent]:
    """Return all events of a run that the database has."""
    events = table_of(RunEventRow)
    async with database.reading() as connection:
        rows = await connection.execute(
            select(events.c.n, events.c.data)
            .where(events.c.user_id == key.user_id, events.c.run_id == key.run_id)
            .order_by(events.c.n)
        )
        return [StoredEvent(*row) for row in rows]


async def stored_calls(database: Database, key: RunKey) -> list[ToolCallRecord]:
    """Return all tool calls of a run that the database has."""
    async with database.reading() as connection:
        return (await repository.tool_calls(connection, key.user_id, [key.run_id])).get(key.run_id, [])


async def charged(database: Database, user: str) -> Usage:
    """Return what a user was charged with, over all days."""
    days = table_of(DailyUsageRow)
    async with database.reading() as connection:
        rows = await connection.execute(
            select(days.c.model_requests, days.c.input_tokens, days.c.output_tokens).where(days.c.user_id == user)
        )
        return sum((Usage(*row) for row in rows), Usage())


def step(*calls: ToolCall, items: str = "[]") -> ModelStep:
    """Return a response that asks for calls, none of which has an outcome."""
    return ModelStep(calls[0].response_ordinal, items, [PastCall(call, None) for call in calls])


@asynccontextmanager
async def running_writer(database: Database) -> AsyncIterator[JournalWriter]:
    """Run a writer as a process does."""
    writer = JournalWriter(database)
    async with writer.running():
        yield writer


def owned_log(writer: JournalWriter, key: RunKey, next_n: int = 1, **options: Any) -> RunLog:
    """Return the log of a run that this process owns beyond doubt."""
    return RunLog(writer, key, next_n, lambda: True, **options)


@pytest.fixture
def other_user() -> str:
    """Another user whom no other test knows."""
    return f"other-{uuid.uuid4().hex}"
