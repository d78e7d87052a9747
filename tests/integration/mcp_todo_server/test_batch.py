"""batch_tasks: each item succeeds or fails by itself, and the call is one change that is kept or not kept."""

import asyncio
import dataclasses
import json
import time
from typing import Any

import jsonschema
import pytest
from mcp import MCPError
from mcp.types import CallToolResult
from mcp_todo_server.effects.models import EffectRow
from mcp_todo_server.tasks.batch import ITEMS_MAX
from mcp_todo_server.tasks.calls import CALL_SECONDS
from mcp_todo_server.tasks.edits import Edits
from mcp_todo_server.tasks.errors import TaskError
from mcp_todo_server.tasks.payloads import output_schema
from mcp_todo_server.tasks.repository import TaskRepository
from mcp_todo_server.tasks.schemas import TaskRef
from sqlalchemy import event, func
from sqlmodel import select
from todo_chat_shared.tasks import BatchOutcome, Task

from tests.integration.mcp_todo_server.conftest import SPECS, Refused, Todo, effect_meta, mcp_client
from tests.support.services import running_todo_server

KEY = "019ab0de-0000-7000-8000-000000000000/0/0"


async def batch(todo: Todo, effect_key: str | None = None, **arguments: Any) -> dict[str, Any]:
    outcome = await todo.call("batch_tasks", effect_key, **arguments)
    jsonschema.validate(outcome, output_schema(BatchOutcome))
    return outcome


async def statuses(todo: Todo) -> dict[int, str]:
    return {task["task_id"]: task["status"] for task in (await todo.call("list_tasks", status="all"))["tasks"]}


async def test_every_kind_of_change_in_one_call(todo: Todo) -> None:
    await batch(todo, add=["one", "two", "three", "four", "five"])
    await batch(todo, complete=[3], delete=[5])
    outcome = await batch(
        todo,
        add=[{"title": "six", "due": "2026-12-24", "tags": ["home"]}],
        update=[{"task_id": 1, "title": "ONE", "priority": "high"}],
        complete=[2],
        reopen=[3],
        delete=[4],
        restore=[5],
    )
    assert outcome == {
        "add": [{"task_id": 6, "title": "six"}],
        "update": [{"task_id": 1, "title": "ONE"}],
        "complete": [{"task_id": 2, "title": "two"}],
        "reopen": [{"task_id": 3, "title": "three"}],
        "delete": [{"task_id": 4, "title": "four"}],
        "restore": [{"task_id": 5, "title": "five"}],
    }
    assert await statuses(todo) == {1: "open", 2: "completed", 3: "open", 4: "deleted", 5: "open", 6: "open"}
    changed = await todo.call("get_task", task_id=1)
    assert (changed["title"], changed["priority"], changed["version"]) == ("ONE", "high", 2)


async def test_an_item_that_fails_says_which_and_why_in_its_place_and_the_others_are_done(todo: Todo) -> None:
    await batch(todo, add=["one", "two", "three"])
    await todo.call("delete_task", task_id=2)
    outcome = await batch(
        todo,
        add=[{"title": "four"}, {"title": "x", "due": "tomorrow"}, {"title": "five"}],
        update=[{"task_id": 1, "title": "x", "expected_version": 7}, {"task_id": 1, "title": "ONE"}],
        complete=[99, 3, 2],
    )
    assert [item.get("task_id") for item in outcome["add"]] == [4, None, 5]
    assert outcome["add"][1] == {"error": 'add[1].due must be a date such as "2026-12-24"; got "tomorrow"'}
    assert outcome["update"][0]["error"].startswith("update[0]: expected_version is 7, but task 1 is at version 1")
    assert outcome["update"][1] == {"task_id": 1, "title": "ONE"}
    assert outcome["complete"][0]["error"].startswith("complete[0]: task_id 99 does not exist; ")
    assert outcome["complete"][1] == {"task_id": 3, "title": "three"}
    assert outcome["complete"][2]["error"].startswith("complete[2]: task 2 is deleted; restore it first")
    assert await statuses(todo) == {1: "open", 2: "deleted", 3: "completed", 4: "open", 5: "open"}


async def test_what_makes_a_task_changeable_comes_first_and_what_puts_it_away_last(todo: Todo) -> None:
    await batch(todo, add=["one", "two"])
    await todo.call("delete_task", task_id=1)
    await batch(todo, delete=[2], update=[{"task_id": 1, "title": "ONE"}, {"task_id": 2, "title": "TWO"}], restore=[1])
    tasks = {task["task_id"]: task for task in (await todo.call("list_tasks", status="all"))["tasks"]}
    assert [(tasks[number]["title"], tasks[number]["status"]) for number in (1, 2)] == [
        ("ONE", "open"),
        ("TWO", "deleted"),
    ]


async def test_an_expected_version_is_the_one_before_the_batch(todo: Todo) -> None:
    await batch(todo, add=["one"], complete=[1])
    outcome = await batch(
        todo,
        reopen=[1],
        update=[
            {"task_id": 1, "expected_version": 1, "title": "never"},
            {"task_id": 1, "expected_version": 2, "title": "ONE"},
            {"task_id": 1, "expected_version": 2, "priority": "high"},
        ],
    )
    assert outcome["update"][0]["error"].startswith("update[0]: expected_version is 1, but task 1 is at version 2")
    assert outcome["update"][1:] == [{"task_id": 1, "title": "ONE"}] * 2
    task = await todo.call("get_task", task_id=1)
    assert (task["title"], task["priority"], task["version"]) == ("ONE", "high", 5)


async def test_one_call_undoes_what_one_call_did(todo: Todo) -> None:
    await batch(todo, add=["one", "two", "three", "four"])
    before = await statuses(todo)
    await batch(todo, complete=[1, 2], delete=[3, 4])
    await batch(todo, reopen=[1, 2], restore=[3, 4])
    assert await statuses(todo) == before


async def test_where_nothing_can_be_done_the_call_is_refused_and_its_key_is_free(todo: Todo) -> None:
    with pytest.raises(Refused) as refusal:
        await todo.call("batch_tasks", KEY, complete=[1, 2], add=[{"title": ""}])
    text = str(refusal.value)
    assert text.startswith("nothing was done: add[0].title must be a text")
    assert "complete[0]: task_id 1 does not exist" in text
    assert "complete[1]: task_id 2 does not exist" in text
    async with todo.database.reading() as session:
        assert (await session.exec(select(func.count()).select_from(EffectRow))).one() == 0
    await batch(todo, add=["one", "two"])
    assert await batch(todo, KEY, complete=[1, 2], add=[{"title": ""}])
    assert await statuses(todo) == {1: "completed", 2: "completed"}


async def test_a_repeat_under_its_key_is_told_the_same_to_the_byte_and_does_nothing(todo: Todo) -> None:
    arguments: dict[str, Any] = {"add": ["one 🥛", {"title": "x", "due": "tomorrow"}, "two"], "complete": [1, 9]}
    first = await todo.text("batch_tasks", KEY, **arguments)
    await todo.call("update_task", task_id=1, title="changed meanwhile")
    answers = await asyncio.gather(*(todo.text("batch_tasks", KEY, **arguments) for _ in range(5)))
    assert set(answers) == {first}
    assert await todo.text("batch_tasks", KEY, settle=True, **arguments) == first
    assert await statuses(todo) == {1: "completed", 2: "open"}
    with pytest.raises(Refused, match="was used for another call"):
        await todo.call("batch_tasks", KEY, add=["one 🥛"])


async def test_twenty_sends_at_once_are_one_batch(todo: Todo) -> None:
    answers = await asyncio.gather(*(todo.text("batch_tasks", KEY, add=["one", "two"]) for _ in range(20)))
    assert len(set(answers)) == 1
    assert await statuses(todo) == {1: "open", 2: "open"}


async def test_a_database_lost_in_the_middle_takes_everything_back(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    await batch(todo, add=["one", "two", "three"])
    read = TaskRepository.read

    async def lost(self: TaskRepository, user_id: str, task_id: int, **options: Any) -> Any:
        if task_id == 3:
            raise ConnectionError("the database's own words, which nobody outside may read")
        return await read(self, user_id, task_id, **options)

    arguments: dict[str, Any] = {"add": ["four"], "complete": [1, 2, 3]}
    with monkeypatch.context() as patch:
        patch.setattr(TaskRepository, "read", lost)
        for effect_key, said in ((KEY, "send the same call again"), (None, "it may have been done")):
            with pytest.raises(MCPError, match=said):
                await todo.call("batch_tasks", effect_key, **arguments)
    assert await statuses(todo) == {1: "open", 2: "open", 3: "open"}
    outcome = await batch(todo, KEY, **arguments)
    assert outcome["add"] == [{"task_id": 4, "title": "four"}]


async def test_a_refused_item_keeps_nothing_half_done(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    await batch(todo, add=["one", "two"])
    delete = Edits.delete

    async def delete_then_refuse(self: Edits, arguments: TaskRef) -> Task:
        task = await delete(self, arguments)
        if arguments.task_id == 1:
            raise TaskError("on second thoughts, no")
        return task

    monkeypatch.setattr(Edits, "delete", delete_then_refuse)
    outcome = await batch(todo, delete=[1, 2])
    assert outcome["delete"] == [{"error": "delete[0]: on second thoughts, no"}, {"task_id": 2, "title": "two"}]
    assert await statuses(todo) == {1: "open", 2: "deleted"}


async def test_batches_that_cross_each_other_do_not_wait_for_each_other_for_ever(todo: Todo) -> None:
    numbers = list(range(1, 21))
    await batch(todo, add=[f"task {number}" for number in numbers])
    orders = [numbers, numbers[::-1], numbers[1::2] + numbers[::2]]
    outcomes = await asyncio.gather(
        *(batch(todo, None, **{action: order}) for order in orders for action in ("complete", "reopen"))
    )
    assert all("error" not in item for outcome in outcomes for items in outcome.values() for item in items)
    assert set((await statuses(todo)).values()) <= {"open", "completed"}


async def test_the_fullest_batch_costs_no_more_than_a_call_has_time_for(
    todo: Todo, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Work and questions to the database are counted: how long they take is a matter of what else the machine does.
    monkeypatch.setitem(SPECS, "batch_tasks", dataclasses.replace(SPECS["batch_tasks"], seconds=10 * CALL_SECONDS))
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    event.listen(todo.database.engine.sync_engine, "before_cursor_execute", count)
    started = time.process_time()
    await batch(todo, add=[{"title": f"task {number}", "tags": ["a", "b"]} for number in range(ITEMS_MAX)])
    await batch(todo, complete=list(range(1, ITEMS_MAX + 1)))
    assert time.process_time() - started < 2 * CALL_SECONDS
    assert statements < 8 * 2 * ITEMS_MAX
    assert await todo.numbers(status="completed", limit=100) == list(range(1, ITEMS_MAX + 1))


async def test_an_answer_repeats_nothing_that_the_caller_knows(todo: Todo) -> None:
    text = await todo.text("batch_tasks", add=[{"title": "x", "description": "y" * 1000, "tags": ["a"]}])
    assert text == json.dumps({"add": [{"task_id": 1, "title": "x"}]}, separators=(",", ":"))


async def test_batches_of_one_user_do_not_touch_anothers_tasks(todo: Todo) -> None:
    await batch(todo, add=["Ann's own"])
    with pytest.raises(Refused, match="task_id 1 does not exist"):
        await todo.of("bob").call("batch_tasks", delete=[1])
    assert await statuses(todo) == {1: "open"}


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.3])
async def test_of_a_killed_servers_batch_all_is_done_or_nothing_and_its_key_does_the_rest(
    module_database_url: str, token: str, seconds: float
) -> None:
    arguments = {"add": [f"task {number}" for number in range(ITEMS_MAX)]}
    meta = effect_meta(KEY)

    async def send(url: str) -> CallToolResult:
        async with mcp_client(url, token) as client:
            return await client.call_tool("batch_tasks", arguments, meta=meta)

    async def count(url: str) -> int:
        async with mcp_client(url, token) as client:
            listed = await client.call_tool("list_tasks", {"status": "all", "limit": 100})
        assert listed.structured_content is not None
        assert "next_cursor" not in listed.structured_content
        return len(listed.structured_content["tasks"])

    async with running_todo_server(module_database_url) as service:
        sending = asyncio.create_task(send(service.mcp_url))
        await asyncio.sleep(seconds)
        await service.kill()
        await asyncio.wait({sending})
        await service.restart()
        assert await count(service.mcp_url) in {0, ITEMS_MAX}
        assert not (await send(service.mcp_url)).is_error
        assert await count(service.mcp_url) == ITEMS_MAX
        # What the killed server's client heard, if anything, is what every repeat hears.
        if sending.exception() is None:
            assert sending.result().structured_content == (await send(service.mcp_url)).structured_content
