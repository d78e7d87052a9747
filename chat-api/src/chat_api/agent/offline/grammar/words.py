"""Words and pieces of sentences that several commands share."""

import re
from collections.abc import Iterable

from todo_chat_shared.tasks import Priority

_TOKEN = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile(r"['’`]")
_BEFORE = re.compile(
    r"(?:please|pls|hey|hi|hello|ok|okay|so|well|now|then|also|and|actually|just|alright|yes|can you"
    r"|could you|would you"
    r"|will you|can i|could i|may i|i(?:['’]d| would) like (?:you )?to|i want (?:you )?to|i wanna"
    r"|let['’]?s|go ahead and|kindly|quickly|oops|whoops|good (?:morning|afternoon|evening)"
    r"|(?:no|wait|no wait|sorry|great|thanks|thank you|oh|ah|hmm)(?=[,!.]))(?:[,!.]| ) ?",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"[ ,]*\b(?:please|pls|thanks|thank you|thx|cheers|for me|will you|would you|if you can)$", re.IGNORECASE
)
_QUOTED = re.compile(r"[\"“”„«]([^\"“”„«»]{1,500})[\"“”»]|(?<!\w)['‘]([^'‘’]{1,500}|[^'‘]{1,500}?)['’](?!\w)")
_PRIORITY_WORDS: dict[str, Priority] = {
    "low": "low",
    "lowest": "low",
    "unimportant": "low",
    "normal": "normal",
    "medium": "normal",
    "default": "normal",
    "regular": "normal",
    "high": "high",
    "important": "high",
    "top": "high",
    "highest": "high",
    "urgent": "urgent",
    "critical": "urgent",
}
PRIORITY = r"(?:low(?:est)?|normal|medium|default|regular|high(?:est)?|top|urgent|critical|important)"
TAG = re.compile(r"(?<![\w#&/])#([^\W\d_][\w-]{0,49})")
_MOST_COURTESIES = 6


def tokens(text: str) -> list[str]:
    """Return the text's words, folded, apostrophes dropped."""
    return _TOKEN.findall(_APOSTROPHES.sub("", text.casefold()))


def stem(word: str) -> str:
    """Return what a word has in common with its plural and its verb forms."""
    for ending in ("ies", "ing", "ed", "es", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def polite(text: str) -> str:
    """Return the command without "please", "can you" and their like around it."""
    text = text.strip(" ,.!;")
    for _ in range(_MOST_COURTESIES):
        shorter = _AFTER.sub("", text)
        match = _BEFORE.match(shorter)
        shorter = (shorter[match.end() :] if match else shorter).strip(" ,.!;")
        if shorter == text:
            break
        text = shorter
    return text


def priority_of(word: str) -> Priority | None:
    """Return the priority that a word names."""
    return _PRIORITY_WORDS.get(word.lower())


def unquoted(text: str) -> str:
    """Return the text without quotation marks around the whole of it."""
    text = text.strip()
    match = _QUOTED.fullmatch(text)
    return (match[1] or match[2]).strip() if match else text


def quotations(text: str) -> list[re.Match[str]]:
    """Return the quoted pieces of a text."""
    return list(_QUOTED.finditer(text))


def distinct(items: Iterable[str]) -> tuple[str, ...]:
    """Return the items once each, in their order, without regard to case."""
    kept: dict[str, str] = {}
    for item in items:
        kept.setdefault(item.casefold(), item)
    return tuple(kept.values())


def words_of(text: str) -> frozenset[str]:
    """Return the words of a table that is written as text."""
    return frozenset(text.split())


def phrases_of(text: str) -> frozenset[str]:
    """Return the phrases of a table that is written as text, divided by upright strokes."""
    return frozenset(" ".join(phrase.split()) for phrase in text.split("|"))
