"""Whatever a user does in whatever order, both databases do what a plain list in memory does; and undo undoes."""

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import Awaitable, Iterator
from typing import Any, ClassVar, Final, TypeVar
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from mcp_todo_server import schema
from mcp_todo_server.database import Database
from mcp_todo_server.effects.service import VOID
from mcp_todo_server.tasks.payloads import output_schema
from todo_chat_shared.tasks import Task, TaskPage

from tests.integration.mcp_todo_server.conftest import SPECS, Clock, Todo
from tests.support.todo_model import No, TodoModel

ResultT = TypeVar("ResultT")
Arguments = dict[str, Any]

EXAMPLES: Final = {"sqlite": 60, "postgresql": 15}
STEPS: Final = 40
LAST_PICK: Final = 7
NOWHERE: Final = 99
AUTUMN: Final = dt.datetime(2026, 10, 20, tzinfo=dt.UTC)
TURNS: Final = frozenset({"complete", "reopen", "delete", "restore"})
VALIDATORS: Final = {name: jsonschema.Draft202012Validator(output_schema(spec.answer)) for name, spec in SPECS.items()}

WORDS = st.sampled_from(["milk", "bread", "Call", "mum", "tax", "report", "MILKY", "7"])
TEXTS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
TAGS = st.lists(st.sampled_from(["home", "Home", "work", "garden"]), max_size=3)
PRIORITIES = st.sampled_from(["low", "normal", "high", "urgent"])
DATES = st.dates(dt.date(2026, 11, 20), dt.date(2026, 12, 4)).map(str)
# Also hours that a change of the clocks is near to, in one zone or another.
INSTANTS = st.integers(0, 160 * 48).map(lambda half_hours: (AUTUMN + half_hours * dt.timedelta(minutes=30)).isoformat())
RULES = st.sampled_from(
    [
        "FREQ=DAILY",
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;INTERVAL=2",
        "FREQ=MONTHLY",
        "FREQ=DAILY;COUNT=3",
        "FREQ=WEEKLY;COUNT=2",
    ]
)
PICKS = st.integers(0, LAST_PICK)
"""Which task is meant: one of those that are there; the last pick means one that is not."""
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"])


def some_of(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Arguments]:
    return st.fixed_dictionaries({}, optional=optional)


DUE = st.one_of(some_of(due=DATES), some_of(due_at=INSTANTS))
NEW_DUE = st.one_of(some_of(due=DATES | st.just("")), some_of(due_at=INSTANTS | st.just("")))
FIELDS = some_of(description=TEXTS, priority=PRIORITIES, tags=TAGS, recurrence=RULES)
NEW_FIELDS = some_of(
    title=TEXTS,
    description=TEXTS | st.just(""),
    priority=PRIORITIES,
    tags=TAGS,
    recurrence=RULES | st.just(""),
    before=PICKS | st.none(),
    expected_version=st.sampled_from([0, 0, 0, 1]),
)
ADDITIONS = st.builds(lambda title, due, more: {"title": title, **due, **more}, TEXTS, DUE, FIELDS)
SERIES = st.builds(
    lambda title, due, recurrence, more: {**more, "title": title, **due, "recurrence": recurrence},
    TEXTS,
    st.fixed_dictionaries({"due": DATES}) | st.fixed_dictionaries({"due_at": INSTANTS}),
    RULES,
    FIELDS,
)
UPDATES = st.builds(lambda number, due, more: {"task_id": number, **due, **more}, PICKS, NEW_DUE, NEW_FIELDS).filter(
    lambda given: given.keys() - {"task_id", "expected_version"}
)
BATCHES = some_of(
    add=st.lists(ADDITIONS, max_size=3),
    update=st.lists(UPDATES, max_size=3),
    complete=st.lists(PICKS, max_size=3),
    reopen=st.lists(PICKS, max_size=3),
    delete=st.lists(PICKS, max_size=3),
    restore=st.lists(PICKS, max_size=3),
).filter(lambda lists: any(lists.values()))
CONDITIONS = st.one_of(
    some_of(query=st.lists(st.sampled_from(["milk", "m", "call", "re", "7"]), min_size=1, max_size=2).map(" ".join)),
    some_of(tag=st.sampled_from(["home", "WORK"])),
    some_of(priority=PRIORITIES),
    some_of(due_before=DATES),
    some_of(due_after=DATES),
    some_of(overdue=st.booleans()),
)
LISTS = st.builds(
    lambda order, one, other: {**order, **one, **other},
    some_of(
        status=st.sampled_from(["open", "completed", "deleted", "all"]),
        sort=st.sampled_from(["created", "newest", "due", "priority", "updated", "manual"]),
    ),
    CONDITIONS,
    CONDITIONS,
)


class World:
    """A database and the event loop that its connections live in, for all examples of a run."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self.run(schema.migrate(url))
        self.database = Database(url)

    def run(self, work: Awaitable[ResultT]) -> ResultT:
        """Do something asynchronous."""

        async def finish() -> ResultT:
            return await work

        return self._runner.run(finish())

    def close(self) -> None:
        """Close the connections, and the loop after them."""
        self.run(self.database.close())
        self._runner.close()


class Machine(RuleBasedStateMachine):
    """One user's calls: each is made of the server and of the model, and both have to answer the same."""

    world: ClassVar[World]

    @initialize(timezone=ZONES, first=st.lists(ADDITIONS | SERIES, max_size=4))
    def begin(self, timezone: str, first: list[Arguments]) -> None:
        """Nobody has used this list before."""
        self.clock = Clock()
        self.todo = Todo(self.world.database, self.clock, f"user-{uuid.uuid4().hex}")
        self.model = TodoModel(self.clock.now)
        self.answered: list[tuple[str, str, Arguments, str]] = []
        self.keys = 0
        self.move_house(timezone)
        for arguments in first:
            self.change("add_task", **arguments)

    def meant(self, pick: int) -> int:
        """Return the number of the task that is picked."""
        known = sorted(self.model.items)
        return known[pick % len(known)] if known and pick < LAST_PICK else NOWHERE

    def hear(self, tool: str, effect_key: str | None = None, settle: bool | None = None, **arguments: Any) -> str:
        """Call the tool, and note the call for whoever reads of a failure."""
        heard = self.world.run(self.todo.heard(tool, effect_key, settle, **arguments))
        note(f"{tool} {effect_key} {settle} {arguments} -> {heard}")
        if not heard.startswith("refused: "):
            VALIDATORS[tool].validate(json.loads(heard))
        return heard

    def change(self, tool: str, *, keyed: bool = False, **arguments: Any) -> Any:
        """Make a change here and there; returns what the model answers, or None where both refuse."""
        self.clock.now += dt.timedelta(minutes=1)
        self.model.now = self.clock.now
        self.keys += keyed
        effect_key = f"key/{self.keys}" if keyed else None
        heard = self.hear(tool, effect_key, **arguments)
        try:
            expected = self.model.change(getattr(self.model, tool), **arguments)
        except No as refusal:
            self.check_refused(heard, refusal)
            return None
        if effect_key is not None:
            self.answered.append((effect_key, tool, arguments, heard))
        if tool == "batch_tasks":
            assert_batch(json.loads(heard), expected)
        else:
            assert Task.model_validate_json(heard) == expected
        return expected

    def with_numbers(self, given: Arguments) -> Arguments:
        """Return the arguments of a change with numbers of tasks for picks, and a version."""
        given = {**given, "task_id": self.meant(given["task_id"])}
        if "before" in given:
            given["before"] = 0 if given["before"] is None else self.meant(given["before"])
        if "expected_version" in given:  # by how much it is wrong
            item = self.model.items.get(given["task_id"])
            given["expected_version"] += 1 if item is None else item.version
        return given

    def check_refused(self, heard: str, refusal: No) -> None:
        """Check that a refusal says what it has to."""
        assert heard.startswith("refused: ")
        assert str(refusal) in heard

    @rule(arguments=ADDITIONS | SERIES, keyed=st.booleans())
    def add(self, arguments: Arguments, keyed: bool) -> None:
        """Add a task."""
        self.change("add_task", keyed=keyed, **arguments)

    @rule(arguments=UPDATES, keyed=st.booleans())
    def update(self, arguments: Arguments, keyed: bool) -> None:
        """Change a task."""
        self.change("update_task", keyed=keyed, **self.with_numbers(arguments))

    @rule(
        tool=st.sampled_from(["complete_task", "complete_task", "reopen_task", "delete_task", "restore_task"]),
        pick=PICKS,
        keyed=st.booleans(),
    )
    def turn(self, tool: str, pick: int, keyed: bool) -> None:
        """Take a task from one state to another."""
        self.change(tool, keyed=keyed, task_id=self.meant(pick))

    @rule(pick=PICKS, times=st.integers(2, 4))
    def follow(self, pick: int, times: int) -> None:
        """Complete a task, then the one that follows it, and so on."""
        task_id: int | None = self.meant(pick)
        while task_id is not None and times:
            completed = self.change("complete_task", task_id=task_id)
            task_id, times = None if completed is None else completed.next_task_id, times - 1

    @rule(lists=BATCHES, keyed=st.booleans())
    def batch(self, lists: dict[str, list[Any]], keyed: bool) -> None:
        """Change many tasks in one call."""
        numbered: dict[str, list[Any]] = {
            action: [self.meant(pick) for pick in lists[action]] for action in lists.keys() & TURNS
        }
        if "update" in lists:
            numbered["update"] = [self.with_numbers(given) for given in lists["update"]]
        self.change("batch_tasks", keyed=keyed, **{**lists, **numbered})

    @rule(timezone=ZONES)
    def move_house(self, timezone: str) -> None:
        """Live in another zone from now on."""
        heard = json.loads(self.hear("set_timezone", timezone=timezone))
        self.model.zone = ZoneInfo(timezone)
        assert heard == {"timezone": timezone, "today": str(self.clock.now.astimezone(self.model.zone).date())}

    @rule(days=st.integers(1, 40))
    def wait(self, days: int) -> None:
        """Let days go by."""
        self.clock.now += dt.timedelta(days=days, hours=5)

    @rule(which=LISTS, limit=st.integers(1, 5))
    def read_a_list(self, which: Arguments, limit: int) -> None:
        """Read a list, page by page."""
        self.model.now = self.clock.now
        expected = self.model.listed(**which)
        cursor: Arguments = {}
        for start in range(0, max(len(expected), 1), limit):
            page = TaskPage.model_validate_json(self.hear("list_tasks", limit=limit, **which, **cursor))
            assert page.tasks == expected[start : start + limit]
            assert (page.next_cursor is not None) == (start + limit < len(expected))
            assert page.timezone == self.model.zone.key
            assert page.today == self.clock.now.astimezone(self.model.zone).date()
            cursor = {"cursor": page.next_cursor}

    @rule(pick=PICKS)
    def read_a_task(self, pick: int) -> None:
        """Read one task."""
        task_id = self.meant(pick)
        heard = self.hear("get_task", task_id=task_id)
        if task_id in self.model.items:
            assert Task.model_validate_json(heard) == self.model.items[task_id].shown
        else:
            assert f"task_id {task_id} does not exist" in heard

    @precondition(lambda self: self.answered)
    @rule(data=st.data(), settle=st.booleans())
    def send_again(self, data: st.DataObject, settle: bool) -> None:
        """Send a call again under its key, or settle it, long after it was answered."""
        effect_key, tool, arguments, answer = data.draw(st.sampled_from(self.answered))
        assert self.hear(tool, effect_key, settle or None, **arguments) == answer

    @rule(arguments=SERIES, times=st.integers(1, 2))
    def settle_first(self, arguments: Arguments, times: int) -> None:
        """Settle a call before it comes: it never does anything."""
        self.keys += 1
        for settle in [True] * times + [None]:
            assert self.hear("add_task", f"key/{self.keys}", settle, **arguments) == f"refused: {VOID}"

    @rule(pick=PICKS, undo=st.sampled_from([("delete_task", "restore_task"), ("complete_task", "reopen_task")]))
    def do_and_undo(self, pick: int, undo: tuple[str, str]) -> None:
        """Delete and restore, or complete and reopen: everything is as it was, what followed included."""
        task_id = self.meant(pick)
        status = self.model.items[task_id].status if task_id in self.model.items else "deleted"
        if status == "deleted" or (status == "completed" and "complete_task" in undo):
            return
        before = self.seen()
        for tool in undo:
            self.change(tool, task_id=task_id)
        assert self.seen() == before

    def seen(self) -> list[dict[str, Any]]:
        """What the user sees of their tasks, less the traces of changes."""
        heard = self.hear("list_tasks", status="all", limit=100)
        tasks = TaskPage.model_validate_json(heard).tasks
        return [task.model_dump(exclude={"version", "updated_at"}) for task in tasks if task.status != "deleted"]

    @invariant()
    def the_whole_lists_are_the_same(self) -> None:
        """What a change did to other tasks is noticed at once."""
        heard = self.hear("list_tasks", status="all", sort="manual", limit=100)
        self.model.now = self.clock.now
        assert TaskPage.model_validate_json(heard).tasks == self.model.listed("manual", status="all")


def assert_batch(heard: dict[str, Any], expected: dict[str, list[Task | No]]) -> None:
    """Compare what was answered to a batch with what the model answers to each item."""
    assert {action: len(items) for action, items in heard.items()} == {
        action: len(items) for action, items in expected.items()
    }
    for action, items in expected.items():
        for place, (item, outcome) in enumerate(zip(heard[action], items, strict=True)):
            if isinstance(outcome, No):
                assert item["error"].startswith(f"{action}[{place}]")
                assert str(outcome) in item["error"]
                assert item.keys() == {"error"}
            else:
                follower = {"next_task_id": outcome.next_task_id} if outcome.status == "completed" else {}
                wanted = {"task_id": outcome.task_id, "title": outcome.title, **follower}
                assert item == {name: value for name, value in wanted.items() if value is not None}


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    world = World(database_url)
    yield world
    world.close()


def test_both_databases_do_what_a_plain_list_does(world: World, database_kind: str) -> None:
    run_state_machine_as_test(
        type("UsedMachine", (Machine,), {"world": world}),
        settings=settings(
            max_examples=EXAMPLES[database_kind],
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
