"""Markdown checklists: a box for each task, and below it, indented, what else there is to say of it.

    - [ ] Buy milk <!-- uid: 17-0f3a5c7e9b1d2468 -->
      - due: 2026-12-24
      - priority: high
      - tags: home, errands
      - repeats: FREQ=WEEKLY
      > Two litres,
      > and oats.

A completed task has an `x` in its box and says `completed:`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from todo_chat_shared.tasks import DESCRIPTION_MAX_CHARS

from mcp_todo_server.tasks.payloads import PRIORITIES
from mcp_todo_server.transfer.entries import ContentUids, Entry, Kept, ListFacts, entry, short_uid
from mcp_todo_server.transfer.errors import LineError
from mcp_todo_server.transfer.moments import due_arguments, due_text
from mcp_todo_server.transfer.source import lines
from mcp_todo_server.users.service import zone_of

_ITEM: Final = re.compile(r"(?P<indent>[ \t]*)(?:[-*+]|\d{1,9}[.)])[ \t]+\[(?P<box>[ xX])\](?:[ \t]+(?P<title>.*))?")
_FIELD: Final = re.compile(r"[ \t]+[-*+][ \t]+(due|priority|tags|repeats|completed):[ \t]*(.*)", re.IGNORECASE)
_QUOTE: Final = re.compile(r"[ \t]+> ?(.*)")
_INDENTED: Final = re.compile(r"[ \t]+\S.*")
_UID_BEGINS: Final = "<!-- uid: "
_UID_ENDS: Final = " -->"
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>~&]")
"""What would be understood as markup inside a line."""
_ESCAPE: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_COMMA: Final = re.compile(r"(?<!\\)((?:\\\\)*),")
_ESCAPED_COMMA: Final = "\\,"
_LINE_BREAK: Final = re.compile(r"\r\n?|\n")
_INDENT: Final = "  "


class MarkdownWriter:
    """Writes open and completed tasks."""

    def __init__(self, facts: ListFacts) -> None:
        self._zone = zone_of(facts.timezone)

    def head(self) -> str:
        """Return what stands before the tasks."""
        return ""

    def task(self, kept: Kept) -> str:
        """Return a task's lines."""
        row = kept.row
        box = " " if row.completed_at is None else "x"
        text = [f"- [{box}] {_escape(row.title)} <!-- uid: {quote(kept.uid, safe='@:+')} -->"]
        if due := due_text(row):
            text.append(f"- due: {due}")
        if (priority := PRIORITIES[row.priority_rank]) != "normal":
            text.append(f"- priority: {priority}")
        if kept.tags:
            text.append(f"- tags: {', '.join(_escape(tag).replace(',', _ESCAPED_COMMA) for tag in kept.tags)}")
        if row.recurrence:
            text.append(f"- repeats: {row.recurrence}")
        if row.completed_at is not None:
            text.append(f"- completed: {row.completed_at.astimezone(self._zone).isoformat()}")
        if row.description is not None:
            text += [f"> {_escape(line)}" if line else ">" for line in _LINE_BREAK.split(row.description)]
        return f"\n{_INDENT}".join(text) + "\n"

    def tail(self) -> str:
        """Return what stands after the tasks."""
        return ""


@dataclass
class _Item:
    """An item as far as it has been read."""

    line: int
    indent: int
    completed: bool
    title: str
    uid: str | None
    fields: dict[str, str] = field(default_factory=dict)
    description: list[str] = field(default_factory=list)
    blank: int = 0
    """Empty lines since the last one of the description; they count once another follows."""
    chars: int = 0
    """Length of the description."""


def read(source: IO[bytes], _zone: ZoneInfo) -> Iterator[Entry]:
    """Yield the checklist's items. Headings and other text that belongs to no item are left out.

    An item inside another one is a task of its own.

    Raises:
        LineError: An item is wrong.
    """
    uids = ContentUids("markdown")
    item: _Item | None = None
    for number, line in lines(source):
        if start := _ITEM.fullmatch(line):
            if item is not None:
                yield _entry(item, uids)
            item = _begin(number, start)
        elif item is not None and not line.strip():
            item.blank += 1
        elif item is not None and _INDENTED.fullmatch(line):
            _continue(item, number, line)
        elif item is not None:
            yield _entry(item, uids)
            item = None
    if item is not None:
        yield _entry(item, uids)


def _begin(number: int, start: re.Match[str]) -> _Item:
    title, uid = _take_uid(start["title"] or "")
    return _Item(number, len(start["indent"]), start["box"] != " ", _unescape(title), uid)


def _take_uid(text: str) -> tuple[str, str | None]:
    """Take a uid off the end of an item's text: the title, and the uid, None where there is none."""
    title, _, end = text.rpartition(_UID_BEGINS)
    uid = end.removesuffix(_UID_ENDS)
    # Without a beginning, or without an end, nothing of the text is one.
    if text != f"{title}{_UID_BEGINS}{uid}{_UID_ENDS}" or uid.split() != [uid]:
        return text, None
    return title.rstrip(" \t"), unquote(uid)


def _continue(item: _Item, number: int, line: str) -> None:
    found = _FIELD.fullmatch(line)
    if found and not item.description:
        name = found[1].lower()
        if name in item.fields:
            raise LineError(number, f"{name} stands twice for one task; leave one of them out")
        item.fields[name] = found[2].strip()
        item.blank = 0
        return
    quoted = _QUOTE.fullmatch(line)
    text = quoted[1] if quoted else _outdented(line, item.indent + len(_INDENT))
    text = _unescape(text)
    if item.description:
        item.chars += item.blank + len("\n")
    item.chars += len(text)
    if item.chars > DESCRIPTION_MAX_CHARS:
        # Said here: what lies below one item may be a whole file.
        raise LineError(number, f"description must be a text of at most {DESCRIPTION_MAX_CHARS} characters")
    if item.description:
        item.description += [""] * item.blank
    item.blank = 0
    item.description.append(text)


def _outdented(line: str, columns: int) -> str:
    margin = len(line) - len(line.lstrip(" \t"))
    return line[min(margin, columns) :]


def _entry(item: _Item, uids: ContentUids) -> Entry:
    fields = item.fields
    description = "\n".join(item.description) or None
    tags = [_unescape(tag.strip()) for tag in _split_tags(fields.get("tags", ""))]
    task = {
        "title": item.title,
        "description": description,
        "priority": fields.get("priority", "").lower() or None,
        "tags": tags,
        "recurrence": fields.get("repeats") or None,
        **due_arguments(fields.get("due", "")),
    }
    # A task that has been completed since is still the same task.
    content = [item.title, description, *(fields.get(name) for name in ("due", "priority", "tags", "repeats"))]
    history = {
        "uid": short_uid(item.uid) if item.uid else uids.of(*content),
        "status": "completed" if item.completed else "open",
        "completed_at": fields.get("completed") if item.completed else None,
    }
    return entry(item.line, task, history)


def _split_tags(text: str) -> list[str]:
    # A comma with a backslash before it is part of a tag.
    return [tag for tag in _COMMA.sub("\\1\0", text).split("\0") if tag.strip()]


def _escape(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", text)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)
