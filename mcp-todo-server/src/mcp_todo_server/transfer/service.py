"""A whole list written to a file, and the tasks of a file added to a list."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO

from mcp_todo_server.database import Database, Session, utc_now
from mcp_todo_server.transfer.entries import Entry, Kept, ListFacts
from mcp_todo_server.transfer.errors import LineError
from mcp_todo_server.transfer.formats import Format
from mcp_todo_server.transfer.repository import PAGE_ROWS, NewTask, TransferRepository
from mcp_todo_server.transfer.rows import new_task
from mcp_todo_server.users.service import DEFAULT_ZONE, zone_of


@dataclass(frozen=True, slots=True)
class Written:
    """What an export came to."""

    tasks: int
    left_out: Mapping[str, int]
    """Fields for which the format has no place, and how many tasks have them."""


@dataclass(slots=True)
class Read:
    """What an import came to, or would come to."""

    added: int = 0
    present: int = 0
    """Tasks that were there already, and were left as they are."""
    numbers: dict[int, int] = field(default_factory=dict)
    """The number of each task in the list, by its number in the file, in a format that has numbers."""


class _DryRun(Exception):
    """Takes everything back."""


class TransferService:
    """Whole lists, one user's at a time."""

    def __init__(self, database: Database, *, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def write(self, user_id: str, as_format: Format, target: IO[bytes]) -> Written:
        """Write a user's tasks, as they are at one moment, in the order of their numbers."""
        tasks, left_out = 0, Counter[str]()
        async with self._database.reading() as session:
            repository = TransferRepository(session, user_id)
            await repository.begin_snapshot()
            last, timezone = await repository.user()
            writer = as_format.writer(ListFacts(timezone or DEFAULT_ZONE, last, exported_at=self._clock()))
            target.write(writer.head().encode())
            async for page in repository.pages(deleted=as_format.has_deleted):
                tasks += len(page)
                left_out.update(_left_out(as_format, page))
                target.write("".join(map(writer.task, page)).encode())
                session.expunge_all()
            target.write(writer.tail().encode())
        return Written(tasks, left_out)

    async def read(
        self, user_id: str, as_format: Format, source: IO[bytes], *, dry_run: bool = False, again: bool = False
    ) -> Read:
        """Add the tasks of a file to a user's list: all of them in one transaction, or none.

        A task that is in the list already is left as it is, unless `again` asks for a second one. In a list that
        never had a task, tasks keep the numbers that they have in the file; in others they get new ones.
        `source` can be read from its beginning more than once. With `dry_run` nothing is changed.

        Raises:
            TransferError: The file cannot be taken as it is.
        """
        facts = as_format.read_facts(source) if as_format.read_facts else ListFacts()
        source.seek(0)
        outcome = Read()
        try:
            async with self._database.writing() as session:
                await _Import(session, user_id, facts, self._clock(), outcome, again=again).run(as_format, source)
                if dry_run:
                    raise _DryRun
        except _DryRun:
            pass
        return outcome


class _Import:
    """One import, within one transaction."""

    def __init__(
        self, session: Session, user_id: str, facts: ListFacts, now: dt.datetime, outcome: Read, *, again: bool
    ) -> None:
        self._repository = TransferRepository(session, user_id)
        self._user_id = user_id
        self._facts = facts
        self._now = now
        self._outcome = outcome
        self._again = again
        self._uids: dict[str, int] = {}
        """Numbers of the tasks that this import has met, by their uids."""
        self._following: list[tuple[int, int]] = []
        """Of each new task that another one follows: its number, and the other's number in the file."""

    async def run(self, as_format: Format, source: IO[bytes]) -> None:
        last, self._zone_name = await self._repository.lock(self._facts.timezone)
        self._keeps_numbers = last == 0 and self._facts.numbered
        self._last = last
        entries = as_format.read(source, zone_of(self._zone_name))
        for some in _batches(entries):
            await self._add(some)
        await self._link()
        highest = max(self._last, self._facts.last_task_id) if self._keeps_numbers else self._last
        await self._repository.set_last_number(highest)

    async def _add(self, entries: list[Entry]) -> None:
        known = await self._repository.known({entry.history.uid for entry in entries})
        new: list[NewTask] = []
        for entry in entries:
            there = known.get(entry.history.uid) or self._uids.get(entry.history.uid)
            if there is not None and not self._again:
                number = there
                self._outcome.present += 1
            else:
                number = self._number(entry)
                new.append(new_task(entry, self._user_id, number, self._zone_name, self._now, named=there is None))
                if entry.history.next_task_id is not None:
                    self._following.append((number, entry.history.next_task_id))
                self._outcome.added += 1
            self._uids[entry.history.uid] = number
            if (given := entry.history.task_id) is not None:
                if given in self._outcome.numbers:
                    raise LineError(entry.line, f"task_id {given} stands twice in this file")
                self._outcome.numbers[given] = number
        await self._repository.insert(new)

    def _number(self, entry: Entry) -> int:
        given = entry.history.task_id
        if not self._keeps_numbers or given is None:
            self._last += 1
            return self._last
        self._last = max(self._last, given)
        return given

    async def _link(self) -> None:
        """Let each task name the one that follows it by the number that this one has got.

        A part of a list, such as a page, may lack that one; its number may come to be another task's.
        """
        numbers = self._outcome.numbers
        await self._repository.link(
            [(number, numbers.get(given)) for number, given in self._following if numbers.get(given) != given]
        )


def _left_out(as_format: Format, page: Iterable[Kept]) -> Iterator[str]:
    for kept in page:
        yield from (name for name in as_format.left_out if getattr(kept.row, name) is not None)


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while some := list(islice(entries, PAGE_ROWS)):
        yield some
