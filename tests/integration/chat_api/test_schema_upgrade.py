"""The way from one schema to the next and back, with rows in it, and old code that writes beside the new."""

import datetime as dt

from alembic import command
from chat_api import schema
from chat_api.database import Database, create_engine
from chat_api.messages.repository import messages
from chat_api.runs.admission import Admission, NewMessage
from chat_api.runs.ending import Ender
from chat_api.usage.service import Quotas
from sqlalchemy import Connection, DateTime, column, insert, table

from tests.integration.chat_api.conftest import execute_sql
from tests.integration.chat_api.test_schema import check_models, tables

OLD_TIME = dt.datetime(2026, 11, 1, 9, 30, tzinfo=dt.UTC)
OLD_TABLES = {"users", "conversations", "messages", "runs", "tool_calls"}
OLD_ROWS: dict[str, list[dict[str, object]]] = {
    "users": [{"user_id": "ann", "last_conversation_id": 2}],
    "conversations": [
        {
            "user_id": "ann",
            "conversation_id": number,
            "title": "x",
            "created_at": OLD_TIME,
            "updated_at": OLD_TIME,
            "last_message_id": last_message,
            "last_run_id": last_run,
        }
        for number, last_message, last_run in ((1, 4, "1-3"), (2, 2, "2-1"))
    ],
    "runs": [
        {
            "user_id": "ann",
            "run_id": run,
            "conversation_id": int(run[0]),
            "status": status,
            "input": f"q {run}",
            "timezone": "UTC",
            "attempt": 1,
            "model_requests": 1,
            "input_tokens": 5,
            "output_tokens": 7,
            "created_at": OLD_TIME,
            "ended_at": OLD_TIME,
        }
        # Not in their order: that is what their ids are for.
        for run, status in (("1-3", "completed"), ("2-1", "completed"), ("1-1", "completed"), ("1-2", "failed"))
    ],
    "messages": [
        {
            "user_id": "ann",
            "conversation_id": int(run[0]),
            "message_id": number,
            "run_id": run,
            "role": role,
            "content": f"{role[0]} {run}",
            "created_at": OLD_TIME,
        }
        for run, first in (("1-1", 1), ("1-3", 3), ("2-1", 1))
        for number, role in ((first, "user"), (first + 1, "assistant"))
    ],
    "tool_calls": [
        {
            "user_id": "ann",
            "run_id": "1-1",
            "response_ordinal": 0,
            "call_index": 0,
            "tool_name": "list_tasks",
            "arguments": "{}",
            "result": '{"tasks":[]}',
            "is_error": False,
            "requested_at": OLD_TIME,
            "ended_at": OLD_TIME,
        }
    ],
}
"""What chat-api has written by its first schema, with the columns that it had."""
KEPT = (
    "SELECT user_id, conversation_id, title, last_message_id, last_run_id FROM conversations ORDER BY 2",
    "SELECT user_id, run_id, conversation_id, status, input, attempt, input_tokens FROM runs ORDER BY 2",
    "SELECT conversation_id, message_id, run_id, role, content FROM messages ORDER BY 1, 2",
    "SELECT run_id, tool_name, arguments, result FROM tool_calls",
)


async def write_old_rows(url: str) -> None:
    """Write the rows as the first schema's code does."""
    engine = create_engine(url)
    async with engine.begin() as connection:
        for name, rows in OLD_ROWS.items():
            columns = [column(name, DateTime(timezone=True) if name.endswith("_at") else None) for name in rows[0]]
            await connection.execute(insert(table(name, *columns)), rows)
    await engine.dispose()


async def move_schema(url: str, revision: str, *, down: bool = False) -> None:
    """Bring the schema to a revision, up or down."""
    engine = create_engine(url, for_migration=True)
    move = command.downgrade if down else command.upgrade

    def run(connection: Connection) -> None:
        move(schema.alembic_config(connection), revision)

    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


async def test_runs_of_the_first_schema_are_numbered_in_their_order_and_nothing_is_lost(database_url: str) -> None:
    await move_schema(database_url, "0001")
    await write_old_rows(database_url)
    before = [execute_sql(database_url, query) for query in KEPT]
    await schema.migrate(database_url)
    assert [execute_sql(database_url, query) for query in KEPT] == before
    assert execute_sql(database_url, "SELECT run_id, number FROM runs ORDER BY run_id") == [
        ("1-1", 1),
        ("1-2", 2),
        ("1-3", 3),
        ("2-1", 1),
    ]
    counted = execute_sql(
        database_url, "SELECT last_run_number, queued_runs FROM conversations ORDER BY conversation_id"
    )
    assert counted == [(3, 0), (1, 0)]
    await check_models(database_url)


async def test_the_way_back_to_the_first_schema_keeps_its_rows(database_url: str) -> None:
    await move_schema(database_url, "0001")
    await write_old_rows(database_url)
    before = [execute_sql(database_url, query) for query in KEPT]
    await schema.migrate(database_url)
    waiting = (
        "UPDATE runs SET status = 'requires_action', approval_expires_at = 1, ended_at = NULL WHERE run_id = '1-2'"
    )
    execute_sql(database_url, waiting)
    await move_schema(database_url, "0001", down=True)
    # What the first schema's code knows nothing of does not keep a conversation busy for ever.
    assert [execute_sql(database_url, query) for query in KEPT] == before
    error = execute_sql(database_url, "SELECT error_type FROM runs WHERE run_id = '1-2' AND ended_at IS NOT NULL")
    assert error == [("interrupted",)]
    assert await tables(database_url) == {*OLD_TABLES, schema.VERSION_TABLE}
    await schema.migrate(database_url)
    await check_models(database_url)


async def test_code_of_the_first_schema_writes_beside_this_one_and_this_one_goes_on_with_it(database_url: str) -> None:
    """As in a rolling upgrade: the schema is new already, and an old replica still answers."""
    await schema.migrate(database_url)
    await write_old_rows(database_url)
    database = Database(database_url)
    try:
        async with database.reading() as connection:
            shown = await messages(connection, "ann", 1, 10, ascending=True)
        ender = Ender(lease_seconds=15, history_token_budget=1000)
        admission = Admission(
            database, Quotas(database, runs_per_minute=9, tokens_per_day=None), ender, lease_seconds=15
        )
        admitted = await admission.admit("ann", NewMessage("new", conversation_id=1))
    finally:
        await database.close()
    assert [message.content for message in shown] == ["u 1-1", "a 1-1", "u 1-3", "a 1-3"]
    assert admitted.started is not None
    told = {past.run_id: (past.message, past.answer) for past in admitted.started.history}
    assert told == {"1-1": ("q 1-1", "a 1-1"), "1-2": ("q 1-2", ""), "1-3": ("q 1-3", "a 1-3")}
    numbers = "SELECT run_id, number FROM runs WHERE conversation_id = 1 ORDER BY number DESC"
    assert execute_sql(database_url, numbers)[0] == (admitted.run_id, 2)


async def test_the_way_to_measured_times_and_back_keeps_what_was_journalled(database_url: str) -> None:
    await move_schema(database_url, "0002")
    await write_old_rows(database_url)
    journalled = (
        "INSERT INTO model_responses (user_id, run_id, response_ordinal, items, requests, input_tokens, output_tokens,"
        " created_at) SELECT user_id, run_id, 0, '[]', 1, 5, 7, requested_at FROM tool_calls"
    )
    execute_sql(database_url, journalled)
    kept = (*KEPT, "SELECT run_id, response_ordinal, items, input_tokens FROM model_responses")
    before = [execute_sql(database_url, query) for query in kept]
    await schema.migrate(database_url)
    assert [execute_sql(database_url, query) for query in kept] == before
    lost = "INSERT INTO run_attempts (user_id, run_id, attempt, ending) VALUES ('ann', '1-2', 1, 'lost')"
    execute_sql(database_url, lost)
    await move_schema(database_url, "0002", down=True)
    assert [execute_sql(database_url, query) for query in kept] == before
    assert "run_attempts" not in await tables(database_url)
    await schema.migrate(database_url)
    await check_models(database_url)
