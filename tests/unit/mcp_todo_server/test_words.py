"""Words: what a text is found by, in every script."""

import itertools
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_todo_server.tasks.text import fold
from mcp_todo_server.tasks.words import (
    MARK_CHARS,
    TEXT_MAX_CHARS,
    WORD_MAX_CHARS,
    query_words,
    task_word,
    user_mark,
    words,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def plain(marked: list[str]) -> list[str]:
    assert all(word.startswith(user_mark("ann")) for word in marked)
    return [word[MARK_CHARS:] for word in marked]


def of_text(*texts: str | None) -> list[str]:
    first, *others = words("ann", 7, *texts)
    assert first == task_word("ann", 7)
    return plain(others)


def finds(query: str, text: str) -> bool:
    """What a database does with the words."""
    kept = words("ann", 7, text)
    return all(any(word.startswith(beginning) for word in kept) for beginning in query_words("ann", query))


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("Buy Milk, 2 l (3,5%)!", ["buy", "milk", "2", "l", "3", "5"]),
        ("anna.berg+todo@example.com", ["anna", "berg", "todo", "example", "com"]),
        ("report_2026-Q1.final.pdf", ["report", "2026", "q1", "final", "pdf"]),
        ("https://example.com/a?b=c#d", ["https", "example", "com", "a", "b", "c", "d"]),
        ("don't l’eau", ["don", "t", "l", "eau"]),
        ("milk milk MILK", ["milk"]),
        ("Königstraße STRASSE", ["königstrasse", "strasse"]),
        ("ΣΊΣΥΦΟΣ σίσυφος", ["σίσυφοσ"]),
        ("e\u0301te\u0301 été", ["été"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("שָׁלוֹם مرحبا", ["שָׁלוֹם", "مرحبا"]),
        ("우유를 사다", ["우유를", "사다"]),
        ("Zu\u00adcker a\u200bb \u202ecba\u202c", ["zucker", "ab", "cba"]),
        ("牛乳を買う", ["牛乳", "乳を", "を買", "買う", "う"]),
        ("ｶｰﾄ", ["カー", "ート", "ト"]),
        ("第3章iPhoneケース", ["第", "3", "章", "iphone", "ケー", "ース", "ス"]),
        ("ซื้อนม", ["ซื", "ื้", "้อ", "อน", "นม", "ม"]),
        ("👍🏽👩‍🚀 ❤️", ["👍", "👩", "🚀", "❤"]),
        ("20 °C, 5 €", ["20", "°", "c", "5"]),
        ("!?… — «»", []),
        ("", []),
    ],
)
def test_a_text_is_split_into_its_words(text: str, split: list[str]) -> None:
    assert of_text(text) == split


def test_the_texts_of_a_task_are_one_and_may_be_missing() -> None:
    assert of_text("buy", None) == ["buy"]
    assert of_text("buy", "milk\nbread") == ["buy", "milk", "bread"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("mil bu", "Buy Milk"),
        ("BERG@example", "mail anna.berg@example.com"),
        ("2026-q1.pdf", "report_2026-Q1.pdf"),
        ("乳", "牛乳を買う"),
        ("う", "牛乳を買う"),
        ("を買う", "牛乳を買う"),
        ("買", "牛乳を買う"),
        ("นม", "ซื้อนม"),
        ("ទឹក", "ទិញទឹកដោះគោ"),
        ("နို့", "နွားနို့ဝယ်ရန်"),
        ("ນົມ", "ຊື້ນົມ"),
        ("👍", "👍🏽 done"),
        ("👍🏿", "👍🏽 done"),
        ("❤", "with ❤️"),
        ("strasse", "Straße"),
    ],
)
def test_a_query_finds_words_by_their_beginning_and_phrases_without_spaces_by_any_part(query: str, text: str) -> None:
    assert query_words("ann", query)
    assert finds(query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [("ilk", "Buy Milk"), ("milk bread", "Buy Milk"), ("買牛", "牛乳を買う"), ("😀", "👍"), ("été", "ete")],
)
def test_a_query_finds_nothing_else(query: str, text: str) -> None:
    assert not finds(query, text)


def test_a_query_of_punctuation_has_no_words() -> None:
    assert query_words("ann", "%_'\"\\*()|&!:<->—「」") == []


def test_what_a_longer_word_of_a_query_implies_is_left_out_and_the_longest_comes_first() -> None:
    assert plain(query_words("ann", "m milk mi bread m")) == ["bread", "milk"]


@given(TEXTS)
def test_every_text_is_found_by_itself_and_by_each_of_its_words(text: str) -> None:
    assert finds(text, text)
    for word in of_text(text):
        assert finds(word, text)


@given(TEXTS, st.data())
def test_a_phrase_of_a_script_without_spaces_is_found_by_any_part(text: str, data: st.DataObject) -> None:
    han = "".join(chr(0x4E00 + ord(character) % 0x5000) for character in text)
    start = data.draw(st.integers(0, len(han)))
    end = data.draw(st.integers(start, len(han)))
    assert finds(han[start:end], f"x {han} y")


@given(TEXTS)
def test_words_hold_nothing_that_a_database_could_take_for_syntax(text: str) -> None:
    for word in (*words("ann", 7, text), *query_words("ann", text)):
        assert len(word) <= MARK_CHARS + WORD_MAX_CHARS
        beyond_ascii = "".join(character for character in word if not character.isascii())
        assert re.fullmatch("[a-z0-9]*", "".join(character for character in word if character.isascii()))
        assert not {unicodedata.category(character)[0] for character in beyond_ascii} & {"P", "Z"}


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_the_short_way_for_ascii_leads_to_the_same_words(text: str) -> None:
    with_more = of_text(f"{text} é")
    assert of_text(text, "é") == with_more
    assert [word for word in with_more if word != "é"] == of_text(text)


def test_long_words_count_by_their_beginning() -> None:
    beginning = "x" * WORD_MAX_CHARS
    assert of_text(beginning + "abc") == [beginning]
    assert finds(beginning + "abcd", beginning + "abc")


def test_the_longest_text_stays_within_what_databases_take() -> None:
    eighteen_letters = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"
    assert len(fold(eighteen_letters)) == 18
    pairs = "".join(chr(0x20000 + number) for number in range(10_000))
    for text in (pairs, "𝐀" * 10_000, eighteen_letters * 10_000, " ".join(map(str, range(10_000)))[:10_000]):
        kept = words("ann", 7, "x" * 500, text)
        assert len(kept) <= TEXT_MAX_CHARS
        assert sum(len(word.encode()) for word in kept) < 2**20
    assert len(query_words("ann", eighteen_letters * 200)) <= 200


def test_users_words_are_apart_and_so_are_tasks() -> None:
    assert not set(words("ann", 7, "milk")) & set(words("bob", 7, "milk"))
    keys = [task_word(user, number) for user, number in itertools.product(("ann", "bob"), (1, 11, 111))]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & set(words("ann", 2, *keys))
