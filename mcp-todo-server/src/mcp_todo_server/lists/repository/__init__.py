"""All SQL of lists.

A page costs the same in a list of a hundred tasks and of a hundred thousand. An order is an index (or some whose
entries are merged), read from where the page begins; conditions that the index does not serve are checked on the
way. Most pages are full within the first `WINDOW` tasks. Where one is not, the list is long and few of its tasks
are meant: then a condition that `FEW` tasks meet, as its index tells, leads to them. Between the two (a thousand
tasks or more meet each condition, and none of five hundred) the order is read on. The database is not asked to
choose between these ways: its guess, made without knowing how a user's words and tasks are spread, can be wrong a
thousandfold.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Executable, Row

from mcp_todo_server.database import Session
from mcp_todo_server.lists.repository import statements
from mcp_todo_server.lists.repository.conditions import CHECKS
from mcp_todo_server.lists.repository.shapes import SORTED_BY, Shape
from mcp_todo_server.tasks.cursors import Position
from mcp_todo_server.tasks.models import STATUSES
from mcp_todo_server.tasks.schemas import TaskSort
from mcp_todo_server.tasks.words import query_words

WINDOW: Final = 500
"""Tasks of an order that are looked at first."""
WIDER: Final = 4
"""How many times as many are looked at next."""
FEW: Final = 1000
"""Most tasks that are read and sorted to find those of a page."""
NARROWING_WORDS: Final = 8
"""How many of a query's words the index is asked for; the others are looked for in the tasks that these leave."""

ListedTask = Row[Any]
"""A task as a list reads it: the columns of `TaskRow` that are told or sorted by, and its tags."""


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks of a user a list holds; None leaves a condition out."""

    status: str | None = None
    query: str | None = None
    """Words, each of which a task's title or description has to have, or one that begins with it. Of a query
    without any word, nothing but punctuation, one of the two has to hold it as it is."""
    folded_tag: str | None = None
    priority_rank: int | None = None
    due_until_before: dt.datetime | None = None
    due_until_from: dt.datetime | None = None


def position_of(row: ListedTask, sort: TaskSort) -> Position:
    """Return where `row` stands in a list of this order."""
    name = SORTED_BY[sort]
    return Position(None if name is None else getattr(row, name), row.task_id)


def tags_of(row: ListedTask) -> list[str]:
    """Return a listed task's tags as written and in their order."""
    tags: list[str] = json.loads(row.tags) if isinstance(row.tags, str) else row.tags
    return tags


class ListRepository:
    """Lists of tasks, within the caller's session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def page(
        self, user_id: str, which: TaskFilter, sort: TaskSort, after: Position | None, limit: int
    ) -> Sequence[ListedTask]:
        """Return up to `limit` tasks that follow `after` in this order."""
        sqlite = self._session.get_bind().dialect.name == "sqlite"
        values = _values(user_id, which, after, sqlite=sqlite) | {
            "limit": limit,
            "window": WINDOW,
            "longer": WINDOW + 1,
            "few": FEW + 1,
        }
        shape = Shape(
            sqlite,
            sort,
            STATUSES if which.status is None else (which.status,),
            frozenset(name for name in CHECKS if name in values),
            "nothing" if after is None else "key" if after.key is not None else "no key",
        )
        rows = await self._rows(statements.walk(shape), values)
        if len(rows) == limit or not shape.checked or not await self._rows(statements.longer(shape), values):
            return rows
        for condition in shape.checked:
            if condition != "text" and (await self._rows(statements.count(shape, condition), values))[0][0] <= FEW:
                return await self._rows(statements.few(shape, condition), values)
        while len(rows) < limit and await self._rows(statements.longer(shape), values):
            values |= {"window": values["window"] * WIDER, "longer": values["window"] * WIDER + 1}
            rows = await self._rows(statements.walk(shape), values)
        return rows

    async def _rows(self, statement: Executable, values: dict[str, Any]) -> Sequence[Row[Any]]:
        connection = await self._session.connection()
        return (await connection.execute(statement, values)).all()


def _values(user_id: str, which: TaskFilter, after: Position | None, *, sqlite: bool) -> dict[str, Any]:
    """Return the values of a list's statements that it has a use for."""
    values: dict[str, Any] = {
        "user_id": user_id,
        "tag": which.folded_tag,
        "priority": which.priority_rank,
        "before": which.due_until_before,
        "from": which.due_until_from,
    }
    if after is not None:
        values |= {"key": after.key, "number": after.task_id}
    if which.query:
        if words := query_words(user_id, which.query):
            narrowing = words[:NARROWING_WORDS]
            if sqlite:
                values["word"], values["words"] = f" {words[0]}", json.dumps([f" {word}" for word in words[1:]])
                values["narrowing"] = " AND ".join(f'"{word}"*' for word in narrowing)
            else:
                values["words"], values["narrowing"] = (
                    " & ".join(f"'{word}':*" for word in some) for some in (words, narrowing)
                )
        else:
            values["text"] = which.query
    return {name: value for name, value in values.items() if value is not None}
