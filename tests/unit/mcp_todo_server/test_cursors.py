"""Cursors: lead on in their own list, and nowhere else."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_todo_server.tasks.cursors import Position, SortKey, decode, encode
from mcp_todo_server.tasks.errors import InvalidCursorError
from mcp_todo_server.tasks.schemas import ListTasks

LIST = ListTasks(sort="due")
SORT_KEYS: st.SearchStrategy[SortKey] = st.one_of(st.none(), st.integers(0, 3), st.datetimes(timezones=st.just(dt.UTC)))


@given(key=SORT_KEYS, task_id=st.integers(1, 2**63 - 1))
def test_a_cursor_leads_back_to_its_position(key: SortKey, task_id: int) -> None:
    position = Position(key, task_id)
    cursor = encode(LIST, position)
    assert decode(LIST.model_copy(update={"cursor": cursor})) == position


def test_without_a_cursor_a_list_begins_at_its_start() -> None:
    assert decode(LIST) is None


@given(place=st.integers(0, 200), letter=st.sampled_from("AZaz09-_=+/ é"))
def test_a_changed_cursor_is_refused(place: int, letter: str) -> None:
    cursor = encode(LIST, Position(dt.datetime(2026, 12, 24, tzinfo=dt.UTC), 7))
    place %= len(cursor)
    changed = cursor[:place] + letter + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(InvalidCursorError):
            decode(LIST.model_copy(update={"cursor": changed}))


@pytest.mark.parametrize("cursor", ["", "A", "AAAA", "not a cursor", "🥛", "A" * 500])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode(LIST.model_copy(update={"cursor": cursor}))


def test_a_cursor_of_another_list_is_refused_and_another_page_size_is_not() -> None:
    cursor = encode(LIST, Position(None, 7))
    with pytest.raises(InvalidCursorError):
        decode(ListTasks(sort="due", status="all", cursor=cursor))
    with pytest.raises(InvalidCursorError):
        decode(ListTasks(sort="newest", cursor=cursor))
    assert decode(ListTasks(sort="due", limit=3, cursor=cursor)) == Position(None, 7)
