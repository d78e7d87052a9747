"""Text from models and tools, made fit for storage: PostgreSQL takes neither U+0000 nor lone surrogates."""

import json
from typing import Any, Final

JSON_MAX_DEPTH: Final = 64
"""Arrays and objects that may stand inside each other; the libraries that pass a value on take a few more."""


def clean_text(text: str) -> str:
    """Drop U+0000 and replace lone surrogates; join surrogate pairs that arrived in two halves."""
    text = text.replace("\x00", "")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class TextCleaner:
    """`clean_text` for a text that comes in pieces, cut anywhere."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the next piece's clean text. A high surrogate at its end waits for its other half."""
        if piece.isascii() and not self._held and "\x00" not in piece:
            return piece
        text = self._held + piece.replace("\x00", "")
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held = text[-1]
            text = text[:-1]
        return clean_text(text)

    def end(self) -> str:
        """Return what still waited when the last piece had come."""
        held, self._held = self._held, ""
        return clean_text(held)


def clean_json(value: Any, max_depth: int = JSON_MAX_DEPTH) -> Any:
    """Apply `clean_text` to every text in a JSON value, keys included.

    Raises:
        ValueError: It is nested too deeply; whatever writes it as JSON later would give up.
    """
    match value:
        case str():
            return clean_text(value)
        case dict() | list() if max_depth == 0:
            raise ValueError(f"nested more than {JSON_MAX_DEPTH} levels deep")
        case dict():
            return {clean_text(key): clean_json(item, max_depth - 1) for key, item in value.items()}
        case list():
            return [clean_json(item, max_depth - 1) for item in value]
        case _:
            return value


def compact_json(value: Any) -> str:
    """Write a JSON value as text without needless spaces.

    Raises:
        ValueError: A number is infinite or not a number, which JSON cannot say.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
