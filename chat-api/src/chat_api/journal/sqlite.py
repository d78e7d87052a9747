"""Appending to runs' logs on SQLite: the same meaning as `postgresql.append`, in plain statements.

There is one process, and the transaction holds the write lock from its beginning: nothing has to be locked.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from chat_api.database import Connection
from chat_api.journal.keys import RunKey
from chat_api.journal.records import Entry, ResponseRecord

_OWNED: Final = "SELECT 1 FROM runs WHERE user_id = ? AND run_id = ? AND attempt = ? AND status = 'running'"
_EVENT: Final = "INSERT INTO run_events (user_id, run_id, n, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_RESPONSE: Final = """
INSERT INTO model_responses
    (user_id, run_id, response_ordinal, items, requests, input_tokens, output_tokens, created_at,
    attempt, asked_at, first_word_at, previous_stored_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_CALL: Final = """
INSERT INTO tool_calls
    (user_id, run_id, response_ordinal, call_index, tool_name, arguments, result, is_error, approval,
    requested_at, ended_at, attempt)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_USAGE: Final = """
INSERT INTO daily_usage (user_id, day, model_requests, input_tokens, output_tokens) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (user_id, day) DO UPDATE SET
    model_requests = model_requests + excluded.model_requests,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens
"""
_OUTCOME: Final = """
UPDATE tool_calls SET result = ?, is_error = ?, ended_at = ?, attempt = ?, sent_at = ?, previous_stored_at = ?
WHERE user_id = ? AND run_id = ? AND response_ordinal = ? AND call_index = ? AND result IS NULL
"""


async def append(connection: Connection, entries: Sequence[Entry]) -> set[RunKey]:
    """Write entries of different runs; returns the keys that still own theirs. The others' are not written."""
    return {entry.key for entry in entries if await _append(connection, entry)}


async def _append(connection: Connection, entry: Entry) -> bool:
    key = entry.key
    owned = await connection.exec_driver_sql(_OWNED, (key.user_id, key.run_id, key.attempt))
    if owned.first() is None:
        return False
    if entry.events:
        rows: list[Any] = [(key.user_id, key.run_id, event.n, event.data) for event in entry.events]
        await connection.exec_driver_sql(_EVENT, rows)
    for response in entry.responses:
        await _append_response(connection, entry, response)
    for end in entry.outcomes:
        call, outcome = end.call, end.outcome
        await connection.exec_driver_sql(
            _OUTCOME,
            (
                *(outcome.result, outcome.is_error, _instant(end.at), key.attempt),
                *(_instant(end.sent_at), _instant(end.previous_stored_at)),
                *(key.user_id, key.run_id, call.response_ordinal, call.call_index),
            ),
        )
    return True


async def _append_response(connection: Connection, entry: Entry, response: ResponseRecord) -> None:
    key, usage, at = entry.key, response.usage, _instant(response.created_at)
    counts = (usage.requests, usage.input_tokens, usage.output_tokens)
    times = (_instant(response.asked_at), _instant(response.first_word_at), _instant(response.previous_stored_at))
    inserted = await connection.exec_driver_sql(
        _RESPONSE,
        (key.user_id, key.run_id, response.response_ordinal, response.items, *counts, at, key.attempt, *times),
    )
    if inserted.rowcount == 0:
        return
    calls: list[Any] = [
        (
            *(key.user_id, key.run_id, call.response_ordinal, call.call_index, call.tool_name, call.arguments),
            *(call.result, call.is_error, call.approval, at),
            *((None, None) if call.result is None else (at, key.attempt)),
        )
        for call in entry.calls
        if call.response_ordinal == response.response_ordinal
    ]
    await connection.exec_driver_sql(_CALL, calls)
    day = response.created_at.astimezone(dt.UTC).date().isoformat()
    await connection.exec_driver_sql(_USAGE, (key.user_id, day, *counts))


def _instant(at: dt.datetime | None) -> str | None:
    # As `UtcDateTime` has it on SQLite.
    return None if at is None else at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
