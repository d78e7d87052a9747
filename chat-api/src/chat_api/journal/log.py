"""The log of one run in the process that owns it, as its agent writes it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Protocol

from chat_api.agent.errors import StoppedError
from chat_api.agent.turn import ModelStep, ToolCall, ToolOutcome, Usage, call_id
from chat_api.journal import events
from chat_api.journal.event_log import EventLog
from chat_api.journal.events import Message
from chat_api.journal.keys import RunKey
from chat_api.journal.problems import RunLostError
from chat_api.journal.records import ToolCallRecord
from chat_api.journal.stopwatch import Stopwatch

TEXT_SECONDS: Final = 0.025
"""How long words may wait that go on with a message which somebody is reading: they come in groups of that time."""
UNREAD_SECONDS: Final = 0.1
"""How long words may wait that nobody reads in this process; others look this often anyway."""


class Writer(Protocol):
    """What a log writes through."""

    def gathered(self, log: "RunLog", *, within: float) -> None:
        """Hear that the log has something to write, and for how many seconds that can wait."""

    async def settled(self, user_id: str, run_id: str, call: ToolCall, outcome: ToolOutcome) -> None:
        """Write the outcome of a call of another run, which has ended, where it has none."""


class JournalError(Exception):
    """Something that a run gathered can never be stored: a defect of this service."""


class RunLog(EventLog):
    """Implements `agent.turn.Journal` for the owner of a run."""

    def __init__(
        self,
        writer: Writer,
        key: RunKey,
        next_n: int,
        holds: Callable[[], bool],
        calls: Iterable[ToolCallRecord] = (),
        usage: Usage | None = None,
        message: Message | None = None,
    ) -> None:
        """Begin where the run's stored log ends.

        Args:
            writer: Stores what is gathered.
            key: The run, and the attempt under which it is owned.
            next_n: Number of the next event; greater than that of any event that the run has ever had.
            holds: Tells whether the owner's lease cannot have passed yet.
            calls: The run's calls that are journalled already, in order.
            usage: What the run has cost so far.
            message: The text message that the stored log ends with (`repository.last_message`). It is taken back
                as soon as the run goes on, and only closed where the run ends.
        """
        super().__init__(key, next_n, message)
        self.holds: Final = holds
        self.calls = {(call.response_ordinal, call.call_index): call for call in calls}
        """The run's calls in the order in which the model asked for them."""
        self.usage = usage or Usage()
        """What the run has cost so far."""
        self.uncounted = Usage()
        """The part of `usage` that no stored response stands for; whoever ends the run adds it to the day's usage."""
        self.stop_requested = False
        self.lost_ownership = False
        """Whether the run is somebody else's, or may be."""
        self.stopwatch: Final = Stopwatch()
        self._writer = writer
        self._failure: JournalError | None = None
        self._on_stop: dict[object, Callable[[], object]] = {}

    # What the agent does.

    def check_owned(self) -> None:
        """Return if something may be sent in the run's name.

        Raises:
            RunLostError: The run is somebody else's, or its lease may have passed.
            StoppedError: The run is to stop.
            JournalError: What was gathered before cannot be stored.
        """
        self._check_writable()
        if not self.holds():
            raise _lost()
        if self.stop_requested:
            raise StoppedError

    @contextmanager
    def on_stop(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call `callback` once, as soon as the run is to stop or is lost, while the context lasts."""
        token = object()
        self._on_stop[token] = callback
        if self.stop_requested or self.lost_ownership:
            self._call_back()
        try:
            yield
        finally:
            self._on_stop.pop(token, None)

    def sends(self, call: ToolCall | None = None) -> None:
        """Take note that a call is sent now, or, without one, that the model is asked."""
        self.stopwatch.sends(call)

    def text(self, delta: str) -> None:
        """Take words as they come from the model. They reach readers once they are stored."""
        self.stopwatch.speaks()
        if self.lost_ownership or self._failure is not None:
            return
        self._words.append(delta)
        if not self.is_ending:
            begins = self._message is None or self._message.is_inherited
            # The first words that somebody waits for go at once.
            within = UNREAD_SECONDS if not self.is_read else 0 if begins else TEXT_SECONDS
            self._writer.gathered(self, within=within)

    async def responded(self, step: ModelStep, usage: Usage) -> None:
        """Record a model response: with calls, durably before it returns; without, its cost is counted.

        Raises:
            RunLostError: The run is not this owner's any more; nothing may be sent for it.
            JournalError: It cannot be stored.
        """
        self.usage += usage
        if not step.calls:
            self.uncounted += usage
            self.stopwatch.answered(usage)
        self._check_writable()
        if not step.calls:
            return
        composer, _ = self._compose()
        parent = composer.leave_text()
        for past in step.calls:
            name = call_id(self.key.run_id, past.call.response_ordinal, past.call.call_index)
            composer.add(*events.tool_call(name, past.call, parent))
            if past.outcome is not None:
                composer.add(events.tool_result(name, past.outcome))
        records = [ToolCallRecord.of(self.key.run_id, past) for past in step.calls]
        work = self._gather(composer)
        work.entry.responses.append(self.stopwatch.response(step, usage))
        work.entry.calls.extend(records)
        self._writer.gathered(self, within=0)
        await self._stored_whole(work)
        self.stopwatch.stored()
        self.calls |= {(record.response_ordinal, record.call_index): record for record in records}

    async def call_ended(self, call: ToolCall, outcome: ToolOutcome) -> None:
        """Record the outcome of a call before the model hears of it. One that has an outcome keeps it.

        Raises:
            RunLostError: The run is not this owner's any more; its new owner asks for the outcome again.
            JournalError: It cannot be stored.
        """
        self._check_writable()
        record = self.calls[call.response_ordinal, call.call_index]
        if record.result is not None:
            return
        composer, _ = self._compose()
        composer.leave_text()
        composer.add(events.tool_result(call_id(self.key.run_id, call.response_ordinal, call.call_index), outcome))
        work = self._gather(composer)
        work.entry.outcomes.append(self.stopwatch.outcome(call, outcome))
        self._writer.gathered(self, within=0)
        await self._stored_whole(work)
        self.stopwatch.stored()
        self.calls[call.response_ordinal, call.call_index] = replace(
            record, result=outcome.result, is_error=outcome.is_error
        )

    async def settled(self, run_id: str, call: ToolCall, outcome: ToolOutcome) -> None:
        """Record the outcome of a call of an earlier run of this user, where it has none."""
        await self._writer.settled(self.key.user_id, run_id, call, outcome)

    # What the owner and the writer do.

    def append(self, *data: str) -> None:
        """Gather encoded events, to be stored at once. Nobody waits for that here."""
        composer, _ = self._compose()
        composer.leave_text()
        composer.add(*data)
        self._gather(composer)
        self._writer.gathered(self, within=TEXT_SECONDS)

    def check_lost(self) -> None:
        """Return if the run is this owner's beyond doubt, whether it is to stop or not.

        Raises:
            RunLostError: It is somebody else's, or its lease may have passed.
        """
        if self.lost_ownership or not self.holds():
            raise _lost()

    def request_stop(self) -> None:
        """Let the run stop as soon as it can."""
        if not self.stop_requested:
            self.stop_requested = True
            self._call_back()

    def lost(self) -> None:
        """Hear that the run is not this owner's any more, or may not be."""
        if not self.lost_ownership:
            self.lost_ownership = True
            self._give_up(_lost())
            self._call_back()

    def failed(self, error: JournalError) -> None:
        """Hear that something gathered can never be stored. The run has to end; what is stored stays true of it."""
        self._failure = error
        self._give_up(error)

    def _check_writable(self) -> None:
        if self.lost_ownership:
            raise _lost()
        if self._failure is not None:
            raise self._failure

    def _call_back(self) -> None:
        callbacks, self._on_stop = list(self._on_stop.values()), {}
        for callback in callbacks:
            callback()


def _lost() -> RunLostError:
    return RunLostError(
        "The run was ended or taken over while it worked. Look at it before you send the message again."
    )
