"""The journal of one run: its tool calls, each written before it is sent and again when its outcome is known."""

import datetime as dt
from collections.abc import Sequence

from chat_api.agent.turn import ToolCall, ToolOutcome, Usage
from chat_api.database import Database
from chat_api.runs import repository
from chat_api.runs.leases import Leases
from chat_api.runs.problems import SOME_WAS_DONE, RunLostError
from chat_api.runs.repository import RunKey, ToolCallRecord


class RunJournal:
    """Writes for the run's owner alone: once another attempt has the run, every entry is refused."""

    def __init__(self, database: Database, leases: Leases, key: RunKey) -> None:
        self._database = database
        self._leases = leases
        self._key = key
        self.calls: dict[tuple[int, int], ToolCallRecord] = {}
        """The run's calls in the order in which the model asked for them."""
        self.usage = Usage()
        """What the run's model calls have cost so far."""

    def model_responded(self, usage: Usage) -> None:
        """Count a model response, whatever becomes of the run."""
        self.usage += usage

    def check_owned(self) -> None:
        """Return if the run is this owner's beyond doubt.

        Raises:
            RunLostError: Its lease may have passed; nothing may be sent for it.
        """
        if not self._leases.holds(self._key):
            raise _lost()

    async def calls_requested(self, calls: Sequence[ToolCall]) -> None:
        """Record calls before the first of them is sent.

        Raises:
            RunLostError: The run is not this owner's any more; nothing may be sent for it.
        """
        records = [self._record(call, None) for call in calls]
        transaction = self._database.statement() if len(records) == 1 else self._database.writing()
        async with transaction as connection:
            if not await repository.insert_calls(connection, self._key, records, dt.datetime.now(dt.UTC)):
                raise _lost()
        self.calls |= {(record.response_ordinal, record.call_index): record for record in records}

    async def call_ended(self, call: ToolCall, outcome: ToolOutcome) -> None:
        """Record the outcome of a call before the model hears of it.

        An outcome is a fact, so it is written whoever owns the run by now.

        Raises:
            RunLostError: It is written, and the run is not this owner's any more.
        """
        record = self._record(call, outcome)
        async with self._database.statement() as connection:
            owned = await repository.end_call(connection, self._key, record, dt.datetime.now(dt.UTC))
        self.calls[record.response_ordinal, record.call_index] = record
        if not owned:
            raise _lost()

    def _record(self, call: ToolCall, outcome: ToolOutcome | None) -> ToolCallRecord:
        return ToolCallRecord(
            run_id=self._key.run_id,
            response_ordinal=call.response_ordinal,
            call_index=call.call_index,
            tool_name=call.tool_name,
            arguments=call.arguments,
            result=outcome.result if outcome else None,
            is_error=outcome.is_error if outcome else None,
        )


def _lost() -> RunLostError:
    return RunLostError(f"The run was ended while it worked. {SOME_WAS_DONE}")
