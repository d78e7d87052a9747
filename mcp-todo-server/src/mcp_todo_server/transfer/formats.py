"""The formats, by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Final, Protocol
from zoneinfo import ZoneInfo

from mcp_todo_server.transfer import json_list, markdown, todo_txt, vtodo
from mcp_todo_server.transfer.entries import Entry, Kept, ListFacts


class Writer(Protocol):
    """Writes one list."""

    def head(self) -> str:
        """Return what stands before the tasks."""

    def task(self, kept: Kept) -> str:
        """Return one task."""

    def tail(self) -> str:
        """Return what stands after the tasks."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a list is written and read."""

    writer: Callable[[ListFacts], Writer]
    read: Callable[[IO[bytes], ZoneInfo], Iterator[Entry]]
    """Takes a file that can be read more than once, and the zone of times that name none."""
    read_facts: Callable[[IO[bytes]], ListFacts] | None = None
    """Reads what the file says of the list as a whole, in a format that does."""
    has_deleted: bool = False
    """Whether deleted tasks are written."""
    left_out: tuple[str, ...] = ()
    """Fields of a task that there is no place for."""


FORMATS_BY_NAME: Final = {
    "json": Format(json_list.JsonWriter, json_list.read, json_list.read_facts, has_deleted=True),
    "markdown": Format(markdown.MarkdownWriter, markdown.read),
    "todotxt": Format(todo_txt.TodoTxtWriter, todo_txt.read, left_out=("description",)),
    "icalendar": Format(vtodo.VTodoWriter, vtodo.read),
}
