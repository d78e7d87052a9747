"""The one statement by which a process appends to its runs' logs on PostgreSQL.

It is its own transaction: one round trip, one commit, for whatever all runs have gathered. `held` locks the runs
that still belong to their owners, in key order, so that nobody claims one of them before the rows are in, and two
processes never wait for each other in a circle. Everything else is joined to it. A row that is there already is one
of the same attempt, from a statement whose answer was lost: it is left alone.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from chat_api.database import Connection
from chat_api.journal.keys import RunKey
from chat_api.journal.records import Entry, StoredEvent

_HELD: Final = """
held AS MATERIALIZED (
    SELECT mine.place, runs.user_id, runs.run_id, runs.attempt
    FROM unnest(%(users)s::text[], %(runs)s::text[], %(attempts)s::int[])
        WITH ORDINALITY AS mine (user_id, run_id, attempt, place)
    JOIN runs ON runs.user_id = mine.user_id AND runs.run_id = mine.run_id
    WHERE runs.attempt = mine.attempt AND runs.status = 'running'
    ORDER BY runs.user_id, runs.run_id
    FOR SHARE OF runs
)"""
_EVENTS: Final = """
events AS (
    INSERT INTO run_events (user_id, run_id, n, data)
    SELECT held.user_id, held.run_id, new.n, new.data
    FROM unnest(%(event_places)s::int[], %(event_ns)s::int[], %(event_data)b::text[]) AS new (place, n, data)
    JOIN held ON held.place = new.place
    ON CONFLICT DO NOTHING
)"""
_RESPONSES: Final = """
responses AS (
    INSERT INTO model_responses (
        user_id, run_id, response_ordinal, items, requests, input_tokens, output_tokens, created_at,
        attempt, asked_at, first_word_at, previous_stored_at
    )
    SELECT
        held.user_id, held.run_id, new.ordinal, new.items, new.requests, new.tokens_in, new.tokens_out, new.at,
        held.attempt, new.asked_at, new.first_word_at, new.previous_stored_at
    FROM unnest(
        %(response_places)s::int[], %(response_ordinals)s::int[], %(response_items)b::text[],
        %(response_requests)s::int[], %(response_tokens_in)s::bigint[], %(response_tokens_out)s::bigint[],
        %(response_times)s::timestamptz[], %(response_asked)s::timestamptz[], %(response_words)s::timestamptz[],
        %(response_previous)s::timestamptz[]
    ) AS new (
        place, ordinal, items, requests, tokens_in, tokens_out, at, asked_at, first_word_at, previous_stored_at
    )
    JOIN held ON held.place = new.place
    ON CONFLICT DO NOTHING
    RETURNING user_id, requests, input_tokens, output_tokens, created_at
),
calls AS (
    INSERT INTO tool_calls (
        user_id, run_id, response_ordinal, call_index, tool_name, arguments, result, is_error, approval,
        requested_at, ended_at, attempt
    )
    SELECT
        held.user_id, held.run_id, new.ordinal, new.index, new.tool_name, new.arguments, new.result, new.is_error,
        new.approval, new.at, CASE WHEN new.result IS NOT NULL THEN new.at END,
        CASE WHEN new.result IS NOT NULL THEN held.attempt END
    FROM unnest(
        %(call_places)s::int[], %(call_ordinals)s::int[], %(call_indexes)s::int[], %(call_tools)s::text[],
        %(call_arguments)b::text[], %(call_results)b::text[], %(call_errors)s::boolean[],
        %(call_approvals)s::text[], %(call_times)s::timestamptz[]
    ) AS new (place, ordinal, index, tool_name, arguments, result, is_error, approval, at)
    JOIN held ON held.place = new.place
    ON CONFLICT DO NOTHING
),
usage AS (
    INSERT INTO daily_usage (user_id, day, model_requests, input_tokens, output_tokens)
    SELECT
        user_id, (created_at AT TIME ZONE 'UTC')::date, sum(requests), sum(input_tokens), sum(output_tokens)
    FROM responses
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (user_id, day) DO UPDATE SET
        model_requests = daily_usage.model_requests + excluded.model_requests,
        input_tokens = daily_usage.input_tokens + excluded.input_tokens,
        output_tokens = daily_usage.output_tokens + excluded.output_tokens
)"""
_OUTCOMES: Final = """
outcomes AS (
    UPDATE tool_calls SET
        result = new.result, is_error = new.is_error, ended_at = new.at,
        attempt = held.attempt, sent_at = new.sent_at, previous_stored_at = new.previous_stored_at
    FROM unnest(
        %(outcome_places)s::int[], %(outcome_ordinals)s::int[], %(outcome_indexes)s::int[],
        %(outcome_results)b::text[], %(outcome_errors)s::boolean[], %(outcome_times)s::timestamptz[],
        %(outcome_sent)s::timestamptz[], %(outcome_previous)s::timestamptz[]
    ) AS new (place, ordinal, index, result, is_error, at, sent_at, previous_stored_at)
    JOIN held ON held.place = new.place
    WHERE tool_calls.user_id = held.user_id AND tool_calls.run_id = held.run_id
        AND tool_calls.response_ordinal = new.ordinal AND tool_calls.call_index = new.index
        AND tool_calls.result IS NULL
)"""


@cache
def _statement(*, responses: bool, outcomes: bool) -> str:
    # Most statements carry events alone, and the server plans what stands in a statement whether or not it is used.
    parts = [_HELD, _EVENTS, *([_RESPONSES] if responses else []), *([_OUTCOMES] if outcomes else [])]
    return f"WITH {','.join(parts)}\nSELECT place FROM held"


# One statement for any number of rows: sending it once for each row would cost as much for each.
_INSERT_EVENTS: Final = """
INSERT INTO run_events (user_id, run_id, n, data)
SELECT %(user_id)s, %(run_id)s, new.n, new.data FROM unnest(%(ns)s::int[], %(data)b::text[]) AS new (n, data)
"""


async def insert_events(connection: Connection, user_id: str, run_id: str, stored: Sequence[StoredEvent]) -> None:
    """Write events of one run, unconditionally."""
    await connection.exec_driver_sql(
        _INSERT_EVENTS,
        {
            "user_id": user_id,
            "run_id": run_id,
            "ns": [event.n for event in stored],
            "data": [event.data for event in stored],
        },
    )


async def append(connection: Connection, entries: Sequence[Entry]) -> set[RunKey]:
    """Write entries of different runs; returns the keys that still own theirs. The others' are not written."""
    responses = any(entry.responses for entry in entries)
    outcomes = any(entry.outcomes for entry in entries)
    parameters = {
        "users": [entry.key.user_id for entry in entries],
        "runs": [entry.key.run_id for entry in entries],
        "attempts": [entry.key.attempt for entry in entries],
        "event_places": [place for place, entry in enumerate(entries, 1) for _ in entry.events],
        "event_ns": [event.n for entry in entries for event in entry.events],
        "event_data": [event.data for entry in entries for event in entry.events],
    }
    if responses:
        parameters |= _responses(entries)
    if outcomes:
        parameters |= _outcomes(entries)
    written = await connection.exec_driver_sql(_statement(responses=responses, outcomes=outcomes), parameters)
    return {entries[place - 1].key for (place,) in written}


def _responses(entries: Sequence[Entry]) -> dict[str, list[Any]]:
    responses = [(place, response) for place, entry in enumerate(entries, 1) for response in entry.responses]
    calls = [
        (place, call, response.created_at)
        for place, entry in enumerate(entries, 1)
        for response in entry.responses
        for call in entry.calls
        if call.response_ordinal == response.response_ordinal
    ]
    return {
        "response_places": [place for place, _ in responses],
        "response_ordinals": [response.response_ordinal for _, response in responses],
        "response_items": [response.items for _, response in responses],
        "response_requests": [response.usage.requests for _, response in responses],
        "response_tokens_in": [response.usage.input_tokens for _, response in responses],
        "response_tokens_out": [response.usage.output_tokens for _, response in responses],
        "response_times": [response.created_at for _, response in responses],
        "response_asked": [response.asked_at for _, response in responses],
        "response_words": [response.first_word_at for _, response in responses],
        "response_previous": [response.previous_stored_at for _, response in responses],
        "call_places": [place for place, _, _ in calls],
        "call_ordinals": [call.response_ordinal for _, call, _ in calls],
        "call_indexes": [call.call_index for _, call, _ in calls],
        "call_tools": [call.tool_name for _, call, _ in calls],
        "call_arguments": [call.arguments for _, call, _ in calls],
        "call_results": [call.result for _, call, _ in calls],
        "call_errors": [call.is_error for _, call, _ in calls],
        "call_approvals": [call.approval for _, call, _ in calls],
        "call_times": [at for _, _, at in calls],
    }


def _outcomes(entries: Sequence[Entry]) -> dict[str, list[Any]]:
    ended = [(place, end) for place, entry in enumerate(entries, 1) for end in entry.outcomes]
    return {
        "outcome_places": [place for place, _ in ended],
        "outcome_ordinals": [end.call.response_ordinal for _, end in ended],
        "outcome_indexes": [end.call.call_index for _, end in ended],
        "outcome_results": [end.outcome.result for _, end in ended],
        "outcome_errors": [end.outcome.is_error for _, end in ended],
        "outcome_times": [end.at for _, end in ended],
        "outcome_sent": [end.sent_at for _, end in ended],
        "outcome_previous": [end.previous_stored_at for _, end in ended],
    }
