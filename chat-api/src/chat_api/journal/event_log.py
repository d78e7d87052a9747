"""The events of one run in the process that owns it: those to be written, on their way, and stored."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from chat_api.journal.composer import Composer
from chat_api.journal.events import Message
from chat_api.journal.keys import RunKey
from chat_api.journal.records import Entry, StoredEvent
from chat_api.journal.signal import Signal


@dataclass(slots=True)
class _Work:
    """An entry, and what holds once it is stored."""

    entry: Entry
    message: Message | None
    waiters: list[asyncio.Future[None]] = field(default_factory=list)


class EventLog:
    """Numbers events as they are gathered, hands them to the writer, and shows them once they are stored.

    The run's last transaction writes past the writer: `drain`, then `closing`, and `published` once it has committed.
    """

    def __init__(self, key: RunKey, next_n: int, message: Message | None) -> None:
        self.key: Final = key
        self.first_n: Final = next_n
        """Number of the first event that is kept here; earlier ones are in the database alone."""
        self.changed: Final = Signal()
        """Whenever readers, or whoever waits for the writer, should look again."""
        self.is_ending = False
        """Whether `drain` was called: from now on the run's state is changed by its owner itself."""
        self.is_read = False
        """Whether anybody here reads the events as they come."""
        self.is_closed = False
        """Whether all events that this owner will ever have are here."""
        self._next_n = next_n
        self._message = message
        self._words: list[str] = []
        """Words of the model that are not yet made into events."""
        self._gathered: _Work | None = None
        self._writing: _Work | None = None
        self._stored: list[str] = []
        self._stored_message = message

    # What the owner does.

    @property
    def last_n(self) -> int:
        """Number of the last event that is known to be stored."""
        return self.first_n + len(self._stored) - 1

    @property
    def partial_text(self) -> str:
        """The words of the text message that the log ends with, those included that are still to be stored."""
        composer, _ = self._compose()
        return composer.message.text if composer.message is not None else ""

    async def drain(self) -> None:
        """Wait until nothing of this run is on its way to the database, and let no more text go there.

        Ends early where the run is lost; its last transaction finds out about that by itself.
        """
        self.is_ending = True
        while self._writing is not None or self._gathered is not None:
            await self.changed.wait()

    def closing(self, *data: str, answer: str | None = None) -> list[StoredEvent]:
        """Return the events that the run's last transaction has to insert: outstanding words, then `data`.

        Nothing changes by it, so it may be called anew for a transaction that is tried again or ends otherwise.

        Args:
            data: Encoded events.
            answer: The final answer. What was streamed is completed to it, or taken back if it was something else.

        Raises:
            RuntimeError: The log was not drained.
        """
        if self._writing is not None or self._gathered is not None:
            raise RuntimeError("a run's log has to be drained before its end is written")
        composer, _ = self._compose()
        if answer is None:
            composer.end_text()
        else:
            composer.finish(answer)
        composer.add(*data)
        return composer.events

    def published(self, stored: Sequence[StoredEvent]) -> None:
        """Show readers the log's next events, which another transaction than the writer's has stored.

        Raises:
            RuntimeError: Other events come next.
        """
        if not stored:
            return
        if stored[0].n != self._next_n or self._writing is not None or self._gathered is not None:
            raise RuntimeError("these are not the log's next events")
        self._stored.extend(data for _, data in stored)
        self._next_n = stored[-1].n + 1
        self._message = self._stored_message = None
        self._words = []
        self.changed.notify()

    def close(self) -> None:
        """Tell readers that nothing more comes: the run has ended, or waits for the user."""
        self.is_closed = True
        self.changed.notify()

    # What readers do.

    def after(self, n: int) -> list[StoredEvent]:
        """Return the stored events behind number `n`, which has to be `first_n - 1` at least."""
        start = n + 1 - self.first_n
        return [StoredEvent(self.first_n + i, self._stored[i]) for i in range(start, len(self._stored))]

    # What the writer does.

    def take(self) -> Entry | None:
        """Hand over what was gathered, to be written whole. The next is handed over after `written`."""
        if self._words and not self.is_ending:
            composer, rest = self._compose()
            if composer.events:
                self._gather(composer)
            self._words = rest
        self._writing, self._gathered = self._gathered, None
        return self._writing.entry if self._writing is not None else None

    def written(self) -> None:
        """Hear that the entry taken last is stored."""
        work = self._writing
        if work is None:
            return
        self._writing = None
        self._stored.extend(data for _, data in work.entry.events)
        self._stored_message = work.message
        for waiter in work.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.changed.notify()

    def _compose(self) -> tuple[Composer, list[str]]:
        """Begin the next events with the words that wait; returns also what has to wait on.

        Answers have no white space around them, so it is sent only once something follows it.
        """
        composer = Composer(self.key.run_id, self._next_n, self._message)
        words = "".join(self._words)
        if self._message is None or self._message.is_inherited:
            words = words.lstrip()
        said = words.rstrip()
        if said:
            composer.say(said)
        return composer, [words[len(said) :]] if len(said) < len(words) else []

    def _gather(self, composer: Composer) -> _Work:
        """Let what was composed be written next; all words are in it."""
        if self._gathered is None:
            self._gathered = _Work(Entry(self.key), self._message)
        self._gathered.entry.events.extend(composer.events)
        self._gathered.message = composer.message
        self._next_n, self._message = composer.next_n, composer.message
        self._words = []
        return self._gathered

    async def _stored_whole(self, work: _Work) -> None:
        """Wait until the writer has stored the work."""
        waiter = asyncio.get_running_loop().create_future()
        work.waiters.append(waiter)
        await waiter

    def _give_up(self, error: Exception) -> None:
        """Go back to what is stored: the rest never will be."""
        works = [work for work in (self._writing, self._gathered) if work is not None]
        self._writing = self._gathered = None
        self._next_n = self.last_n + 1
        self._message = self._stored_message
        self._words = []
        for waiter in (waiter for work in works for waiter in work.waiters):
            if not waiter.done():
                waiter.set_exception(error)
        self.changed.notify()
