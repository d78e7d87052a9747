"""Titles by rule: the beginning of the first message. No model is asked for one."""

from typing import Final

TITLE_CHARS: Final = 60


def title_of(message: str) -> str:
    """Return the message's first line, cut between words to at most 60 characters."""
    line = " ".join(message.strip().splitlines()[0].split())
    if len(line) <= TITLE_CHARS:
        return line
    cut = line[: TITLE_CHARS - 1]
    head, space, _ = cut.rpartition(" ")
    return f"{head if space and len(head) > TITLE_CHARS // 2 else cut}…"
