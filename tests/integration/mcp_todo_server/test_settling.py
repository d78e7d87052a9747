"""Settling: a caller who stops learns what a call came to, or that it never happens, whatever is still under way."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_todo_server.database import Database
from mcp_todo_server.effects.models import EffectRow
from mcp_todo_server.tasks import calls
from mcp_todo_server.tasks.errors import InvalidArgumentsError
from mcp_todo_server.tasks.repository import TaskRepository
from mcp_todo_server.tasks.tools import TOOLS
from sqlalchemy import func
from sqlmodel import select

from tests.integration.mcp_todo_server.conftest import Refused, Todo, effect_meta, mcp_client
from tests.support.services import Service, running_todo_server

KEY = "019ab0de-0000-7000-8000-000000000000/0/0"
VOID = "this call was stopped before it was carried out; nothing was changed"
WRITING = [spec.name for spec in TOOLS if not spec.reads_only]


async def effects(todo: Todo) -> int:
    async with todo.database.reading() as session:
        return (await session.exec(select(func.count()).select_from(EffectRow))).one()


def arguments_of(tool: str) -> dict[str, Any]:
    """Arguments that the tool takes, where task 1 is there."""
    given: dict[str, dict[str, Any]] = {
        "add_task": {"title": "y"},
        "update_task": {"task_id": 1, "title": "y"},
        "batch_tasks": {"complete": [1]},
        "set_timezone": {"timezone": "Europe/Berlin"},
    }
    return given.get(tool, {"task_id": 1})


async def test_settling_a_call_that_was_carried_out_returns_its_answer_to_the_byte(todo: Todo) -> None:
    done = await todo.text("add_task", KEY, title="Buy milk 🥛", tags=["a"])
    await todo.call("update_task", task_id=1, title="changed meanwhile")
    for _ in range(2):
        assert await todo.text("add_task", KEY, settle=True, title="Buy milk 🥛", tags=["a"]) == done
    assert await todo.numbers(status="all") == [1]
    assert await effects(todo) == 1


@pytest.mark.parametrize("tool", WRITING)
async def test_a_call_settled_before_it_comes_changes_nothing_however_often_it_comes(todo: Todo, tool: str) -> None:
    await todo.call("add_task", title="x")
    # Deleted, restore_task would have something to do; open, all the others have.
    if tool == "restore_task":
        await todo.call("delete_task", task_id=1)
    if tool == "reopen_task":
        await todo.call("complete_task", task_id=1)
    before = await todo.text("list_tasks", status="all")
    for settle in (True, None, False, True, None):
        with pytest.raises(Refused) as refusal:
            await todo.text(tool, KEY, settle, **arguments_of(tool))
        assert str(refusal.value) == VOID
    assert await todo.text("list_tasks", status="all") == before
    assert await effects(todo) == 1
    # The same work under another key is another call.
    await todo.call(tool, "another/0/0", **arguments_of(tool))
    assert await todo.text("list_tasks", status="all") != before


async def test_what_is_said_of_a_void_call_is_kept_with_its_key(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await todo.heard("add_task", KEY, settle=True, title="x")
    # As a later release may word it.
    monkeypatch.setattr("mcp_todo_server.effects.service.VOID", "stopped")
    assert await todo.heard("add_task", KEY, settle=True, title="x") == first
    assert await todo.heard("add_task", KEY, title="x") == first


@pytest.mark.parametrize("settled_first", [False, True])
@pytest.mark.parametrize("settle", [True, None])
async def test_the_key_of_another_call_is_refused_by_either(
    todo: Todo, settled_first: bool, settle: bool | None
) -> None:
    await todo.heard("add_task", KEY, settled_first, title="x")
    for tool, arguments in (("add_task", {"title": "y"}), ("complete_task", {"task_id": 1})):
        with pytest.raises(Refused, match="was used for another call"):
            await todo.text(tool, KEY, settle, **arguments)
    assert await effects(todo) == 1
    assert await todo.numbers() == ([] if settled_first else [1])


async def test_the_same_call_written_differently_is_settled_as_the_same_call(todo: Todo) -> None:
    await todo.heard("add_task", KEY, settle=True, title="x", due_at="2026-12-24T16:00:00Z")
    again = await todo.heard("add_task", KEY, due_at="2026-12-24T17:00:00+01:00", title=" x ", description=None)
    assert again == f"refused: {VOID}"


async def test_keys_of_two_users_are_settled_apart(todo: Todo) -> None:
    await todo.heard("add_task", KEY, settle=True, title="x")
    assert (await todo.of("bob").call("add_task", KEY, title="x"))["task_id"] == 1


async def test_a_read_is_void_and_leaves_nothing(todo: Todo) -> None:
    await todo.call("add_task", title="x")
    for key in (KEY, None, "not a key"):
        for tool, arguments in (("get_task", {"task_id": 1}), ("list_tasks", {"limit": 0})):
            assert await todo.heard(tool, key, settle=True, **arguments) == f"refused: {VOID}"
    assert await effects(todo) == 0
    assert (await todo.call("get_task", KEY, task_id=1))["title"] == "x"


async def test_settling_needs_a_key(todo: Todo) -> None:
    with pytest.raises(Refused, match=r"settle needs io\.todo-chat/effect-key"):
        await todo.text("add_task", settle=True, title="x")
    with pytest.raises(Refused, match="visible ASCII characters"):
        await todo.text("add_task", "a b", settle=True, title="x")
    assert await effects(todo) == 0


@pytest.mark.parametrize("settle", ["true", 1, 0, "", [], {}])
async def test_settle_is_a_boolean_or_the_call_is_refused(todo: Todo, settle: Any) -> None:
    for tool in ("add_task", "list_tasks"):
        with pytest.raises(Refused, match="settle must be true or false"):
            await todo.text(tool, KEY, settle, title="x")
    assert await todo.numbers() == []
    assert await effects(todo) == 0


async def test_settle_false_is_the_call_itself(todo: Todo) -> None:
    done = await todo.text("add_task", KEY, settle=False, title="x")
    assert await todo.text("add_task", KEY, title="x") == done


async def test_settling_needs_the_scope_that_the_call_needs(todo: Todo) -> None:
    with pytest.raises(Refused, match="lacks the scope tasks:write"):
        await todo.reading_only().text("add_task", KEY, settle=True, title="x")
    assert await effects(todo) == 0
    assert (await todo.call("add_task", KEY, title="x"))["task_id"] == 1


async def test_a_call_whose_arguments_are_refused_can_be_settled(todo: Todo) -> None:
    for _ in range(2):
        assert await todo.heard("add_task", KEY, settle=True, titel="x") == f"refused: {VOID}"
    assert await todo.heard("add_task", KEY, titel="x") == (
        'refused: title is missing; it must be a text of 1 to 500 characters in one line, such as "Buy milk"; '
        '"titel" is not an argument of add_task; it takes title, description, due, due_at, recurrence, priority, tags'
    )
    assert await todo.numbers() == []


@asynccontextmanager
async def older_release(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Run with tools that refuse every argument, as those of a release from before they were made."""

    def refuse(*_: Any) -> None:
        raise InvalidArgumentsError("not an argument of this tool")

    with monkeypatch.context() as patch:
        patch.setattr(calls, "parse", refuse)
        yield


async def test_a_release_that_refuses_the_arguments_settles_for_one_that_takes_them(
    todo: Todo, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = await todo.text("add_task", "k/0/0", title="x")
    async with older_release(monkeypatch):
        assert await todo.text("add_task", "k/0/0", settle=True, title="x") == done
        assert await todo.heard("add_task", "k/1/0", settle=True, title="y") == f"refused: {VOID}"
    for settle in (None, True):
        assert await todo.heard("add_task", "k/1/0", settle, title="y") == f"refused: {VOID}"
    assert await todo.numbers() == [1]


async def test_a_refusal_that_left_its_key_free_is_void_once_it_is_settled(todo: Todo) -> None:
    with pytest.raises(Refused, match="does not exist"):
        await todo.call("complete_task", KEY, task_id=1)
    assert await todo.heard("complete_task", KEY, settle=True, task_id=1) == f"refused: {VOID}"
    await todo.call("add_task", title="x")
    assert await todo.heard("complete_task", KEY, task_id=1) == f"refused: {VOID}"
    assert (await todo.call("get_task", task_id=1))["status"] == "open"


class HeldCall:
    """Holds the next `add_task` in the middle of its transaction, its key claimed and its task written."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.fails = False


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldCall:
    call, insert = HeldCall(), TaskRepository.insert

    async def insert_and_hold(self: TaskRepository, *rows: Any) -> None:
        await insert(self, *rows)
        if not call.reached.is_set():
            call.reached.set()
            await call.go_on.wait()
            if call.fails:
                raise ConnectionError("the connection is gone")

    monkeypatch.setattr(TaskRepository, "insert", insert_and_hold)
    return call


async def test_a_settle_waits_for_the_call_under_way_and_hears_its_answer(todo: Todo, held: HeldCall) -> None:
    call = asyncio.create_task(todo.text("add_task", KEY, title="x"))
    await held.reached.wait()
    settle = asyncio.create_task(todo.text("add_task", KEY, settle=True, title="x"))
    repeat = asyncio.create_task(todo.text("add_task", KEY, title="x"))
    await asyncio.sleep(0.3)
    assert not settle.done()
    assert not repeat.done()
    held.go_on.set()
    assert len({await call, await settle, await repeat}) == 1
    assert await todo.numbers() == [1]


async def test_a_settle_that_waited_for_a_call_that_failed_makes_it_void(todo: Todo, held: HeldCall) -> None:
    held.fails = True
    call = asyncio.create_task(todo.text("add_task", KEY, title="x"))
    await held.reached.wait()
    settle = asyncio.create_task(todo.heard("add_task", KEY, settle=True, title="x"))
    await asyncio.sleep(0.3)
    assert not settle.done()
    held.go_on.set()
    with pytest.raises(MCPError):
        await call
    assert await settle == f"refused: {VOID}"
    assert await todo.heard("add_task", KEY, title="x") == f"refused: {VOID}"
    assert await todo.numbers(status="all") == []


async def test_a_repeat_that_waited_for_a_call_that_failed_is_carried_out(todo: Todo, held: HeldCall) -> None:
    held.fails = True
    call = asyncio.create_task(todo.text("add_task", KEY, title="x"))
    await held.reached.wait()
    repeat = asyncio.create_task(todo.call("add_task", KEY, title="x"))
    await asyncio.sleep(0.3)
    assert not repeat.done()
    held.go_on.set()
    with pytest.raises(MCPError):
        await call
    assert (await repeat)["task_id"] == 1
    assert await todo.numbers(status="all") == [1]


async def test_a_call_waits_for_the_settle_under_way_and_is_void(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    writing = todo.database.writing

    @asynccontextmanager
    async def hold_before_commit() -> AsyncIterator[Any]:
        async with writing() as session:
            yield session
            if not reached.is_set():
                reached.set()
                await go_on.wait()

    monkeypatch.setattr(todo.database, "writing", hold_before_commit)
    settle = asyncio.create_task(todo.heard("add_task", KEY, settle=True, title="x"))
    await reached.wait()
    call = asyncio.create_task(todo.heard("add_task", KEY, title="x"))
    await asyncio.sleep(0.3)
    assert not settle.done(), "void is told only once it is stored"
    assert not call.done()
    go_on.set()
    assert await settle == await call == f"refused: {VOID}"
    assert await todo.numbers() == []


async def test_a_settle_that_is_not_stored_is_not_told(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = todo.database.writing

    @asynccontextmanager
    async def fail_to_commit() -> AsyncIterator[Any]:
        async with writing() as session:
            yield session
            raise ConnectionError("the connection is gone")

    with monkeypatch.context() as patch:
        patch.setattr(todo.database, "writing", fail_to_commit)
        with pytest.raises(MCPError, match="send the same call again"):
            await todo.text("add_task", KEY, settle=True, title="x")
    assert await effects(todo) == 0


@pytest.mark.parametrize("first", [None, True])
async def test_twenty_settles_and_calls_at_once_hear_the_same(todo: Todo, first: bool | None) -> None:
    for number in range(5):
        key = f"k/{number}/0"
        sends = [first, *[None, True] * 9, not first]
        heard = await asyncio.gather(*(todo.heard("add_task", key, settle, title=key) for settle in sends))
        assert len(set(heard)) == 1
        titles = [task["title"] for task in (await todo.call("list_tasks"))["tasks"]]
        assert titles.count(key) == (heard[0] != f"refused: {VOID}")
        assert await effects(todo) == number + 1


# Real processes from here on, which a file's tests share in the module's event loop.


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("era", ["2026-07-28", "legacy"])
async def test_a_client_settles_over_http(server: Service, token: str, era: str) -> None:
    key = f"{uuid.uuid4()}/0"
    async with mcp_client(server.mcp_url, token, era) as client:
        void = await client.call_tool("add_task", {"title": "x"}, meta=effect_meta(f"{key}/0", settle=True))
        late = await client.call_tool("add_task", {"title": "x"}, meta=effect_meta(f"{key}/0"))
        done = await client.call_tool("add_task", {"title": "x"}, meta=effect_meta(f"{key}/1", settle=False))
        told = await client.call_tool("add_task", {"title": "x"}, meta=effect_meta(f"{key}/1", settle=True))
        assert await titles(client) == ["x"]
    assert void.is_error
    assert void.structured_content is None
    assert (late.content, late.is_error) == (void.content, True)
    assert (told.content, told.structured_content, told.is_error) == (done.content, done.structured_content, False)


@pytest.mark.asyncio(loop_scope="module")
async def test_settles_and_calls_race_on_two_servers(server: Service, module_database_url: str, token: str) -> None:
    kinds: list[bool] = []
    async with running_todo_server(module_database_url) as other:
        async with mcp_client(server.mcp_url, token) as one, mcp_client(other.mcp_url, token) as two:
            while len(kinds) < 10 or len(set(kinds)) < 2:
                assert len(kinds) < 100, "the same kind of call always comes first: this is no race"
                key = f"{uuid.uuid4()}/0/0"

                async def send(client: Client, settle: bool, key: str = key) -> tuple[str, bool]:
                    result = await client.call_tool("add_task", {"title": key}, meta=effect_meta(key, settle=settle))
                    return str(result.content), bool(result.is_error)

                sends = [(client, settle) for _ in range(5) for client in (one, two) for settle in (False, True)]
                # Whoever is first has the better chance, so both kinds of outcome come about.
                heard = await asyncio.gather(*(send(*which) for which in (sends[::-1] if len(kinds) % 2 else sends)))
                assert len(set(heard)) == 1
                carried_out = not heard[0][1]
                assert (await titles(two)).count(key) == carried_out
                kinds.append(carried_out)
        assert await other.stop() == 0


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("settle", [False, True])
async def test_what_a_killed_server_had_committed_is_told_though_nobody_heard_its_answer(
    module_database_url: str, user: str, token: str, settle: bool
) -> None:
    key = f"{uuid.uuid4()}/0/0"
    database = Database(module_database_url)
    async with running_todo_server(module_database_url) as service:

        async def send_and_hear_nothing() -> None:
            async with mcp_client(service.mcp_url, token, "2026-07-28") as client:
                await client.call_tool("add_task", {"title": "x"}, meta=effect_meta(key, settle=settle))

        sending = asyncio.create_task(send_and_hear_nothing())
        stored: EffectRow | None = None
        async with asyncio.timeout(60):
            while stored is None:
                await asyncio.sleep(0.002)
                async with database.reading() as session:
                    stored = await session.get(EffectRow, (user, key))
        await service.kill()
        await asyncio.gather(sending, return_exceptions=True)
        await service.restart()
        async with mcp_client(service.mcp_url, token) as client:
            for again in (True, False):
                told = await client.call_tool("add_task", {"title": "x"}, meta=effect_meta(key, settle=again))
                assert (told.model_dump()["content"][0]["text"], told.is_error) == (stored.result, settle)
            assert await titles(client) == ([] if settle else ["x"])
    await database.close()


async def titles(client: Client) -> list[str]:
    listed = await client.call_tool("list_tasks", {"limit": 100})
    assert listed.structured_content is not None
    return [task["title"] for task in listed.structured_content["tasks"]]
