"""Text of users: what is refused, and how two texts are compared."""

import unicodedata
from typing import Final

from todo_chat_shared.tasks import TAG_MAX_CHARS

FOLDED_TAG_MAX_CHARS: Final = 3 * TAG_MAX_CHARS
"""Room for a folded tag. Case folding makes at most three characters of one, but a compatibility character can
stand for eighteen: a tag full of those is refused."""
LINE_BREAKS: Final = frozenset("\r\n\t")
"""Control characters that a text of several lines may hold."""
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs"})


class RefusedTextError(ValueError):
    """A text that cannot be kept, for a reason that its length and type do not show. The words follow its name."""


def refuse_control_characters(value: str, *, allowed: frozenset[str] = frozenset()) -> str:
    """Return `value` if it can be stored and shown exactly as it is.

    Control characters (U+0000 among them, which PostgreSQL cannot store) and lone surrogates (which no UTF-8
    can carry) are refused rather than dropped: a text is kept exactly or not at all.

    Raises:
        RefusedTextError: It holds such a character; the text names it and its place, counted from 1.
    """
    for position, character in enumerate(value, start=1):
        if character not in allowed and unicodedata.category(character) in _REFUSED_CATEGORIES:
            raise RefusedTextError(f"must not hold control characters; U+{ord(character):04X} is at place {position}")
    return value


def is_storable(value: str) -> bool:
    """Tell whether a line of text may hold `value`."""
    try:
        refuse_control_characters(value)
    except RefusedTextError:
        return False
    return True


def fold(value: str) -> str:
    """Return `value` as it is compared: without case and without compatibility forms, in every script.

    Both databases store the folded text and compare it as it is, so their own ideas of case play no part.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())


def refuse_long_when_folded(tag: str) -> str:
    """Return `tag` if its folded form can be stored.

    Raises:
        RefusedTextError: It is too long.
    """
    if (length := len(fold(tag))) > FOLDED_TAG_MAX_CHARS:
        raise RefusedTextError(
            f"must not hold a tag of more than {FOLDED_TAG_MAX_CHARS} characters once ligatures and the like are "
            f"written out; one has {length}"
        )
    return tag
