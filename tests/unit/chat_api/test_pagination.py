"""Cursors of keyset pages."""

import base64
import json

import pytest
from chat_api.pagination import ID_MAX, decode_cursor, encode_cursor
from chat_api.problems import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st

numbers = st.integers(-ID_MAX, ID_MAX)
texts = st.text(st.characters(codec="utf-8")).filter(str.isprintable)
keys = st.lists(numbers | texts, min_size=1, max_size=3)


@given(keys)
def test_a_cursor_gives_back_the_key_that_it_was_made_of(key: list[str | int]) -> None:
    cursor = encode_cursor(*key)
    assert decode_cursor(cursor, *(type(part) for part in key)) == key


@given(keys)
def test_a_cursor_needs_no_escaping_in_an_address(key: list[str | int]) -> None:
    assert set(encode_cursor(*key)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def made(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "é",
        "A",
        "not a cursor",
        made(None),
        made(7),
        made("7"),
        made({"0": 7}),
        made([]),
        made(["7"]),
        made([7.0]),
        made([True]),
        made([None]),
        made([[7]]),
        made([7, 7]),
        made([ID_MAX + 1]),
        made([-ID_MAX - 1]),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
        encode_cursor(7)[:-1],
    ],
)
def test_what_this_service_did_not_make_is_refused_by_the_fields_name(cursor: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        decode_cursor(cursor, int)
    assert refused.value.extensions == {
        "errors": [{"field": "cursor", "detail": "is not a cursor of this list; use next_cursor of the page before"}]
    }


@given(st.text())
def test_any_text_is_a_key_or_refused(cursor: str) -> None:
    try:
        key = decode_cursor(cursor, int)
    except InvalidRequestError:
        return
    assert len(key) == 1
    assert type(key[0]) is int


@pytest.mark.parametrize("text", ["\x00", "a\nb", "\ud800"])
def test_text_that_no_key_holds_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        decode_cursor(made([text]), str)
