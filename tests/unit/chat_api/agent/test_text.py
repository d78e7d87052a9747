"""Text made fit for storage."""

import json

import pytest
from chat_api.agent.text import JSON_MAX_DEPTH, TextCleaner, clean_json, clean_text, compact_json
from hypothesis import given
from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(exclude_categories=[]))
"""Lone surrogates and U+0000 included."""
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(ANY_TEXT)
def test_clean_text_can_be_stored_by_every_database(text: str) -> None:
    cleaned = clean_text(text)
    assert "\x00" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert clean_text(cleaned) == cleaned


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_text_that_can_be_stored_stays_as_it_is(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\x00b\x00", "ab"),
        ("a\ud800b", "a�b"),
        ("\ude00", "�"),
        ("\ud83d\ude00", "😀"),
        ("\ud83d\x00\ude00", "😀"),
        ("naïve 😀 שלום\t\u202e", "naïve 😀 שלום\t\u202e"),
    ],
)
def test_what_is_dropped_replaced_and_joined(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def in_pieces(*pieces: str) -> list[str]:
    cleaner = TextCleaner()
    return [*(cleaner.feed(piece) for piece in pieces), cleaner.end()]


@given(st.lists(ANY_TEXT | st.sampled_from(["\ud83d", "\ude00", "\x00", "\ud83d\x00", ""])))
def test_a_text_in_pieces_is_cleaned_as_the_whole_is(pieces: list[str]) -> None:
    cleaned = in_pieces(*pieces)
    assert "".join(cleaned) == clean_text("".join(pieces))
    assert all(piece.encode().decode() == piece for piece in cleaned)


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        (["a", "b"], ["a", "b", ""]),
        (["a\ud83d", "\ude00b"], ["a", "😀b", ""]),
        (["\ud83d", "\x00", "\ude00"], ["", "", "😀", ""]),
        (["\ud83d", "b"], ["", "�b", ""]),
        (["é", "\ud83d"], ["é", "", "�"]),
    ],
)
def test_only_half_a_pair_waits_for_the_next_piece(pieces: list[str], told: list[str]) -> None:
    assert in_pieces(*pieces) == told


@given(ANY_JSON)
def test_clean_json_can_be_written_stored_and_read_back(value: object) -> None:
    cleaned = clean_json(value)
    text = compact_json(cleaned)
    assert "\x00" not in text
    assert json.loads(text.encode()) == cleaned
    assert clean_json(cleaned) == cleaned


def test_keys_are_cleaned_too() -> None:
    assert clean_json({"a\x00": ["\ud800", {"b": "\x00"}, 1, None, True]}) == {"a": ["�", {"b": ""}, 1, None, True]}


def test_a_value_nested_too_deeply_is_refused() -> None:
    value: object = "x"
    for _ in range(JSON_MAX_DEPTH):
        value = [value]
    assert clean_json(value) == value
    with pytest.raises(ValueError, match="levels deep"):
        clean_json([value])


def test_compact_json_keeps_letters_and_refuses_what_json_cannot_say() -> None:
    assert compact_json({"b": "é", "a": [1, 2]}) == '{"b":"é","a":[1,2]}'
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            compact_json({"a": number})
