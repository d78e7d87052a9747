"""What a model is told of a conversation: whole past runs, the newest that fit the token budget."""

from collections.abc import Sequence

from chat_api.agent.history import estimated_tokens
from chat_api.agent.turn import Ending, PastRun
from chat_api.database import Connection
from chat_api.journal import repository as journal
from chat_api.messages import repository as messages
from chat_api.runs import repository as runs
from chat_api.runs.repository import RunRecord

RUNS_PER_READ = 25
"""Runs fetched at a time; the budget decides how many reads there are, not the conversation's length."""

RUN_MIN_TOKENS = 16
"""What a run costs at least, so that ever so many failed ones, of which there is nothing to tell, end the search."""


async def read_history(connection: Connection, run: RunRecord, token_budget: int) -> list[PastRun]:
    """Return the newest runs before this one that fit the budget, oldest first. One that does not fit ends them.

    Of the run that this one is to replace, only what its calls have done is told, as of those replaced earlier.
    """
    newest_first: list[PastRun] = []
    number = run.number
    while number > 1:
        read = await runs.page(connection, run.user_id, run.conversation_id, RUNS_PER_READ, number)
        for past in await _past_runs(connection, run.user_id, read, run.replaces):
            token_budget -= max(estimated_tokens(past), RUN_MIN_TOKENS)
            if token_budget < 0:
                return newest_first[::-1]
            newest_first.append(past)
        if len(read) < RUNS_PER_READ:
            break
        number = read[-1].number
    return newest_first[::-1]


async def _past_runs(
    connection: Connection, user_id: str, records: Sequence[RunRecord], without: str | None
) -> list[PastRun]:
    ids = [record.run_id for record in records]
    answers = await messages.answers(connection, user_id, ids)
    calls = await journal.tool_calls(connection, user_id, ids)
    past: list[PastRun] = []
    for record in records:
        ending = _ending(record, without)
        if ending is not None:
            answer = answers.get(record.run_id, (0, ""))[1]
            made = [call.past for call in calls.get(record.run_id, ())]
            can_be_settled = not record.has_outlived_its_keys
            past.append(PastRun(record.run_id, record.input, made, answer, ending, can_be_settled))
    return past


def _ending(record: RunRecord, without: str | None) -> Ending | None:
    """Return how a later turn is told of a run; None of one that has not ended."""
    if record.replaced or record.run_id == without:
        return "replaced"
    match record.status:
        case "completed" | "cancelled" | "failed" as ending:
            return ending
        case _:
            return None
