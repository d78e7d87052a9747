"""The writer: what runs gather is stored together, at once where it has to be, and whatever the database does."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from chat_api.agent.turn import ModelStep, ToolOutcome, Usage
from chat_api.database import Connection, Database, DatabaseUnavailableError
from chat_api.journal import log as run_log
from chat_api.journal import repository
from chat_api.journal import writer as writing
from chat_api.journal.keys import RunKey
from chat_api.journal.log import JournalError, RunLog
from chat_api.journal.problems import RunLostError
from chat_api.journal.records import Entry
from chat_api.journal.writer import JournalWriter
from chat_api.schema import migrate
from sqlalchemy.engine import make_url

from tests.integration.chat_api.journal.conftest import (
    ADD_MILK,
    COST,
    NewRun,
    charged,
    insert_run,
    owned_log,
    running_writer,
    step,
    stored_calls,
    stored_events,
    take_over,
)
from tests.support.databases import NewDatabase
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

DONE = ToolOutcome('{"task_id":1}', is_error=False)


@pytest_asyncio.fixture(loop_scope="module")
async def writer(database: Database) -> AsyncIterator[JournalWriter]:
    """A running writer."""
    async with running_writer(database) as running:
        yield running


class Statements:
    """Records what is appended by one statement."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entries: list[list[Entry]] = []
        self.times: list[float] = []
        append = repository.append

        async def recording(connection: Connection, entries: list[Entry]) -> set[RunKey]:
            self.times.append(asyncio.get_running_loop().time())
            self.entries.append(entries)
            return await append(connection, entries)

        monkeypatch.setattr(repository, "append", recording)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """The statements of all writers."""
    return Statements(monkeypatch)


def types(events: list[Any]) -> list[str]:
    return [json.loads(event.data)["type"] for event in events]


def said(events: list[Any]) -> str:
    """Return the words that events hold."""
    return "".join(json.loads(event.data).get("delta", "") for event in events)


async def test_a_run_with_text_and_a_call_is_stored_as_its_log_shows_it(
    database: Database, writer: JournalWriter, new_run: NewRun
) -> None:
    key = await new_run()
    log = owned_log(writer, key)
    log.append('{"type":"RUN_STARTED"}')
    log.text("I will ")
    log.text("add it.")
    await log.responded(step(ADD_MILK, items='[{"id":"r"}]'), COST)
    await log.call_ended(ADD_MILK, DONE)
    log.text("Done")
    await log.responded(ModelStep(1, "[]", []), COST)
    await log.drain()
    stored = await stored_events(database, key)
    assert log.after(0) == stored
    assert types(stored)[:8] == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT",
    ]
    assert [event.n for event in stored] == list(range(1, len(stored) + 1))
    assert [call.outcome for call in await stored_calls(database, key)] == [DONE]
    assert await charged(database, key.user_id) == COST
    assert (log.usage, log.uncounted) == (COST + COST, COST)


async def test_the_first_words_go_at_once_and_more_wait_for_company(
    database: Database,
    writer: JournalWriter,
    new_run: NewRun,
    statements: Statements,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = owned_log(writer, await new_run())
    log.is_read = True
    loop = asyncio.get_running_loop()
    began = loop.time()
    log.append('{"type":"RUN_STARTED"}')
    await until(lambda: log.last_n == 1)
    # Had they to wait for company, the first words would do so until the test is given up.
    monkeypatch.setattr(run_log, "TEXT_SECONDS", 3600.0)
    log.text("Hello")
    await until(lambda: log.last_n == 3)
    pause = 0.2
    monkeypatch.setattr(run_log, "TEXT_SECONDS", pause)
    for word in range(50):
        log.text(f" {word}")
        await asyncio.sleep(0.02)
    whole = "Hello " + " ".join(map(str, range(50)))
    await until(lambda: said(log.after(0)) == whole)
    # The first two statements wait for nothing. The fifty words come in groups, one in each pause, however long a
    # busy machine takes for them.
    assert 4 <= len(statements.times) <= (statements.times[-1] - began) / pause + 2
    assert said(await stored_events(database, log.key)) == whole


async def test_words_that_come_as_a_pause_ends_do_not_cut_the_next_one_short(
    writer: JournalWriter, new_run: NewRun, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = 0.3
    monkeypatch.setattr(run_log, "TEXT_SECONDS", pause)
    log = owned_log(writer, await new_run())
    log.is_read = True
    append = repository.append

    async def more_is_said(connection: Connection, entries: list[Entry]) -> set[RunKey]:
        owned = await append(connection, entries)
        if len(statements.times) == 2:
            log.text(" four")
        return owned

    monkeypatch.setattr(repository, "append", more_is_said)
    log.text("one")
    await until(lambda: log.last_n == 2)
    log.text(" two")
    time.sleep(pause)  # noqa: ASYNC251 - as on a busy machine, which looks at its timers late
    for _ in range(2):
        await asyncio.sleep(0)
    # The pause is over, and the writer has not woken yet.
    said_at = asyncio.get_running_loop().time()
    log.text(" three")
    await until(lambda: said(log.after(0)) == "one two three four")
    assert len(statements.times) == 3
    assert statements.times[2] - said_at >= pause


async def test_what_gathers_while_a_statement_is_under_way_goes_into_the_next_one(
    database: Database, writer: JournalWriter, new_run: NewRun, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    append = repository.append

    async def held_up(connection: Connection, entries: list[Entry]) -> set[RunKey]:
        if not statements.entries:
            owned = await append(connection, entries)
            await gate.wait()
            return owned
        return await append(connection, entries)

    monkeypatch.setattr(repository, "append", held_up)
    logs = [owned_log(writer, await new_run()) for _ in range(30)]
    logs[0].append("{}")
    await until(lambda: bool(statements.entries))
    for log in logs:
        log.append("{}")
    gate.set()
    await asyncio.gather(*(log.drain() for log in logs))
    assert [len(entries) for entries in statements.entries] == [1, 30]
    assert [len(await stored_events(database, log.key)) for log in logs] == [2] + [1] * 29


async def test_the_loser_of_a_run_hears_of_it_and_others_go_on(
    database: Database, writer: JournalWriter, new_run: NewRun
) -> None:
    lost, kept = owned_log(writer, await new_run()), owned_log(writer, await new_run())
    stopped: list[str] = []
    with lost.on_stop(lambda: stopped.append("model")):
        await take_over(database, lost.key)
        results = await asyncio.gather(
            lost.responded(step(ADD_MILK), COST), kept.responded(step(ADD_MILK), COST), return_exceptions=True
        )
    assert [type(result) for result in results] == [RunLostError, type(None)]
    assert stopped == ["model"]
    with pytest.raises(RunLostError):
        lost.check_owned()
    kept.check_owned()
    assert lost.after(0) == []
    assert await stored_calls(database, lost.key) == []


async def test_an_entry_that_cannot_be_stored_fails_its_own_run_alone(
    database: Database, writer: JournalWriter, new_run: NewRun
) -> None:
    bad, good = owned_log(writer, await new_run()), owned_log(writer, await new_run())
    bad.append('{"type":"RUN_STARTED"}')
    await until(lambda: bad.last_n == 1)
    poison = replace(step(ADD_MILK), items=None)  # type: ignore[arg-type]
    bad.text("Let me see")
    entries = bad.responded(poison, COST), good.responded(step(ADD_MILK), COST)
    results = await asyncio.gather(*entries, return_exceptions=True)
    assert isinstance(results[0], JournalError)
    assert results[1] is None
    assert [call.call for call in await stored_calls(database, good.key)] == [ADD_MILK]
    with pytest.raises(JournalError):
        bad.check_owned()
    # It can still be ended: its log goes on behind what is stored.
    await bad.drain()
    closing = bad.closing('{"type":"RUN_ERROR"}')
    assert [event.n for event in closing] == [bad.last_n + 1 + place for place in range(len(closing))]
    assert types(closing)[-1] == "RUN_ERROR"
    assert await stored_events(database, bad.key) == bad.after(0)


class ForgetfulDatabase(Database):
    """Loses the answers of as many statements as it is told, after they were committed."""

    forgets = 0

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        async with super().statement() as connection:
            yield connection
        if self.forgets:
            self.forgets -= 1
            raise DatabaseUnavailableError


async def test_a_statement_whose_answer_was_lost_is_sent_again_and_counts_once(
    migrated_url: str, new_run: NewRun, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "RETRY_SECONDS", 0.01)
    database = ForgetfulDatabase(migrated_url)
    try:
        key = await new_run()
        async with running_writer(database) as writer:
            log = owned_log(writer, key)
            database.forgets = 2
            await log.responded(step(ADD_MILK), COST)
            database.forgets = 1
            await log.call_ended(ADD_MILK, DONE)
        assert len(statements.entries) == 5
        assert await stored_events(database, key) == log.after(0)
        assert [call.outcome for call in await stored_calls(database, key)] == [DONE]
        assert await charged(database, key.user_id) == COST
    finally:
        await database.close()


@pytest.mark.docker
async def test_an_outage_loses_nothing_while_the_lease_holds(
    new_database: NewDatabase, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "RETRY_SECONDS", 0.02)
    direct = new_database("postgresql")
    await migrate(direct)
    url = make_url(direct)
    assert url.host is not None
    assert url.port is not None
    async with tcp_proxy(url.host, url.port) as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        database = Database(through)
        try:
            holding, passing = await insert_run(database, user_id), await insert_run(database, user_id)
            lease = {holding: True, passing: True}
            async with running_writer(database) as writer:
                logs = [RunLog(writer, key, 1, lambda key=key: lease[key]) for key in lease]  # type: ignore[misc]
                for log in logs:
                    log.text("Before")
                await until(lambda: all(log.last_n == 2 for log in logs))
                await proxy.cut()
                writes = [asyncio.create_task(log.responded(step(ADD_MILK), COST)) for log in logs]
                await asyncio.sleep(0.3)
                assert not any(write.done() for write in writes)
                lease[passing] = False
                with pytest.raises(RunLostError):
                    await writes[1]
                assert not writes[0].done()
                await proxy.mend()
                await writes[0]
                await logs[0].drain()
                assert await stored_events(database, holding) == logs[0].after(0)
                assert len(await stored_events(database, passing)) == 2
                assert await charged(database, user_id) == COST
        finally:
            await database.close()


async def test_logs_that_are_not_drained_at_the_end_of_the_process_are_lost(
    database: Database, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = asyncio.Event()

    async def never(_: Connection, __: list[Entry]) -> set[RunKey]:
        stuck.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(repository, "append", never)
    async with running_writer(database) as writer:
        logs = [owned_log(writer, await new_run()) for _ in range(2)]
        writes = [asyncio.create_task(logs[0].responded(step(ADD_MILK), COST))]
        await stuck.wait()
        writes.append(asyncio.create_task(logs[1].responded(step(ADD_MILK), COST)))
        await asyncio.sleep(0)
    for write in writes:
        with pytest.raises(RunLostError):
            await write
    for log in logs:
        await log.drain()


async def test_an_outcome_of_an_earlier_run_is_recorded_where_it_has_none(
    database: Database, writer: JournalWriter, new_run: NewRun
) -> None:
    earlier, now = owned_log(writer, await new_run()), owned_log(writer, await new_run())
    await earlier.responded(step(ADD_MILK), Usage())
    await now.settled(earlier.key.run_id, ADD_MILK, DONE)
    await now.settled(earlier.key.run_id, ADD_MILK, ToolOutcome("{}", is_error=True))
    assert [call.outcome for call in await stored_calls(database, earlier.key)] == [DONE]
