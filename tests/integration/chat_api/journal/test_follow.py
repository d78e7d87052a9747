"""Following runs: every event once and in order, whoever owns the run and whenever one begins to read."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from chat_api.database import Connection, Database, DatabaseUnavailableError
from chat_api.journal import feed as feeding
from chat_api.journal import lookups, repository, sse
from chat_api.journal import reader as reading
from chat_api.journal.feed import Feeds
from chat_api.journal.keys import RunKey
from chat_api.journal.log import RunLog
from chat_api.journal.records import StoredEvent
from chat_api.journal.writer import JournalWriter

from tests.integration.chat_api.journal.conftest import (
    WAIT_SECONDS,
    NewRun,
    owned_log,
    running_writer,
    set_run,
    stored_events,
    take_over,
)
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS = 6


@pytest_asyncio.fixture(loop_scope="module")
async def writer(database: Database) -> AsyncIterator[JournalWriter]:
    """The writer of the process that owns runs."""
    async with running_writer(database) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def here(database: Database) -> AsyncIterator[Feeds]:
    """The feeds of that process."""
    feeds = Feeds(database)
    async with feeds.running():
        yield feeds


@pytest_asyncio.fixture(loop_scope="module")
async def elsewhere(database: Database) -> AsyncIterator[Feeds]:
    """The feeds of another process."""
    feeds = Feeds(database)
    async with feeds.running():
        yield feeds


class Follower:
    """Reads a run in a task of its own."""

    def __init__(self, feeds: Feeds, key: RunKey, after: int = 0) -> None:
        self.events: list[StoredEvent] = []
        self.idle = 0
        self.task = asyncio.create_task(self._follow(feeds, key, after))

    async def _follow(self, feeds: Feeds, key: RunKey, after: int) -> None:
        async for batch in feeds.follow(key.user_id, key.run_id, after):
            self.events += batch
            self.idle += not batch

    async def end(self) -> list[int]:
        """Wait for the end of the run; returns the numbers that were read."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self.task
        return [event.n for event in self.events]


async def end(
    database: Database, log: RunLog, status: str = "completed", last: str = '{"type":"RUN_FINISHED"}'
) -> None:
    """End a run as its owner does: with its last events, in one transaction."""
    await log.drain()
    events = log.closing(last)
    async with database.writing() as connection:
        await repository.insert_events(connection, log.key.user_id, log.key.run_id, events)
    await set_run(database, log.key, status=status)
    log.published(events)
    log.close()


async def append(log: RunLog, *numbers: int) -> None:
    """Append events one by one, each stored before the next."""
    for n in numbers:
        log.append(json.dumps({"event": n}))
        await until(lambda n=n: log.last_n == n)  # type: ignore[misc]


async def test_from_every_offset_on_before_during_and_after_from_memory_and_from_the_database(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds, elsewhere: Feeds
) -> None:
    key = await new_run()
    log = owned_log(writer, key)
    here.adopt(log)
    offsets = range(EVENTS + 3)
    followers: list[tuple[int, Follower]] = []

    def follow() -> None:
        followers.extend((after, Follower(feeds, key, after)) for after in offsets for feeds in (here, elsewhere))

    follow()
    await append(log, 1, 2)
    follow()
    await append(log, 3, 4, EVENTS - 1)
    await end(database, log)
    follow()
    here.release(log)
    follow()
    stored = await stored_events(database, key)
    assert [event.n for event in stored] == list(range(1, EVENTS + 1))
    for after, follower in followers:
        await follower.end()
        assert follower.events == stored[after:]


async def test_owned_runs_are_read_without_the_database(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise AssertionError("this reads from the database")

    log = owned_log(writer, await new_run())
    here.adopt(log)
    monkeypatch.setattr(repository, "events_after", refuse)
    follower = Follower(here, log.key)
    await append(log, 1, 2, 3)
    await end(database, log)
    assert await follower.end() == [1, 2, 3, 4]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "requires_action"])
async def test_a_run_that_rests_is_read_to_its_end(
    database: Database, writer: JournalWriter, new_run: NewRun, elsewhere: Feeds, status: str
) -> None:
    log = owned_log(writer, await new_run())
    follower = Follower(elsewhere, log.key)
    await append(log, 1, 2)
    await end(database, log, status)
    assert await follower.end() == [1, 2, 3]
    assert await Follower(elsewhere, log.key, 1).end() == [2, 3]


async def test_a_queued_run_is_waited_for(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds, elsewhere: Feeds
) -> None:
    key = await new_run(status="queued")
    followers = [Follower(here, key), Follower(elsewhere, key)]
    await asyncio.sleep(2.5 * reading.POLL_SECONDS)
    assert not any(follower.task.done() for follower in followers)
    await set_run(database, key, status="running")
    log = owned_log(writer, key)
    here.adopt(log)
    await append(log, 1)
    await end(database, log)
    for follower in followers:
        assert await follower.end() == [1, 2]


async def test_a_run_that_is_taken_over_while_it_is_followed(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds, elsewhere: Feeds
) -> None:
    """From memory to the database in the one process, from the database to memory in the other, with a gap."""
    key = await new_run()
    first = owned_log(writer, key)
    here.adopt(first)
    followers = [Follower(feeds, key, after) for feeds in (here, elsewhere) for after in (0, 2)]
    await append(first, 1, 2, 3)
    second = owned_log(writer, await take_over(database, key), next_n=5)
    await until(lambda: first.lost_ownership)
    first.append("{}")
    here.release(first)
    elsewhere.adopt(second)
    followers += [Follower(feeds, key, after) for feeds in (here, elsewhere) for after in (0, 4)]
    await append(second, 5, 6)
    await end(database, second)
    elsewhere.release(second)
    for follower, after in zip(followers, (0, 2, 0, 2, 0, 4, 0, 4), strict=True):
        assert await follower.end() == [n for n in (1, 2, 3, 5, 6, 7) if n > after]
    assert [event.n for event in await stored_events(database, key)] == [1, 2, 3, 5, 6, 7]


async def test_a_run_that_comes_back_to_its_first_owner_is_followed_on(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds
) -> None:
    key = await new_run()
    first = owned_log(writer, key)
    here.adopt(first)
    follower = Follower(here, key)
    await append(first, 1)
    second = owned_log(writer, await take_over(database, key), next_n=2)
    here.adopt(second)
    assert first.lost_ownership
    here.release(first)
    await append(second, 2)
    await end(database, second)
    assert await follower.end() == [1, 2, 3]


async def test_a_reader_of_a_retried_run_does_not_take_its_old_end_for_the_end(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds, elsewhere: Feeds
) -> None:
    log = owned_log(writer, await new_run())
    here.adopt(log)
    await append(log, 1)
    await end(database, log, "failed", '{"type":"RUN_ERROR"}')
    here.release(log)
    assert await Follower(elsewhere, log.key).end() == [1, 2]
    again = await take_over(database, log.key)
    async with database.writing() as connection:
        await repository.retract_event(connection, again.user_id, again.run_id, 2)
    await set_run(database, again, status="running")
    retried = owned_log(writer, again, next_n=3)
    here.adopt(retried)
    followers = [Follower(feeds, again, after) for feeds in (here, elsewhere) for after in (0, 2)]
    await append(retried, 3)
    await end(database, retried)
    for follower, after in zip(followers, (0, 2, 0, 2), strict=True):
        assert await follower.end() == [n for n in (1, 3, 4) if n > after]


async def test_more_events_than_are_read_at_once(
    database: Database, writer: JournalWriter, new_run: NewRun, elsewhere: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (feeding, lookups):
        monkeypatch.setattr(module, "EVENTS_PER_READ", 7)
    logs = [owned_log(writer, await new_run()) for _ in range(3)]
    followers = [Follower(elsewhere, log.key) for log in logs]
    await asyncio.sleep(1.5 * reading.POLL_SECONDS)
    for log in logs:
        log.append(*["{}"] * 30)
    for log in logs:
        await end(database, log)
    for follower in [*followers, *(Follower(elsewhere, log.key) for log in logs)]:
        assert await follower.end() == list(range(1, 32))


async def test_a_cancel_reaches_the_owner_from_anywhere(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds
) -> None:
    told, woken = owned_log(writer, await new_run()), owned_log(writer, await new_run())
    here.adopt(told)
    here.adopt(woken)
    here.wake(woken.key.user_id, woken.key.run_id)
    assert woken.stop_requested
    await set_run(database, told.key, cancel_requested=True)
    await until(lambda: told.stop_requested)
    assert not told.lost_ownership


@pytest.mark.parametrize("columns", [{"attempt": 2}, {"status": "failed"}])
async def test_an_owner_hears_that_its_run_is_somebody_elses(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds, columns: dict[str, object]
) -> None:
    log = owned_log(writer, await new_run())
    here.adopt(log)
    await set_run(database, log.key, **columns)
    await until(lambda: log.lost_ownership)


async def test_an_owner_that_ends_its_run_is_not_taken_for_a_loser(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds
) -> None:
    log = owned_log(writer, await new_run())
    here.adopt(log)
    await log.drain()
    await set_run(database, log.key, status="completed")
    await asyncio.sleep(3 * reading.POLL_SECONDS)
    assert not log.lost_ownership


async def test_waiting_for_the_end_alone(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds, elsewhere: Feeds
) -> None:
    log = owned_log(writer, await new_run())
    here.adopt(log)
    waiting = [asyncio.create_task(feeds.ended(log.key.user_id, log.key.run_id)) for feeds in (here, elsewhere)]
    await append(log, 1)
    assert not any(task.done() for task in waiting)
    await end(database, log)
    async with asyncio.timeout(WAIT_SECONDS):
        await asyncio.gather(*waiting)


async def test_a_run_that_does_not_exist_or_is_anothers_has_nothing_to_read(
    writer: JournalWriter, new_run: NewRun, here: Feeds, elsewhere: Feeds, other_user: str
) -> None:
    log = owned_log(writer, await new_run())
    here.adopt(log)
    await append(log, 1)
    stranger = RunKey(other_user, log.key.run_id, 1)
    for feeds in (here, elsewhere):
        assert await Follower(feeds, stranger).end() == []


async def test_a_deleted_run_ends_its_streams(
    database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds, elsewhere: Feeds
) -> None:
    log = owned_log(writer, await new_run())
    here.adopt(log)
    followers = [Follower(here, log.key), Follower(elsewhere, log.key)]
    await append(log, 1)
    await until(lambda: all(follower.events for follower in followers))
    async with database.writing() as connection:
        await connection.exec_driver_sql(f"DELETE FROM runs WHERE run_id = '{log.key.run_id}'")  # noqa: S608
    for follower in followers:
        assert await follower.end() == [1]


class FlakyDatabase(Database):
    """Does not answer while it is told so."""

    is_away = False
    asked = 0
    """Questions that are under way."""

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Connection]:
        if self.is_away:
            raise DatabaseUnavailableError
        self.asked += 1
        try:
            async with super().asking() as connection:
                yield connection
        finally:
            self.asked -= 1


async def test_an_outage_is_an_error_at_the_beginning_and_waited_for_later(
    migrated_url: str, database: Database, writer: JournalWriter, new_run: NewRun
) -> None:
    flaky = FlakyDatabase(migrated_url)
    feeds = Feeds(flaky)
    log = owned_log(writer, await new_run())
    try:
        async with feeds.running():
            await append(log, 1)
            follower = Follower(feeds, log.key)
            await until(lambda: bool(follower.events))
            flaky.is_away = True
            # What was asked before is still answered, with what is stored by then.
            await until(lambda: flaky.asked == 0)
            with pytest.raises(DatabaseUnavailableError):
                await Follower(feeds, log.key).end()
            await append(log, 2)
            await asyncio.sleep(3 * reading.POLL_SECONDS)
            assert len(follower.events) == 1
            flaky.is_away = False
            await end(database, log)
            assert await follower.end() == [1, 2, 3]
    finally:
        await flaky.close()


async def test_the_poll_rests_when_nothing_is_owned_or_read(
    migrated_url: str, writer: JournalWriter, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    states = repository.states

    async def counting(connection: Connection, names: list[repository.RunName]) -> object:
        nonlocal looks
        looks += 1
        return await states(connection, names)

    monkeypatch.setattr(repository, "states", counting)
    database = FlakyDatabase(migrated_url)
    feeds = Feeds(database)
    loop = asyncio.get_running_loop()
    try:
        async with feeds.running():
            logs = [owned_log(writer, await new_run()) for _ in range(20)]
            began = loop.time()
            for log in logs:
                feeds.adopt(log)
            await until(lambda: looks >= 4)
            # One look in each pause for all twenty, however long a busy machine takes for them.
            assert looks <= (loop.time() - began) / reading.POLL_SECONDS + 1
            for log in logs:
                feeds.release(log)
            # A look that is under way goes on to its end.
            await until(lambda: database.asked == 0)
            looks = 0
            await asyncio.sleep(3 * reading.POLL_SECONDS)
            assert looks == 0
    finally:
        await database.close()


async def test_a_thousand_readers_cost_no_connection_and_no_task_of_their_own(
    migrated_url: str, database: Database, writer: JournalWriter, new_run: NewRun, here: Feeds
) -> None:
    small = Database(migrated_url, pool_size=2)
    feeds = Feeds(small)
    key = await new_run()
    log = owned_log(writer, key)
    here.adopt(log)
    try:
        async with feeds.running():
            followers = [Follower(source, key) for source in (here, feeds) for _ in range(500)]
            tasks = len(asyncio.all_tasks())
            await append(log, 1, 2, 3)
            assert len(asyncio.all_tasks()) < tasks + 50
            await end(database, log)
            for follower in followers:
                assert await follower.end() == [1, 2, 3, 4]
    finally:
        await small.close()


async def test_the_bytes_of_a_stream_are_the_same_for_every_reader_and_idle_ones_are_kept_alive(
    database: Database,
    writer: JournalWriter,
    new_run: NewRun,
    here: Feeds,
    elsewhere: Feeds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeding, "IDLE_SECONDS", 0.3)
    log = owned_log(writer, await new_run())
    here.adopt(log)

    received: list[list[bytes]] = [[], []]

    async def read(feeds: Feeds, chunks: list[bytes]) -> None:
        async for chunk in sse.stream(feeds, log.key.user_id, log.key.run_id, 0):
            chunks.append(chunk)

    readers = [
        asyncio.create_task(read(feeds, chunks)) for feeds, chunks in zip((here, elsewhere), received, strict=True)
    ]
    log.text("Grüße\n")
    log.text("data: x")
    await until(lambda: all(sse.KEEP_ALIVE in chunks for chunks in received))
    await end(database, log)
    expected = "".join(
        f"id: {log.key.run_id}:{event.n}\ndata: {event.data}\n\n" for event in await stored_events(database, log.key)
    ).encode()
    for reader, chunks in zip(readers, received, strict=True):
        await asyncio.wait_for(reader, WAIT_SECONDS)
        assert b"".join(chunk for chunk in chunks if chunk != sse.KEEP_ALIVE) == expected
    assert "Grüße\\ndata: x" in expected.decode()
