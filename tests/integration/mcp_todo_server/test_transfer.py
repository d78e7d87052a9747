"""Whole lists out and in: nothing is lost, nothing is made twice, and a wrong file changes nothing."""

import datetime as dt
import io
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp_todo_server import schema
from mcp_todo_server.database import Database, DatabaseError
from mcp_todo_server.tasks.models import TaskRow, TaskTagRow
from mcp_todo_server.transfer.entries import VERSION_MAX, Entry, Kept, ListFacts, entry
from mcp_todo_server.transfer.errors import TransferError
from mcp_todo_server.transfer.formats import FORMATS_BY_NAME
from mcp_todo_server.transfer.repository import PAGE_ROWS, TransferRepository
from mcp_todo_server.transfer.service import Read, TransferService, Written
from mcp_todo_server.users.models import UserRow
from sqlmodel import col, select

from tests.integration.mcp_todo_server.conftest import Todo
from tests.support.listed_tasks import is_a_task, listed_tasks

NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)
FORMATS = pytest.mark.parametrize("name", FORMATS_BY_NAME)
DERIVED = {"words", "search_text", "due_until"}
"""Columns that are worked out of others."""


class Lists:
    """Exports and imports of any user's list, in memory."""

    def __init__(self, todo: Todo) -> None:
        self._todo = todo
        self._service = TransferService(todo.database, clock=todo.clock)
        self.last: Written | Read | None = None

    async def written(self, name: str, user: str = "ann") -> bytes:
        target = io.BytesIO()
        self.last = await self._service.write(user, FORMATS_BY_NAME[name], target)
        return target.getvalue()

    async def read(self, name: str, content: bytes | str, user: str = "ann", **options: bool) -> Read:
        source = io.BytesIO(content.encode() if isinstance(content, str) else content)
        return await self._service.read(user, FORMATS_BY_NAME[name], source, **options)

    async def refusal(self, name: str, content: bytes | str, user: str = "ann") -> str:
        with pytest.raises(TransferError) as refused:
            await self.read(name, content, user)
        return str(refused.value)

    async def rows(self, user: str = "ann") -> list[dict[str, Any]]:
        """Everything that is kept of a user's tasks, apart from what is worked out of it."""
        async with self._todo.database.reading() as session:
            rows = (
                await session.exec(select(TaskRow).where(TaskRow.user_id == user).order_by(col(TaskRow.task_id)))
            ).all()
            tags = (await session.exec(select(TaskTagRow).where(TaskTagRow.user_id == user))).all()
        return [
            row.model_dump(exclude=DERIVED)
            | {"tags": sorted((tag.position, tag.label) for tag in tags if tag.task_id == row.task_id)}
            for row in rows
        ]

    async def user(self, user: str = "ann") -> UserRow | None:
        async with self._todo.database.reading() as session:
            return await session.get(UserRow, user)


@pytest.fixture
def lists(todo: Todo) -> Lists:
    return Lists(todo)


async def fill(todo: Todo) -> None:
    """Give a user tasks in every state: 1 to 7, of which 6 follows 5."""
    await todo.call("set_timezone", timezone="Europe/Berlin")
    await todo.call("add_task", title="Buy milk", due="2026-12-24", tags=["Home", "errands"], priority="high")
    await todo.call("add_task", title="Call", due_at="2026-12-24T17:00[America/New_York]", description="a\nb")
    await todo.call("add_task", title="Done")
    await todo.call("complete_task", task_id=3)
    await todo.call("add_task", title="Gone")
    await todo.call("delete_task", task_id=4)
    await todo.call("add_task", title="Rent", due="2026-12-01", recurrence="FREQ=MONTHLY;COUNT=12")
    todo.clock.now += dt.timedelta(days=2, microseconds=17)
    await todo.call("complete_task", task_id=5)
    await todo.call("add_task", title="Moved first")
    await todo.call("update_task", task_id=7, before=1)


async def test_json_brings_everything_into_an_empty_list(todo: Todo, lists: Lists) -> None:
    await fill(todo)
    content = await lists.written("json")
    assert json.loads(content)["last_task_id"] == 7
    outcome = await lists.read("json", content, "bob")
    assert (outcome.added, outcome.present) == (7, 0)
    assert outcome.numbers == {number: number for number in range(1, 8)}
    assert await lists.rows("bob") == [row | {"user_id": "bob"} for row in await lists.rows()]
    assert await lists.written("json", "bob") == content
    # What is worked out of the rest is there too.
    bob = todo.of("bob")
    assert await bob.numbers(query="milk") == [1]
    assert await bob.numbers(sort="manual") == [7, 1, 2, 6]
    assert await bob.numbers(due_before="2026-12-25") == [1, 2]
    assert (await bob.call("list_tasks"))["timezone"] == "Europe/Berlin"
    assert (await bob.call("add_task", title="next"))["task_id"] == 8
    # Reopening the one that repeats puts away the one that followed, which is untouched.
    await bob.call("reopen_task", task_id=5)
    assert (await bob.call("get_task", task_id=6))["status"] == "deleted"


async def test_numbers_of_purged_tasks_are_not_given_again(todo: Todo, lists: Lists) -> None:
    await todo.call("add_task", title="x")
    content = (await lists.written("json")).replace(b'"last_task_id": 1', b'"last_task_id": 9')
    await lists.read("json", content, "bob")
    assert (await todo.of("bob").call("add_task", title="next"))["task_id"] == 10


async def test_a_list_that_has_tasks_gives_new_numbers_and_links_follow(todo: Todo, lists: Lists) -> None:
    await fill(todo)
    content = await lists.written("json")
    bob = todo.of("bob")
    await bob.call("add_task", title="already there")
    outcome = await lists.read("json", content, "bob")
    assert outcome.numbers == {number: number + 1 for number in range(1, 8)}
    rows = {row["task_id"]: row for row in await lists.rows("bob")}
    assert rows[6]["next_task_id"] == 7
    assert {rows[7][name] for name in ("title", "status")} == {"Rent", "open"}
    assert (await bob.call("list_tasks"))["timezone"] == "UTC"
    assert (await bob.call("add_task", title="next"))["task_id"] == 9


@pytest.mark.parametrize("before", [0, 1])
async def test_what_follows_a_task_but_is_not_in_the_file_is_left_out(todo: Todo, lists: Lists, before: int) -> None:
    await fill(todo)
    page = await todo.text("list_tasks", status="completed")
    assert '"next_task_id"' in page
    bob = todo.of("bob")
    for _ in range(before):
        await bob.call("add_task", title="already there")
    assert (await lists.read("json", page, "bob")).added == 2
    assert {row["next_task_id"] for row in await lists.rows("bob")} == {None}


@pytest.mark.parametrize("before", [0, 1])
async def test_the_highest_version_of_a_file_can_still_be_changed(todo: Todo, lists: Lists, before: int) -> None:
    for _ in range(before):
        await todo.call("add_task", title="already there")
    highest = {"task_id": 1, "title": "x", "due": "2026-12-01", "recurrence": "FREQ=DAILY", "version": VERSION_MAX}
    await lists.read("json", json.dumps([highest]))
    assert (await todo.call("complete_task", task_id=1 + before))["version"] == VERSION_MAX + 1
    for name in ("version", "next_version"):
        assert name in await lists.refusal("json", json.dumps([highest | {name: VERSION_MAX + 1}]))


async def test_a_file_may_take_longer_to_read_than_a_transaction_may_idle(database_url: str) -> None:
    async def read_for_longer_than(idle_seconds: float) -> int:
        def slow(_source: IO[bytes], _zone: ZoneInfo) -> Iterator[Entry]:
            time.sleep(idle_seconds + 0.4)
            yield entry(1, {"title": "x"}, {"uid": "1"})

        url = database_url
        if url.startswith("postgresql"):
            url += f"?options=-c%20idle_in_transaction_session_timeout%3D{idle_seconds * 1000:.0f}ms"
        database = Database(url)
        try:
            form = replace(FORMATS_BY_NAME["todotxt"], read=slow)
            return (await TransferService(database).read("ann", form, io.BytesIO())).added
        finally:
            await database.close()

    await schema.migrate(database_url)
    # On a busy machine a transaction may idle for too long before its first statement: then with more time.
    for idle_seconds in (0.1, 1.0):
        with suppress(DatabaseError):
            assert await read_for_longer_than(idle_seconds) == 1
            return
    assert await read_for_longer_than(4.0) == 1


async def test_once_a_list_has_had_a_task_its_numbers_go_on(todo: Todo, lists: Lists) -> None:
    await fill(todo)
    content = await lists.written("json")
    bob = todo.of("bob")
    await bob.call("add_task", title="deleted since")
    await bob.call("delete_task", task_id=1)
    assert (await lists.read("json", content, "bob")).numbers[1] == 2


@FORMATS
async def test_a_file_that_is_imported_again_makes_nothing_twice(todo: Todo, lists: Lists, name: str) -> None:
    await fill(todo)
    content = await lists.written(name)
    bob = todo.of("bob")
    await bob.call("add_task", title="already there")
    first = await lists.read(name, content, "bob")
    assert first.present == 0
    assert first.added == (7 if name == "json" else 6)
    before = await lists.rows("bob")
    for change in ({"title": "renamed"}, {"priority": "low"}):
        await bob.call("update_task", task_id=2, **change)
        again = await lists.read(name, content, "bob")
        assert (again.added, again.present) == (0, first.added)
    assert [row["task_id"] for row in await lists.rows("bob")] == [row["task_id"] for row in before]
    # The same list by any other format, and the list that the file came from, know it as well.
    for other in FORMATS_BY_NAME:
        content = await lists.written(other, "bob")
        assert (await lists.read(other, content, "bob")).added == 0
        assert (await lists.read(name, await lists.written(name))).added == 0


@FORMATS
async def test_a_second_one_of_each_can_be_asked_for(todo: Todo, lists: Lists, name: str) -> None:
    await fill(todo)
    content = await lists.written(name)
    for times in range(1, 3):
        outcome = await lists.read(name, content, again=True)
        assert (outcome.added, outcome.present) == (7 if name == "json" else 6, 0)
        assert len(await lists.rows()) == 7 + times * outcome.added
    # The copies are tasks of their own, with names of their own.
    everything = json.loads(await lists.written("json"))["tasks"]
    assert len({task["uid"] for task in everything}) == len(everything)
    assert (await lists.read("json", await lists.written("json"))).added == 0


async def test_what_was_imported_a_second_time_is_still_known(lists: Lists) -> None:
    assert (await lists.read("todotxt", "Buy milk\n", again=True)).added == 1
    assert (await lists.read("todotxt", "Buy milk\n")).present == 1


@pytest.mark.parametrize(
    ("name", "content", "changed"),
    [
        ("todotxt", "(A) 2026-01-01 Buy milk\n", "x 2026-01-02 2026-01-01 Buy milk pri:A\n"),
        ("todotxt", "Buy milk\nBuy milk\n", "\n# a remark\nBuy milk\n\n(B) Buy milk\n"),
        ("markdown", "- [ ] Buy milk\n  two litres\n", "# Today\n\n* [x] Buy milk\n  two litres\n"),
    ],
)
async def test_what_was_imported_is_known_after_it_was_done_or_moved(
    lists: Lists, name: str, content: str, changed: str
) -> None:
    first = await lists.read(name, content)
    again = await lists.read(name, changed)
    assert again.present == first.added
    assert again.added == (1 if "remark" in changed else 0)


@FORMATS
async def test_a_dry_run_says_what_would_be_done_and_does_nothing(todo: Todo, lists: Lists, name: str) -> None:
    await fill(todo)
    content = await lists.written(name)
    would = await lists.read(name, content, "bob", dry_run=True)
    assert (await lists.rows("bob"), await lists.user("bob")) == ([], None)
    assert await lists.read(name, content, "bob") == would


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("json", '{"tasks": [\n{"title": "x"},\n{"title": "y", "due": "soon"}]}', 3, 'a date such as "2026-12-24"'),
        ("json", '{"tasks": [\n{"title": "x"}\n{"title": "y"}]}', 3, '"," or "]" is missing'),
        ("json", '{"tasks": [\n{"task_id": 1, "title": "x"},\n{"task_id": 1, "title": "y"}]}', 3, "stands twice"),
        ("markdown", "- [ ] x\n- [ ] y\n  - priority: soon\n", 2, "one of low, normal, high, urgent"),
        ("markdown", "- [ ] x\n- [ ] y\n  - due: 2026-01-01\n  - due: 2026-01-02\n", 4, "stands twice"),
        ("todotxt", "x\ny due:2026-02-30\n", 2, 'a date such as "2026-12-24"'),
        ("todotxt", "x\ny rec:often due:2026-02-01\n", 2, '"rec:+2w"'),
        ("todotxt", "x\ny rec:1w\n", 2, "give its first one"),
        ("icalendar", "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:1\nEND:VTODO\nEND:VCALENDAR\n", 2, "title"),
        ("icalendar", "BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:x\nEND:VTODO\nEND:VCALENDAR\n", 2, "UID is missing"),
    ],
)
async def test_a_file_with_a_wrong_line_changes_nothing(
    lists: Lists, name: str, content: str, line: int, says: str
) -> None:
    told = await lists.refusal(name, content)
    assert told.startswith(f"line {line}: ")
    assert says in told
    assert (await lists.rows(), await lists.user()) == ([], None)


async def test_what_is_wrong_behind_many_tasks_takes_all_of_them_back(todo: Todo, lists: Lists) -> None:
    await todo.call("add_task", title="there before")
    content = "".join(f"task {number}\n" for number in range(3 * PAGE_ROWS)) + "late due:never\n"
    assert (await lists.refusal("todotxt", content)).startswith(f"line {3 * PAGE_ROWS + 1}: ")
    assert await todo.numbers(status="all") == [1]
    assert (await todo.call("add_task", title="next"))["task_id"] == 2


async def test_an_export_is_of_one_moment(todo: Todo, lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_todo_server.transfer.repository.PAGE_ROWS", 2)
    for number in range(6):
        await todo.call("add_task", title=f"task {number}")
    unchanged = TransferRepository.pages

    async def pages(repository: TransferRepository, *, deleted: bool) -> AsyncIterator[list[Kept]]:
        async for page in unchanged(repository, deleted=deleted):
            yield page
            if page[0].row.task_id == 1:
                await todo.call("update_task", task_id=6, title="renamed")
                await todo.call("add_task", title="added")

    with monkeypatch.context() as patch:
        patch.setattr(TransferRepository, "pages", pages)
        during = (await lists.written("todotxt")).decode()
    assert [f"task {number}" in during for number in range(6)] == [True] * 6
    assert "renamed" not in during
    assert "added" not in during
    after = (await lists.written("todotxt")).decode()
    assert "renamed" in after
    assert "added" in after


async def test_what_a_format_has_no_place_for_is_told(todo: Todo, lists: Lists) -> None:
    await fill(todo)
    await lists.written("todotxt")
    assert lists.last == Written(6, {"description": 1})
    await lists.written("json")
    assert lists.last == Written(7, {})


async def test_users_lists_are_apart(todo: Todo, lists: Lists) -> None:
    await lists.read("todotxt", "for Ann\n")
    await lists.read("todotxt", "for Ann\n", "bob")
    assert await todo.numbers() == [1]
    assert await todo.of("bob").numbers() == [1]
    assert b"Ann" not in await lists.written("json", "carol")


async def test_a_page_of_list_tasks_is_read(todo: Todo, lists: Lists) -> None:
    await fill(todo)
    page = await todo.text("list_tasks", status="all")
    outcome = await lists.read("json", page, "bob")
    assert outcome.added == 7
    assert [row["title"] for row in await lists.rows("bob")] == [row["title"] for row in await lists.rows()]
    assert (await lists.read("json", page, "bob")).added == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks=st.lists(listed_tasks().filter(is_a_task), max_size=5, unique_by=lambda kept: kept.row.task_id))
async def test_any_list_comes_back_as_it_was(lists: Lists, tasks: list[Kept]) -> None:
    user = f"user-{uuid.uuid4().hex}"
    facts = ListFacts("Europe/Berlin", max((kept.row.task_id for kept in tasks), default=0), exported_at=NOW)
    writer = FORMATS_BY_NAME["json"].writer(facts)
    content = writer.head() + "".join(map(writer.task, tasks)) + writer.tail()
    await lists.read("json", content, user)
    expected = [
        kept.row.model_dump(exclude=DERIVED) | {"user_id": user, "tags": list(enumerate(kept.tags))}
        for kept in sorted(tasks, key=lambda kept: kept.row.task_id)
    ]
    assert await lists.rows(user) == expected
    assert {task["title"] for task in json.loads(await lists.written("json", user))["tasks"]} == {
        kept.row.title for kept in tasks
    }
