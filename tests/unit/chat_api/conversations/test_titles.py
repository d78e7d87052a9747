"""Titles by rule."""

import pytest
from chat_api.conversations.titles import TITLE_CHARS, title_of
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(min_size=1).filter(str.strip))
def test_a_title_is_one_line_never_blank_and_never_longer_than_its_bound(message: str) -> None:
    title = title_of(message)
    assert title.strip()
    assert 1 <= len(title) <= TITLE_CHARS
    assert len(title.splitlines()) == 1


@given(st.lists(st.text("abcdefghij", min_size=1, max_size=12), min_size=1, max_size=40))
def test_a_title_is_the_beginning_of_the_message(words: list[str]) -> None:
    message = " ".join(words)
    title = title_of(message)
    if len(message) <= TITLE_CHARS:
        assert title == message
    else:
        assert title.endswith("…")
        assert message.startswith(title.removesuffix("…"))
        assert len(title) > TITLE_CHARS // 2


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("Add milk", "Add milk"),
        ("\n\n  Add \t milk  \nand eggs", "Add milk"),
        ("x" * TITLE_CHARS, "x" * TITLE_CHARS),
        ("x" * (TITLE_CHARS + 1), "x" * (TITLE_CHARS - 1) + "…"),
        ("remind me " * 10, "remind me " * 5 + "remind…"),
    ],
)
def test_titles(message: str, title: str) -> None:
    assert title_of(message) == title
