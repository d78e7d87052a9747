"""Long lists: a page is found by way of an index, however the list is sorted and whatever it leaves out."""

import datetime as dt
import itertools
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from mcp_todo_server import schema
from mcp_todo_server.database import Database
from mcp_todo_server.lists import repository as lists
from mcp_todo_server.lists.repository import ListRepository, TaskFilter, position_of
from mcp_todo_server.tasks.schemas import TaskSort
from sqlalchemy import CursorResult, event

from tests.bench.todo_tasks import COMMON, COMMON_TAG, RARE, RARE_TAG, START, fill, made_up
from tests.support.databases import DatabaseKind, NewDatabase

SHORT = 300
LONG = 10_000
LIMIT = 26
SORTS: tuple[TaskSort, ...] = ("created", "newest", "due", "priority", "updated", "manual")
SOON = START + dt.timedelta(minutes=100)
FILTERS = [
    TaskFilter(status, query, tag, priority, *bounds)
    for status, query, tag, priority, bounds in itertools.product(
        (None, "open", "deleted"),
        (None, COMMON, "wor", f"{RARE} {COMMON}", "!?"),
        (None, COMMON_TAG, RARE_TAG),
        (None, 0, 2),
        ((None, None), (SOON, None), (SOON, START), (None, SOON)),
    )
]


@pytest.fixture
async def database(new_database: NewDatabase, database_kind: DatabaseKind) -> AsyncIterator[Database]:
    """An empty database of each kind."""
    url = new_database(database_kind)
    await schema.migrate(url)
    database = Database(url)
    yield database
    await database.close()


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def expected(user: str, which: TaskFilter, sort: TaskSort) -> list[int]:
    """The whole list, worked out in Python."""
    never = dt.datetime.max.replace(tzinfo=dt.UTC)
    found = [task for task, tag in made_up(user, SHORT) if belongs(task, tag, which)]
    keys: dict[TaskSort, Any] = {
        "created": lambda task: task["task_id"],
        "newest": lambda task: -task["task_id"],
        "due": lambda task: (task["due_until"] or never, task["task_id"]),
        "priority": lambda task: (task["priority_rank"], task["task_id"]),
        "updated": lambda task: (-task["updated_at"].timestamp(), -task["task_id"]),
        "manual": lambda task: (task["position"], task["task_id"]),
    }
    return [task["task_id"] for task in sorted(found, key=keys[sort])]


def belongs(task: dict[str, Any], tag: dict[str, Any] | None, which: TaskFilter) -> bool:
    title_words = task["title"].split()
    return (
        which.status in (None, task["status"])
        and (which.folded_tag is None or (tag is not None and tag["tag"] == which.folded_tag))
        and which.priority_rank in (None, task["priority_rank"])
        and (which.due_until_before is None or bool(task["due_until"] and task["due_until"] < which.due_until_before))
        and (which.due_until_from is None or bool(task["due_until"] and task["due_until"] >= which.due_until_from))
        and all(any(word.startswith(part) for word in title_words) for part in (which.query or "").split())
    )


@pytest.mark.parametrize(("window", "few"), [(500, 1000), (2, 0), (4, 300), (3, 8)])
async def test_every_way_to_a_page_leads_to_the_same_page(
    database: Database, window: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "WINDOW", window)
    monkeypatch.setattr(lists, "FEW", few)
    chance = random.Random(window)  # noqa: S311
    for user in ("ann", "bob"):
        await fill(url_of(database), user, SHORT)
    for which in chance.sample(FILTERS, 40):
        sort, limit = chance.choice(SORTS), chance.choice([1, 7, 50, 300])
        numbers: list[int] = []
        after = None
        async with database.reading() as session:
            while True:
                rows = await ListRepository(session).page("ann", which, sort, after, limit)
                numbers += [row.task_id for row in rows]
                if len(rows) < limit:
                    break
                after = position_of(rows[-1], sort)
        assert numbers == expected("ann", which, sort), (which, sort, limit)


MEANT = (
    TaskFilter("open"),
    TaskFilter(),
    TaskFilter("completed"),
    TaskFilter("open", query=COMMON),
    TaskFilter(None, query=COMMON),
    TaskFilter("open", query=RARE),
    TaskFilter("open", query="nothing like it"),
    TaskFilter("open", folded_tag=COMMON_TAG),
    TaskFilter(None, folded_tag=COMMON_TAG),
    TaskFilter("open", folded_tag=RARE_TAG),
    TaskFilter("open", priority_rank=2),
    TaskFilter("open", priority_rank=0),
    TaskFilter("open", due_until_before=SOON),
    TaskFilter("open", due_until_from=SOON),
    TaskFilter("open", query=RARE, folded_tag=COMMON_TAG),
)


@pytest.mark.docker
@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_no_page_of_a_long_list_reads_much_of_it_on_postgresql(database: Database) -> None:
    async for plan, of in plans(database, "EXPLAIN (ANALYZE, FORMAT JSON)"):
        nodes = list(every_node(plan.scalar_one()[0]["Plan"]))
        assert sum(map(rows_read, nodes)) < LONG / 5, of


async def plans(database: Database, explain: str) -> AsyncIterator[tuple[CursorResult[Any], object]]:
    """Yield the plan of every statement of every page that a model would ask for, with what it is the plan of."""
    await fill(url_of(database), "ann", LONG)
    statements = recorded(database)
    for which, sort in itertools.product(MEANT, SORTS):
        statements.clear()
        async with database.reading() as session:
            await ListRepository(session).page("ann", which, sort, None, LIMIT)
            assert statements
            connection = await session.connection()
            for statement, parameters in list(statements):
                yield await connection.exec_driver_sql(f"{explain} {statement}", parameters), (which, sort, statement)


def every_node(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from every_node(part)


def rows_read(node: dict[str, Any]) -> int:
    """Rows that a plan's node has taken from a table or an index."""
    if "Scan" not in node["Node Type"] or node["Node Type"] in {"Subquery Scan", "CTE Scan", "Bitmap Heap Scan"}:
        return 0
    return int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_no_page_is_found_by_a_scan_of_all_tasks_on_sqlite(database: Database) -> None:
    async for plan, of in plans(database, "EXPLAIN QUERY PLAN"):
        steps = [step.detail for step in plan]
        assert not [step for step in steps if step.startswith(("SCAN tasks", "SCAN task_tags"))], (steps, of)
        # What is sorted are a window's tasks, or the few that an index has found.
        reads = [step for step in steps if step.startswith("SEARCH tasks")]
        assert all("user_id=?" in step for step in reads), (steps, of)
        assert not (len(steps) == 2 and "USE TEMP B-TREE FOR ORDER BY" in steps), (steps, of)


def recorded(database: Database) -> list[tuple[str, Any]]:
    """Note every statement that asks for tasks, as the driver gets it."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith(("EXPLAIN", "BEGIN")):
            statements.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    return statements


async def test_a_long_list_takes_few_statements(database: Database) -> None:
    await fill(url_of(database), "ann", 3000)
    statements = recorded(database)
    counts: list[Sequence[int]] = []
    for which in (TaskFilter("open"), TaskFilter("open", query=COMMON), TaskFilter("open", query=RARE)):
        statements.clear()
        async with database.reading() as session:
            await ListRepository(session).page("ann", which, "created", None, LIMIT)
        counts.append([len(statements)])
    assert counts == [[1], [1], [4]], json.dumps(statements, default=str)
