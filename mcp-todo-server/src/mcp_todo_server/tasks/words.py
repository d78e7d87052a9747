"""The words of a text, as they are searched: the same on every database, since none of them splits or folds again.

A word is a run of letters, digits and marks, of whatever script, in its folded form. `anna.berg@example.com` and
`report_2026-Q1.pdf` are therefore found by their parts. A query's words match as prefixes, and all have to match.

Scripts that put no space between words are told apart by pairs instead: every character and the one that follows
it are a word, so that any part of a phrase is found. Single characters would match far too much (most Thai texts
hold most Thai letters), dictionaries would have to be the same everywhere and for ever. Pictographs, emoji among
them, are words by themselves.

In an index each word begins with its user's mark: what is stored about one word of one user stands by itself, and a
search reads nothing of anybody else.
"""

import base64
import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from todo_chat_shared.tasks import DESCRIPTION_MAX_CHARS, TITLE_MAX_CHARS

from mcp_todo_server.tasks.text import fold

WORD_MAX_CHARS: Final = 64
"""Longer words count by their beginning, in texts and queries alike; PostgreSQL takes 2046 bytes."""
TEXT_MAX_CHARS: Final = 2 * (TITLE_MAX_CHARS + DESCRIPTION_MAX_CHARS)
"""How much of a folded text is searched. Folding writes ligatures out, up to eighteen characters for one; a text
of nothing else must not grow beyond the mebibyte that PostgreSQL takes."""
MARK_CHARS: Final = 6
"""Length of a user's mark. Users who share one lose nothing but a little time: a search names its user as well."""
TASK_SIGN: Final = "\N{NUMERO SIGN}"
"""Begins the one word that is a task's alone. Folding turns it into letters, so no text has a word like it."""

_UNSPACED: Final = (
    range(0x0E00, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Myanmar
    range(0x1780, 0x1800),  # Khmer
    range(0x1950, 0x1AB0),  # Tai Le, New Tai Lue, Khmer symbols, Buginese, Tai Tham
    range(0x1B00, 0x1B80),  # Balinese
    range(0x3005, 0x3008),  # iteration and closing marks of Han
    range(0x3021, 0x3030),
    range(0x3031, 0x3036),
    range(0x3038, 0x303D),
    range(0x3040, 0x3130),  # Hiragana, Katakana, Bopomofo
    range(0x31A0, 0x31C0),
    range(0x31F0, 0x3200),
    range(0x3400, 0x4DC0),  # Han
    range(0x4E00, 0xA4D0),  # Han, Yi
    range(0xA980, 0xAA00),  # Javanese, Myanmar
    range(0xAA60, 0xAAE0),  # Myanmar, Tai Viet
    range(0xF900, 0xFB00),  # Han
    range(0x16FE0, 0x18D90),  # Tangut, Khitan
    range(0x1AFF0, 0x1B300),  # Kana, Nüshu
    range(0x20000, 0x40000),  # Han
)
"""Code points of the scripts that put no space between words."""
_VARIATION_SELECTORS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))

_ASCII_WORD: Final = re.compile(r"[a-z0-9]+")


class _Kind(Enum):
    SPACED = auto()
    UNSPACED = auto()
    PICTOGRAPH = auto()
    SEPARATOR = auto()
    INVISIBLE = auto()


def words(user_id: str, task_id: int, *texts: str | None) -> list[str]:
    """Return what a task is found by, each word once: first the word that is its alone, then those of its texts."""
    mark = user_mark(user_id)
    text = fold("\n".join(filter(None, texts)))[:TEXT_MAX_CHARS]
    return [task_word(user_id, task_id), *(mark + word for word in dict.fromkeys(_split(text, is_query=False)))]


def query_words(user_id: str, query: str) -> list[str]:
    """Return the beginnings of words that a task has to have, the longest first, to be found by this query.

    There are none in a query of nothing but punctuation.
    """
    mark = user_mark(user_id)
    longest_first = sorted(set(_split(fold(query), is_query=True)), key=lambda word: (-len(word), word))
    needed: list[str] = []
    for word in longest_first:
        if not any(longer.startswith(word) for longer in needed):
            needed.append(word)
    return [mark + word for word in needed]


def task_word(user_id: str, task_id: int) -> str:
    """Return the word that this task alone has, but for users who share a mark."""
    return f"{TASK_SIGN}{user_mark(user_id)}{task_id}"


@lru_cache(maxsize=4096)
def user_mark(user_id: str) -> str:
    """Return the letters and digits that the words of this user begin with."""
    digest = hashlib.blake2b(user_id.encode(), digest_size=MARK_CHARS).digest()
    return base64.b32encode(digest).decode().lower()[:MARK_CHARS]


def _split(folded: str, *, is_query: bool) -> Iterator[str]:
    if folded.isascii():
        yield from (word[:WORD_MAX_CHARS] for word in _ASCII_WORD.findall(folded))
        return
    visible = (character for character in folded if _kind(character) is not _Kind.INVISIBLE)
    for kind, characters in itertools.groupby(visible, _kind):
        if kind is _Kind.SPACED:
            yield "".join(characters)[:WORD_MAX_CHARS]
        elif kind is _Kind.PICTOGRAPH:
            yield from characters
        elif kind is _Kind.UNSPACED:
            run = "".join(characters)
            # A text's last character stands alone too, where a query of that one character finds it.
            pairs = len(run) - 1 if is_query and len(run) > 1 else len(run)
            yield from (run[start : start + 2] for start in range(pairs))


@lru_cache(maxsize=16384)
def _kind(character: str) -> _Kind:
    code = ord(character)
    category = unicodedata.category(character)
    if category == "Cf" or _within(code, _VARIATION_SELECTORS):
        # Joiners, soft hyphens, directions: seen or not, the word is the same.
        return _Kind.INVISIBLE
    if category[0] in "LMN":
        return _Kind.UNSPACED if _within(code, _UNSPACED) else _Kind.SPACED
    if category in {"So", "Co", "Cn"}:  # the last are pictographs newer than this Python, as a rule
        return _Kind.PICTOGRAPH
    return _Kind.SEPARATOR


def _within(code: int, ranges: Sequence[range]) -> bool:
    return any(code in some for some in ranges)
