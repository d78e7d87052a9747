"""The conditions of lists: how a task is checked for one, and how an index finds the tasks that meet it."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from mcp_todo_server.lists.repository.shapes import TAGS, TASKS, Columns, Condition, Shape
from mcp_todo_server.tasks.models import SEARCH_TABLE


def of_user(columns: Columns) -> ColumnElement[bool]:
    """Choose the user's rows."""
    is_theirs: ColumnElement[bool] = columns.user_id == bindparam("user_id")
    return is_theirs


def _has_words(columns: Columns, sqlite: bool) -> ColumnElement[bool]:
    words = bindparam("words", type_=Text)
    if sqlite:
        # The first by itself: most tasks lack it.
        word = func.json_each(words).table_valued("value", name="word")
        missing = select(word.c.value).where(func.instr(columns.words, word.c.value) == 0)
        return and_(func.instr(columns.words, bindparam("word", type_=Text)) > 0, ~missing.exists())
    # In this form the index is not considered.
    matches: ColumnElement[bool] = columns.words.op("@@", is_comparison=True)(cast(words, TSQUERY)).is_(true())
    return matches


def _has_text(columns: Columns, sqlite: bool) -> ColumnElement[bool]:
    place = func.instr if sqlite else func.strpos
    return or_(*(place(column, bindparam("text", type_=Text)) > 0 for column in (columns.title, columns.description)))


def _has_tag(columns: Columns, sqlite: bool) -> ColumnElement[bool]:
    # A value and not EXISTS, which PostgreSQL may turn into a reading of all the tag's tasks.
    tag = select(TAGS.tag).where(of_user(TAGS), TAGS.task_id == columns.task_id, TAGS.tag == bindparam("tag"))
    return tag.scalar_subquery().is_not(None)


CHECKS: Final[dict[Condition, Callable[[Columns, bool], ColumnElement[bool]]]] = {
    "words": _has_words,
    "text": _has_text,
    "tag": _has_tag,
    "priority": lambda columns, _: columns.priority_rank == bindparam("priority"),
    "before": lambda columns, _: columns.due_until < bindparam("before", type_=TASKS.due_until.type),
    "from": lambda columns, _: columns.due_until >= bindparam("from", type_=TASKS.due_until.type),
}
"""Checks for each condition, from the columns of a task and whether it is SQLite that checks."""


def source(shape: Shape, condition: Condition) -> Select[Any]:
    """Return the numbers of the tasks that meet a condition, as its index finds them."""
    if condition == "tag":
        return select(TAGS.task_id).where(of_user(TAGS), TAGS.tag == bindparam("tag"))
    if condition == "words":
        narrowing = bindparam("narrowing", type_=Text)
        if shape.sqlite:
            search = table(SEARCH_TABLE, column("user_id"), column("task_id", BigInteger), column(SEARCH_TABLE))
            match = search.c[SEARCH_TABLE].op("MATCH", is_comparison=True)(narrowing)
            return select(search.c.task_id).where(match, of_user(search.c))
        found = select(TASKS.user_id, TASKS.task_id).where(
            TASKS.words.op("@@", is_comparison=True)(cast(narrowing, TSQUERY))
        )
        # The offset keeps the user out of it: every word has its user's mark, and the index of words alone is best.
        apart = found.offset(literal_column("0")).subquery("found")
        return select(apart.c.task_id).where(of_user(apart.c))
    of_column: frozenset[Condition] = (
        frozenset({"before", "from"}) if condition != "priority" else frozenset({condition})
    )
    checks = (CHECKS[name](TASKS, shape.sqlite) for name in sorted(of_column & shape.conditions))
    return select(TASKS.task_id).where(of_user(TASKS), TASKS.status.in_(shape.statuses), *checks)
