"""The statements of lists. Each is made once for a shape; its values are parameters."""

import itertools
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    any_,
    bindparam,
    func,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from mcp_todo_server.lists.repository.conditions import CHECKS, of_user, source
from mcp_todo_server.lists.repository.shapes import (
    DESCENDING,
    NULLABLE,
    SERVED,
    SORTED_BY,
    TAGS,
    TASKS,
    Columns,
    Condition,
    Shape,
    columns_of,
    names,
)
from mcp_todo_server.tasks.models import STATUSES


@lru_cache(maxsize=1024)
def walk(shape: Shape) -> Select[Any]:
    """Read an order from where the page begins: the page, or where conditions are to be checked `window` tasks."""
    if not shape.checked:
        return _tagged(shape, _first(shape, "limit"))
    return _checked(shape, _first(shape, "window").subquery("listed"))


@lru_cache(maxsize=1024)
def longer(shape: Shape) -> Select[Any]:
    """Tell, by a row, whether more tasks follow than the window holds."""
    first = _first(shape, "longer").subquery("listed")
    return select(true()).select_from(first).limit(1).offset(bindparam("window"))


@lru_cache(maxsize=1024)
def count(shape: Shape, condition: Condition) -> Select[Any]:
    """Count the tasks that meet a condition, up to `few`."""
    return select(func.count()).select_from(source(shape, condition).limit(bindparam("few")).subquery("met"))


@lru_cache(maxsize=1024)
def few(shape: Shape, condition: Condition) -> Select[Any]:
    """Sort the few tasks that meet a condition."""
    found = source(shape, condition)
    # As an array it comes first on PostgreSQL, which would otherwise consider reading the whole list beside it.
    met = TASKS.task_id.in_(found) if shape.sqlite else TASKS.task_id == any_(func.array(found.scalar_subquery()))
    listed = select(*columns_of(shape)).where(of_user(TASKS), met).cte("listed").prefix_with("MATERIALIZED")
    place = or_(*(and_(true(), *part) for part in _parts(shape, listed.c)))
    return _checked(shape, listed, listed.c.status.in_(shape.statuses), place)


def _checked(shape: Shape, listed: FromClause, *more: ColumnElement[bool]) -> Select[Any]:
    checks = (CHECKS[condition](listed.c, shape.sqlite) for condition in shape.checked)
    query = select(*(listed.c[name] for name in names(shape))).where(*checks, *more)
    return _tagged(shape, query.order_by(*_order(shape, listed.c)).limit(bindparam("limit")))


def _tagged(shape: Shape, page: Select[Any]) -> Select[Any]:
    """Return the tasks of a page, each with its tags."""
    task = page.subquery("page")
    columns = [task.c[name] for name in names(shape)]
    labels = select(TAGS.label).where(of_user(TAGS), TAGS.task_id == task.c.task_id).order_by(TAGS.position)
    if shape.sqlite:
        of_task = labels.correlate(task).subquery("labels")
        tags: ColumnElement[Any] = select(func.json_group_array(of_task.c.label)).correlate(task).scalar_subquery()
    else:
        tags = func.array(labels.scalar_subquery())
    return select(*columns, tags.label("tags")).order_by(*_order(shape, task.c))


def _first(shape: Shape, count: str) -> Select[Any]:
    """Return the first tasks of a list, before any condition is checked; `count` names the parameter for how many."""
    every = len(shape.statuses) == len(STATUSES) and SORTED_BY[shape.sort] is None
    statuses = [true()] if every else [TASKS.status == status for status in shape.statuses]
    stretches = [
        select(*columns_of(shape))
        .where(of_user(TASKS), of_status, *part)
        .order_by(*_order(shape, TASKS))
        .limit(bindparam(count))
        for of_status, part in itertools.product(statuses, _parts(shape, TASKS))
    ]
    if len(stretches) == 1:
        return stretches[0]
    merged = union_all(*(select(stretch.subquery()) for stretch in stretches)).subquery("merged")
    return select(merged).order_by(*_order(shape, merged.c)).limit(bindparam(count))


def _parts(shape: Shape, columns: Columns) -> list[list[ColumnElement[bool]]]:
    """Return where in the order's index the list goes on: two places, where some tasks have nothing to sort by."""
    number, after = columns.task_id, bindparam("number", type_=BigInteger)
    name, descending = SORTED_BY[shape.sort], shape.sort in DESCENDING
    beyond = number < after if descending else number > after
    if name is None:
        return [[] if shape.after == "nothing" else [beyond]]
    column = columns[name]
    place, last = tuple_(column, number), tuple_(bindparam("key", type_=column.type), after)
    served = sorted(shape.conditions & SERVED.get(shape.sort, frozenset()))
    bounds = [CHECKS[condition](columns, shape.sqlite) for condition in served]
    if shape.after == "key":
        bounds.append(place < last if descending else place > last)
    if name not in NULLABLE:
        return [bounds]
    with_value = [column.is_not(None), *bounds]
    without = [column.is_(None), *([beyond] if shape.after == "no key" else [])]
    if served:
        return [with_value]
    return [without] if shape.after == "no key" else [with_value, without]


def _order(shape: Shape, columns: Columns) -> list[ColumnElement[Any]]:
    number, name = columns.task_id, SORTED_BY[shape.sort]
    first = [] if name is None else [columns[name]]
    if shape.sort in DESCENDING:
        return [column.desc() for column in (*first, number)]
    # Tasks without a date come last; the databases' own defaults differ.
    return [column.asc().nulls_last() if column.name in NULLABLE else column.asc() for column in (*first, number)]
