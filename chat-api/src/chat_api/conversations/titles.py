"""Titles by rule: the beginning of the first message. No model is asked for one. And what finds them."""

import unicodedata
from typing import Final

TITLE_CHARS: Final = 60
UNTITLED: Final = "Untitled"


def fits_a_line(character: str) -> bool:
    """Tell whether a title may hold a character: no controls, lone surrogates, line or paragraph separators."""
    return unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}


def title_of(message: str) -> str:
    """Return the message's first line, cut between words to at most 60 characters."""
    line = " ".join(message.strip().splitlines()[0].split())
    line = "".join(character for character in line if fits_a_line(character)) or UNTITLED
    if len(line) <= TITLE_CHARS:
        return line
    cut = line[: TITLE_CHARS - 1]
    head, space, _ = cut.rpartition(" ")
    return f"{head if space and len(head) > TITLE_CHARS // 2 else cut}…"


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a search, as `has_words` compares them."""
    return tuple(_fold(text).split())


def has_words(title: str, words: tuple[str, ...]) -> bool:
    """Tell whether a title contains every one of the words, be it as a part of a longer one."""
    folded = _fold(title)
    return all(word in folded for word in words)


def _fold(text: str) -> str:
    """Return a text as it is compared: without case and without compatibility forms, in every script."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
