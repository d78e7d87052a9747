"""todo.txt: one task a line, in the format of the todo.txt project, with its usual `key:value` extensions."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import IO, Final
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from todo_chat_shared.tasks import Priority

from mcp_todo_server.tasks.payloads import PRIORITIES
from mcp_todo_server.transfer.entries import ContentUids, Entry, Kept, ListFacts, entry, short_uid
from mcp_todo_server.transfer.errors import LineError
from mcp_todo_server.transfer.moments import due_arguments, due_text
from mcp_todo_server.transfer.source import lines
from mcp_todo_server.users.service import zone_of

_LETTERS: Final[Mapping[Priority, str]] = {"urgent": "A", "high": "B", "low": "D"}
"""Letters of the priorities; a normal task has none, as most lines of most files."""
_PRIORITIES: Final[Mapping[str, Priority]] = {"A": "urgent", "B": "high", "C": "normal"}
"""What letters mean on the way in; those after C are low."""
_KEYS: Final = ("due", "rec", "rrule", "pri", "uid")
_UNITS: Final[Mapping[str, str]] = {"d": "DAILY", "w": "WEEKLY", "m": "MONTHLY", "y": "YEARLY"}

_COMPLETED: Final = re.compile(r"x (?=\S)")
_PRIORITY: Final = re.compile(r"\(([A-Z])\) (?=\S)")
_DATE: Final = re.compile(r"(\d{4}-\d{2}-\d{2}) (?=\S)")
_PAIR: Final = re.compile(rf"({'|'.join(_KEYS)}):(\S+)")
_ESCAPED: Final = re.compile(rf"\\+(?:[@+]\S|(?:{'|'.join(_KEYS)}):\S)")
_SPECIAL: Final = re.compile(rf"\\*(?:[@+]\S|(?:{'|'.join(_KEYS)}):\S)")
_INTERVAL: Final = re.compile(r"\+?(\d{1,4})([dwmy])")
_PLAIN_RULE: Final = re.compile(r"FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(?:;INTERVAL=(\d{1,4}))?")
_NO_BREAK_SPACE: Final = "\N{NO-BREAK SPACE}"
"""Stands for a space inside a tag: a context ends at the first plain one."""


class TodoTxtWriter:
    """Writes open and completed tasks. There is no place for descriptions."""

    def __init__(self, facts: ListFacts) -> None:
        self._zone = zone_of(facts.timezone)

    def head(self) -> str:
        """Return what stands before the tasks."""
        return ""

    def task(self, kept: Kept) -> str:
        """Return a task's line."""
        row = kept.row
        priority = PRIORITIES[row.priority_rank]
        letter = _LETTERS.get(priority)
        words = []
        if row.completed_at is not None:
            words += ["x", self._day(row.completed_at)]
        elif letter:
            words.append(f"({letter})")
        # Always there, so that a title that begins as such a part does is still a title.
        words.append(self._day(row.created_at))
        words += [_escape(word) for word in row.title.split(" ")]
        words += [_tag_word(tag) for tag in kept.tags]
        if row.completed_at is not None and letter:
            words.append(f"pri:{letter}")
        if due := due_text(row):
            words.append(f"due:{due}")
        if row.recurrence is not None:
            words.append(_repeats(row.recurrence))
        words.append(f"uid:{quote(kept.uid, safe='@:+')}")
        return f"{' '.join(words)}\n"

    def tail(self) -> str:
        """Return what stands after the tasks."""
        return ""

    def _day(self, instant: dt.datetime) -> str:
        return instant.astimezone(self._zone).date().isoformat()


def read(source: IO[bytes], zone: ZoneInfo) -> Iterator[Entry]:
    """Yield the tasks of a file, one for each line that is not empty. Its days are those of `zone`.

    Raises:
        LineError: A line is wrong.
    """
    uids = ContentUids("todo.txt")
    for number, line in lines(source):
        if line.strip():
            yield _entry(number, line.strip(" \t"), zone, uids)


def _entry(number: int, line: str, zone: ZoneInfo, uids: ContentUids) -> Entry:
    completed, line = _take(_COMPLETED, line)
    letter, line = _take(_PRIORITY, line)
    first, line = _take(_DATE, line)
    second, line = _take(_DATE, line) if completed and first else (None, line)
    done, created = (first, second) if completed else (None, first)
    title, tags, pairs = _words(line)
    letter = letter or pairs.get("pri")
    task = {
        "title": title,
        "tags": tags,
        "priority": _PRIORITIES.get(letter, "low") if letter else None,
        **due_arguments(pairs.get("due", "")),
        "recurrence": _rule(number, pairs),
    }
    # Neither completing a task nor giving it another priority makes it another task.
    content = [created, title, *tags, pairs.get("due"), pairs.get("rec"), pairs.get("rrule")]
    history = {
        "uid": short_uid(unquote(pairs["uid"])) if "uid" in pairs else uids.of(*content),
        "status": "completed" if completed else "open",
        "created_at": _midnight(number, created, zone),
        "completed_at": _midnight(number, done, zone),
    }
    return entry(number, task, history)


def _take(pattern: re.Pattern[str], line: str) -> tuple[str | None, str]:
    """Take a part off the beginning of a line: the part, None where it is not there, and the rest."""
    match = pattern.match(line)
    if match is None:
        return None, line
    return match[match.lastindex or 0], line[match.end() :]


def _words(line: str) -> tuple[str, list[str], dict[str, str]]:
    """Return the title, the tags and the key:value pairs of what follows a line's beginning.

    Contexts and projects at the end are tags and nothing else. Those in the middle of the text are part of it.
    """
    words = line.split(" ")
    pairs: dict[str, str] = {}
    kept: list[str] = []
    for word in words:
        match = _PAIR.fullmatch(word)
        if match is not None and match[1] not in pairs:
            pairs[match[1]] = match[2]
        else:
            kept.append(word)
    end = len(kept)
    while end > 1 and (not kept[end - 1] or _is_tag(kept[end - 1])):
        end -= 1
    tags = [_tag(word) for word in kept if _is_tag(word)]
    title = " ".join(word[1:] if _ESCAPED.match(word) else word for word in kept[:end])
    return title, tags, pairs


def _is_tag(word: str) -> bool:
    return len(word) > 1 and word[0] in "@+"


def _tag(word: str) -> str:
    # A project keeps its sign, so that it is one again on the way out.
    label = word[1:] if word[0] == "@" else word
    return label.replace(_NO_BREAK_SPACE, " ")


def _tag_word(tag: str) -> str:
    word = tag if tag.startswith("+") and len(tag) > 1 else f"@{tag}"
    return word.replace(" ", _NO_BREAK_SPACE)


def _escape(word: str) -> str:
    return f"\\{word}" if _SPECIAL.match(word) else word


def _repeats(rule: str) -> str:
    match = _PLAIN_RULE.fullmatch(rule)
    if match is None:
        return f"rrule:{rule}"
    unit = next(letter for letter, name in _UNITS.items() if name == match[1])
    return f"rec:+{match[2] or 1}{unit}"


def _rule(number: int, pairs: Mapping[str, str]) -> str | None:
    if "rrule" in pairs:
        return pairs["rrule"]
    if "rec" not in pairs:
        return None
    match = _INTERVAL.fullmatch(pairs["rec"])
    if match is None:
        raise LineError(number, f'rec must be a number and one of d, w, m, y, such as "rec:+2w"; got {pairs["rec"]!r}')
    interval = int(match[1])
    return f"FREQ={_UNITS[match[2]]}" + (f";INTERVAL={interval}" if interval != 1 else "")


def _midnight(number: int, day: str | None, zone: ZoneInfo) -> str | None:
    if day is None:
        return None
    try:
        return dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), zone).isoformat()
    except ValueError:
        raise LineError(number, f"{day} is no day of the calendar") from None
