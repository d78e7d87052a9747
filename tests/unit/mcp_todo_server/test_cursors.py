"""Cursors: lead on in their own list, and nowhere else."""

import base64
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_todo_server.tasks.cursors import _PAYLOADS, Position, SortKey, _digest, decode, encode
from mcp_todo_server.tasks.errors import InvalidCursorError
from mcp_todo_server.tasks.schemas import ListTasks, TaskSort

LIST = ListTasks(sort="due")
INSTANTS: st.SearchStrategy[SortKey] = st.datetimes(timezones=st.just(dt.UTC))
SORT_KEYS: dict[TaskSort, st.SearchStrategy[SortKey]] = {
    "created": st.none(),
    "newest": st.none(),
    "due": st.one_of(st.none(), INSTANTS),
    "priority": st.integers(0, 3),
    "updated": INSTANTS,
    "manual": st.integers(-(2**63), 2**63 - 1),
}


def made_up(sort: TaskSort, payload: bytes) -> ListTasks:
    """A call whose cursor has the right checksum, and a payload of the caller's own."""
    arguments = ListTasks(sort=sort)
    cursor = base64.urlsafe_b64encode(_digest(arguments, payload) + payload).decode().rstrip("=")
    return arguments.model_copy(update={"cursor": cursor})


@pytest.mark.parametrize("sort", SORT_KEYS)
@given(data=st.data(), task_id=st.integers(1, 2**63 - 1))
def test_a_cursor_leads_back_to_its_position(sort: TaskSort, data: Any, task_id: int) -> None:
    position = Position(data.draw(SORT_KEYS[sort]), task_id)
    arguments = ListTasks(sort=sort)
    assert decode(arguments.model_copy(update={"cursor": encode(arguments, position)})) == position


def test_every_order_has_cursors() -> None:
    assert set(_PAYLOADS) == set(SORT_KEYS)


@pytest.mark.parametrize(
    ("sort", "payload"),
    [
        *((sort, payload) for sort in SORT_KEYS for payload in (b"", b"[", b"7", b"[null]", b"[null,0]", b"\xff")),
        ("created", b"[1,7]"),
        ("created", b"[null,9223372036854775808]"),
        ("created", b"[null,7,7]"),
        ("created", b"[null, 7]"),
        ("priority", b"[4,7]"),
        ("priority", b"[null,7]"),
        ("priority", b'["1",7]'),
        ("due", b"[1,7]"),
        ("due", b'["2026-12-24T00:00:00",7]'),
        ("due", b'["9999-12-31T23:59:59-12:00",7]'),
        ("updated", b'["yesterday",7]'),
        ("updated", b"[null,7]"),
        ("manual", b"[null,7]"),
        ("manual", b"[9223372036854775808,7]"),
    ],
)
def test_a_made_up_cursor_with_the_right_checksum_is_refused(sort: TaskSort, payload: bytes) -> None:
    with pytest.raises(InvalidCursorError):
        decode(made_up(sort, payload))


def test_a_made_up_cursor_that_stands_for_a_place_is_as_good_as_a_given_one() -> None:
    assert decode(made_up("priority", b"[3,7]")) == Position(3, 7)


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
