"""Search: list_tasks' query finds the same on each kind of database, in every script, whatever is asked for."""

import datetime as dt
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from mcp_todo_server import schema
from mcp_todo_server.database import Database, create_engine
from mcp_todo_server.tasks.words import query_words, words
from mcp_todo_server.upkeep.service import Upkeep
from sqlalchemy import text

from tests.integration.mcp_todo_server.conftest import Clock, Todo
from tests.support.databases import NewDatabase
from tests.support.waiting import until

EVERYDAY = (
    {"title": "Buy Milk", "description": "two LITRES"},
    {"title": "Walk to Königstraße"},
    {"title": "read σίσυφος"},
    {"title": "100% a_b \\"},
    {"title": "100 aXb"},
    {"title": "牛乳を買う", "description": "スーパーで"},
    {"title": "ซื้อนม"},
    {"title": "נחמה: לקנות חָלָב"},
    {"title": "send report_2026-Q1.pdf to anna.berg@example.com"},
    {"title": "party 🎉👍🏽"},
)


async def add(todo: Todo, *tasks: dict[str, Any]) -> None:
    for task in tasks:
        await todo.call("add_task", **task)
        todo.clock.now += dt.timedelta(seconds=1)


async def test_words_are_found_by_their_beginnings_in_any_case_and_script(todo: Todo) -> None:
    await add(todo, *EVERYDAY)
    for query, found in {
        "milk": [1],
        "MIL": [1],
        "litres buy": [1],
        "buy milk bread": [],
        "ilk": [],
        "königstrasse": [2],
        "KÖNIG": [2],
        "ΣΊΣΥΦΟΣ": [3],
        "100": [4, 5],
        "100%": [4, 5],
        "a_b": [4, 9],
        "aXb": [5],
        "牛乳": [6],
        "乳を買": [6],
        "ｽｰﾊﾟｰ": [6],
        "買牛": [],
        "นม": [7],
        "חָלָב": [8],
        "q1.pdf": [9],
        "Anna.Berg@Example": [9],
        "2026": [9],
        "🎉": [10],
        "👍": [10],
    }.items():
        assert await todo.numbers(query=query) == found, query


async def test_a_query_without_words_is_looked_for_as_it_is(todo: Todo) -> None:
    await add(todo, *EVERYDAY, {"title": "why?!", "description": "“” ..."}, {"title": "*"})
    for query, found in {"\\": [4], "%": [4], "?!": [11], "!?": [], "“”": [11], "*": [12], "_": [4, 9]}.items():
        assert await todo.numbers(query=query) == found, query


async def test_an_empty_query_is_none(todo: Todo) -> None:
    await add(todo, *EVERYDAY)
    assert len(await todo.numbers(query=" ")) == len(EVERYDAY)


HOSTILE = (
    "'; DROP TABLE tasks; --",
    '"',
    '""',
    "'",
    "''milk'':*",
    "milk*",
    "*milk",
    "mi%k",
    "NEAR(milk buy)",
    "milk OR bread",
    "milk AND NOT buy",
    "NOT milk",
    "words: milk",
    "user_id : ann",
    "{words user_id}: milk",
    "^milk",
    "milk + buy",
    "milk | bread & !buy <-> (",
    "milk:*A",
    "\\",
    "milk\\",
    "\\x27",
    "%s %(user_id)s :words ${1} {}",
    "a",
    "é",
    "e\u0301",
    "\u0301",
    "\u200b\u200d\ufe0f",
    "\u202eklim\u202c",
    "مِلْك",
    "x" * 200,
    "x " * 100,
    "\"'" * 100,
    "牛" * 200,
    "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 200,
    "𐀀 \U0010fffd \U000e0001",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9",
)


async def test_no_query_fails_or_means_more_than_its_words(todo: Todo) -> None:
    texts = [task["title"] for task in EVERYDAY] + [query.strip()[:200] for query in HOSTILE]
    titles = [title for title in texts if title]
    await add(todo, *({"title": title} for title in titles))
    for query in HOSTILE:
        found = [number for number, title in enumerate(titles, start=1) if means(query.strip(), title, number)]
        assert await todo.numbers(query=query, limit=100) == found, query


def means(query: str, title: str, number: int) -> bool:
    """What a query means, said without a database."""
    if beginnings := query_words("ann", query):
        kept = words("ann", number, title)
        return all(any(word.startswith(beginning) for word in kept) for beginning in beginnings)
    return query in title


async def test_what_changes_is_found_by_what_it_is_now(todo: Todo) -> None:
    await add(todo, {"title": "Buy milk"}, {"title": "Buy butter"})
    await todo.call("update_task", task_id=1, title="Buy bread", description="rye")
    assert await todo.numbers(query="milk") == []
    assert await todo.numbers(query="RYE") == [1]
    await todo.call("update_task", task_id=1, description="")
    assert await todo.numbers(query="rye") == []
    await todo.call("update_task", task_id=1, priority="high")
    await todo.call("complete_task", task_id=2)
    assert await todo.numbers(query="buy") == [1]
    assert await todo.numbers(query="buy", status="completed") == [2]
    await todo.call("delete_task", task_id=1)
    assert await todo.numbers(query="bread") == []
    assert await todo.numbers(query="bread", status="deleted") == [1]
    await todo.call("restore_task", task_id=1)
    assert await todo.numbers(query="bread") == [1]


async def test_everybody_searches_in_their_own_tasks(todo: Todo, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = todo.of("bob")
    # As if both had the same mark, and by the index alone.
    monkeypatch.setattr("mcp_todo_server.tasks.words.user_mark", lambda _: "abcdef")
    monkeypatch.setattr("mcp_todo_server.lists.repository.WINDOW", 1)
    await add(todo, {"title": "milk"}, {"title": "milk for the cat"}, {"title": "bread"})
    await add(bob, {"title": "milk of bob"}, {"title": "beer"}, {"title": "milk"}, {"title": "wine"})
    assert await todo.numbers(query="milk") == [1, 2]
    assert await bob.numbers(query="milk") == [1, 3]
    await bob.call("update_task", task_id=1, title="juice")
    assert await todo.numbers(query="milk") == [1, 2]
    assert await bob.numbers(query="milk") == [3]


@pytest.mark.parametrize("sort", ["created", "newest", "due", "priority", "updated", "manual"])
async def test_pages_of_a_search_give_each_find_once(todo: Todo, sort: str) -> None:
    chance = random.Random(sort)  # noqa: S311
    for number in range(1, 31):
        await add(
            todo,
            {
                "title": f"{'milk' if number % 3 else 'bread'} {number}",
                "priority": chance.choice(["low", "normal", "high"]),
                "due": chance.choice([None, f"2026-12-{number:02}"]),
            },
        )
    found: list[int] = []
    cursor = None
    while True:
        page = await todo.call("list_tasks", query="milk", sort=sort, limit=3, cursor=cursor)
        found += [task["task_id"] for task in page["tasks"]]
        if (cursor := page.get("next_cursor")) is None:
            break
    assert sorted(found) == [number for number in range(1, 31) if number % 3]
    assert found == await todo.numbers(query="milk", sort=sort, limit=100)


async def test_the_index_outlives_vacuum_and_follows_every_deletion(
    todo: Todo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_todo_server.lists.repository.WINDOW", 1)
    await add(todo, *({"title": f"milk {number}"} for number in range(1, 7)))
    async with todo.database.writing() as session:
        connection = await session.connection()
        await connection.execute(text("DELETE FROM tasks WHERE task_id IN (1, 3)"))
    if todo.database.is_sqlite:  # where it gives rows new numbers of its own
        with closing(sqlite3.connect(str(todo.database.engine.url.database))) as file:
            file.execute("VACUUM")
    await todo.call("update_task", task_id=2, title="bread")
    assert await todo.numbers(query="milk") == [4, 5, 6]
    assert await todo.numbers(query="bread") == [2]


async def test_tasks_of_the_previous_release_are_found_before_beside_and_after_it(database_url: str) -> None:
    engine = create_engine(database_url, for_migration=True)
    database = Database(database_url)

    async def move(step: Callable[[Config, str], None], revision: str) -> None:
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: step(schema.alembic_config(sync), revision))

    async def write(statement: str) -> None:
        async with engine.begin() as connection:
            await connection.execute(text(statement))

    def as_the_previous_release(number: int, title: str) -> str:
        now = "'2026-11-23 09:30:00+00:00'" if engine.dialect.name == "postgresql" else "'2026-11-23 09:30:00.000000'"
        return (
            "INSERT INTO tasks (user_id, task_id, title, search_text, status, priority_rank, version, created_at,"  # noqa: S608
            f" updated_at) VALUES ('ann', {number}, '{title}', '{title.lower()}', 'open', 2, 1, {now}, {now})"
        )

    await move(command.upgrade, "0003")
    await write("INSERT INTO users (user_id, last_task_id, timezone) VALUES ('ann', 3, 'UTC')")
    for number in (1, 2):
        await write(as_the_previous_release(number, "Buy milk"))
    await schema.migrate(database_url)
    todo = Todo(database, Clock())
    assert await todo.numbers(query="milk") == [1, 2]

    await write(as_the_previous_release(3, "More Milk"))
    await write("UPDATE tasks SET title = 'Bread', search_text = 'bread' WHERE task_id = 2")
    upkeep = Upkeep(database)
    assert await upkeep.split_texts() == 2
    assert await upkeep.split_texts() == 0
    assert await todo.numbers(query="milk") == [1, 3]
    assert await todo.numbers(query="bread") == [2]

    await database.close()
    await move(command.downgrade, "0003")
    async with engine.connect() as connection:
        kept = await connection.scalars(text("SELECT search_text FROM tasks ORDER BY task_id"))
        assert list(kept) == ["buy milk\n", "bread\n", "more milk\n"]
    await engine.dispose()


async def test_a_running_server_gives_tasks_their_words(todo: Todo) -> None:
    await add(todo, {"title": "milk"})
    async with todo.database.writing() as session:
        await (await session.connection()).execute(text("UPDATE tasks SET words = NULL, search_text = 'milk'"))
    assert await todo.numbers(query="milk") == []

    async def is_found() -> bool:
        return await todo.numbers(query="milk") == [1]

    async with Upkeep(todo.database).running():
        await until(is_found)


@pytest.mark.docker
async def test_words_that_another_transaction_is_changing_are_not_waited_for(new_database: NewDatabase) -> None:
    url = new_database("postgresql")
    await schema.migrate(url)
    database = Database(url)
    todo = Todo(database, Clock())
    await add(todo, {"title": "milk"}, {"title": "milk"})
    async with database.writing() as session:
        connection = await session.connection()
        await connection.execute(text("UPDATE tasks SET search_text = 'milk'"))
    async with database.writing() as session:
        await (await session.connection()).execute(text("SELECT 1 FROM tasks WHERE task_id = 1 FOR UPDATE"))
        assert await Upkeep(database).split_texts() == 1
    assert await Upkeep(database).split_texts() == 1
    await database.close()
