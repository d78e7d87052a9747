"""Answers: a page is put together without the models that describe it, and is the same to the byte."""

import datetime as dt
import json
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from mcp_todo_server.tasks.models import TaskRow
from mcp_todo_server.tasks.payloads import page_to_json, task_of, to_json
from todo_chat_shared.tasks import TaskPage

INSTANTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(9998, 12, 31), timezones=st.just(dt.UTC))  # noqa: DTZ001
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
ROWS = st.builds(
    SimpleNamespace,
    task_id=st.integers(1, 2**63 - 1),
    title=TEXTS,
    description=st.none() | TEXTS,
    status=st.sampled_from(["open", "completed", "deleted"]),
    priority_rank=st.integers(0, 3),
    due=st.none() | st.dates(),
    due_at=st.none() | INSTANTS,
    recurrence=st.none() | st.just("FREQ=DAILY"),
    next_task_id=st.none() | st.integers(1, 9),
    version=st.integers(1, 9),
    created_at=INSTANTS,
    updated_at=INSTANTS,
    completed_at=st.none() | INSTANTS,
    tags=st.lists(TEXTS, max_size=3),
)


@given(st.lists(ROWS, max_size=3), st.none() | st.just("abc"), st.booleans())
def test_a_page_is_what_its_model_says(rows: list[Any], cursor: str | None, tags_as_json: bool) -> None:
    today = dt.date(2026, 11, 23)
    tasks = [task_of(cast("TaskRow", row), row.tags) for row in rows]
    page = TaskPage(tasks=tasks, next_cursor=cursor, today=today, timezone="UTC")
    for row in rows:
        row.tags = json.dumps(row.tags) if tags_as_json else row.tags
    text = page_to_json(rows, cursor, today, "UTC")
    assert text == to_json(page)
    assert TaskPage.model_validate_json(text) == page
