"""What a model is told of a conversation: whole past runs, the newest that fit the token budget."""

import itertools
from collections.abc import Sequence

from chat_api.agent.history import estimated_tokens
from chat_api.agent.turn import PastCall, PastRun, ToolCall, ToolOutcome
from chat_api.conversations import repository as conversations
from chat_api.conversations.repository import MessageRecord
from chat_api.database import Connection
from chat_api.runs import repository as runs
from chat_api.runs.repository import ToolCallRecord

RUNS_PER_READ = 25
"""Runs fetched at a time; the budget decides how many reads there are, not the conversation's length."""


async def read_history(connection: Connection, user_id: str, conversation_id: int, token_budget: int) -> list[PastRun]:
    """Return the newest runs that fit the budget, oldest first. A run that does not fit ends the history."""
    newest_first: list[PastRun] = []
    before: int | None = None
    while True:
        messages = await conversations.messages(connection, user_id, conversation_id, 2 * RUNS_PER_READ, after=before)
        calls = await runs.tool_calls(connection, user_id, {message.run_id for message in messages})
        for run in _past_runs(messages, calls):
            token_budget -= estimated_tokens(run)
            if token_budget < 0:
                return newest_first[::-1]
            newest_first.append(run)
        if len(messages) < 2 * RUNS_PER_READ:
            return newest_first[::-1]
        before = messages[-1].message_id


def _past_runs(messages: Sequence[MessageRecord], calls: dict[str, list[ToolCallRecord]]) -> list[PastRun]:
    """Join messages, newest first, into runs. Their two messages stand next to each other by construction."""
    return [
        PastRun(
            run_id=run_id,
            message=pair["user"],
            calls=[past for record in calls.get(run_id, ()) if (past := _past_call(record)) is not None],
            answer=pair["assistant"],
        )
        for run_id, group in itertools.groupby(messages, key=lambda message: message.run_id)
        if (pair := {message.role: message.content for message in group}).keys() == {"user", "assistant"}
    ]


def _past_call(record: ToolCallRecord) -> PastCall | None:
    # A call without an outcome is left out: a provider refuses a history that has one, for ever after.
    if record.result is None or record.is_error is None:
        return None
    return PastCall(
        ToolCall(record.response_ordinal, record.call_index, record.tool_name, record.arguments),
        ToolOutcome(record.result, record.is_error),
    )
