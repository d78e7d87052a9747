"""Threads: conversations as AG-UI clients see them.

To the protocol, going on after an interrupt is a run of its own; here it is the same run, whose stream goes on with
a second RUN_STARTED. Clients send an answer to an interrupt again where they cannot know that it arrived, and under
another run id each time, so it is recognised by what it says (AG-UI, "Interrupts", contract rule 5).
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ag_ui.core import EventType

from chat_api.agui import repository
from chat_api.database import Database
from chat_api.problems import InvalidRequestError
from chat_api.runs import problems
from chat_api.runs.admission import QUEUE_MAX, NewMessage
from chat_api.runs.service import RunDetails, RunService, Sent
from chat_api.runs.takeover import CallDecision

RUNS_SEARCHED: Final = QUEUE_MAX + 5
"""Newest runs of a thread among which the one that was interrupted is looked for: behind it are those that wait for
it, and the few that can have followed it before a late answer comes."""


class ThreadService:
    """Threads of all users; every call names its user."""

    def __init__(self, database: Database, runs: RunService) -> None:
        self._database = database
        self._runs = runs

    async def resume(
        self, user_id: str, thread_id: str, decisions: Sequence[CallDecision], message: NewMessage | None
    ) -> Sent:
        """Go on with the run that a thread waits for; the same decisions on it once more join it.

        Words of the user's that come with nothing but denials take the run's place: it is cancelled, and they are
        carried out. They are not lost either where there is nothing to decide any more.

        Raises:
            RunNotFoundError: No run of the thread has asked for such decisions.
            InvalidRequestError: They leave a call undecided, or decide on one twice; or words come with an approval.
            DecidedError: It was decided otherwise, or the run was stopped.
            EventsGoneError: The run went on and ended long ago.
            ProblemError: The message is refused; `RunService.send` says how. What waits still waits then.
        """
        interrupted = await self._interrupted(user_id, thread_id, decisions)
        # A client that keeps no calls in its history ends it with the message that the calls are about.
        if message is not None and (interrupted is None or interrupted.run.input != message.message):
            if any(decision.approve for decision in decisions):
                raise _invalid("messages", "must not bring a new message with an approval: send it in a run of its own")
            if interrupted is not None and interrupted.run.status == "requires_action":
                message = replace(message, on_busy="interrupt")
            return await self._runs.send(user_id, message)
        if interrupted is None:
            raise problems.RunNotFoundError("No run of this thread waits, or waited, for these decisions.")
        waiting = [call.call_id for call in interrupted.calls if call.awaits_approval]
        decided = [decision.tool_call_id for decision in decisions]
        if not set(waiting).isdisjoint(decided):
            if sorted(waiting) != sorted(decided):
                raise _invalid("resume", f"must decide once on each call that waits: {', '.join(waiting)}")
            try:
                return await self._runs.decide(user_id, interrupted.run.run_id, decisions)
            except problems.DecidedError:
                # Somebody was quicker: perhaps this very request, sent twice.
                interrupted = await self._runs.get(user_id, interrupted.run.run_id)
        return await self._join(user_id, interrupted, decisions)

    async def _interrupted(self, user_id: str, thread_id: str, decisions: Sequence[CallDecision]) -> RunDetails | None:
        """Find the run of a thread that asked for decisions."""
        async with self._database.reading() as connection:
            conversation_id = await repository.conversation_of(connection, user_id, thread_id)
        if conversation_id is None:
            return None
        decided = {decision.tool_call_id for decision in decisions}
        for details in await self._runs.page(user_id, conversation_id, RUNS_SEARCHED, None):
            if any(call.call_id in decided and call.approval is not None for call in details.calls):
                return details
        return None

    async def _join(self, user_id: str, details: RunDetails, decisions: Sequence[CallDecision]) -> Sent:
        recorded = {call.call_id: call.approval for call in details.calls}
        if any(
            recorded.get(decision.tool_call_id) != ("approved" if decision.approve else "denied")
            for decision in decisions
        ):
            raise problems.DecidedError("It was decided otherwise before. Look at the run's state.")
        after = await self._before_resumption(user_id, details.run.run_id, decisions[0].tool_call_id)
        return replace(await self._runs.rejoin(user_id, details.run), after=after)

    async def _before_resumption(self, user_id: str, run_id: str, call_id: str) -> int:
        """Return the number of the event before the RUN_STARTED that followed a decision on a call."""
        async with self._database.reading() as connection:
            boundaries = await repository.boundaries(connection, user_id, run_id)
        interrupted = False
        for event in boundaries:
            data = json.loads(event.data)
            if interrupted and data["type"] == EventType.RUN_STARTED:
                return event.n - 1
            asked = data.get("outcome", {}).get("interrupts", ())
            interrupted = interrupted or any(interrupt["id"] == call_id for interrupt in asked)
        raise problems.EventsGoneError("The run went on and ended more than 7 days ago. Read the run itself.")


def _invalid(field: str, detail: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field}: {detail}", errors=[{"field": field, "detail": detail}])
