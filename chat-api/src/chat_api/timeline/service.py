"""Timelines, as endpoints ask for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from chat_api.database import Database
from chat_api.journal import repository as journal
from chat_api.runs import repository as runs
from chat_api.runs.problems import RunNotFoundError
from chat_api.runs.service import RunDetails
from chat_api.timeline.entries import Entry, entries
from chat_api.timeline.repository import AttemptRecord, CallTimes, ResponseTimes, RunTimes, read


@dataclass(frozen=True, slots=True)
class RunTimeline:
    """A run with its steps."""

    details: RunDetails
    entries: Sequence[Entry]


class TimelineService:
    """Timelines of all users; every call names its user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: str, run_id: str) -> RunTimeline:
        """Return a run with its steps, all as they were at one moment.

        Raises:
            RunNotFoundError: The user has no such run.
        """
        async with self._database.reading() as connection:
            run = await runs.get(connection, user_id, run_id)
            if run is None:
                raise RunNotFoundError("You have no such run.")
            [times] = await read(connection, RunTimes, user_id, run_id)
            earlier = await read(connection, AttemptRecord, user_id, run_id)
            responses = await read(connection, ResponseTimes, user_id, run_id)
            calls = await read(connection, CallTimes, user_id, run_id)
            records = (await journal.tool_calls(connection, user_id, [run_id])).get(run_id, [])
        return RunTimeline(RunDetails(run, records), entries(run, times, earlier, responses, calls))
