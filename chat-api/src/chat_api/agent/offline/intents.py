"""What a sentence can mean: the typed result of reading it, before any task is looked up."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

from todo_chat_shared.tasks import Priority, TaskStatus

ListStatus = Literal["open", "completed", "deleted", "all"]
Verb = Literal["complete", "reopen", "delete", "restore"]


@dataclass(frozen=True, slots=True)
class When:
    """When a task is due: a calendar day, or an instant. Exactly one is set."""

    due: dt.date | None = None
    due_at: dt.datetime | None = None
    day_named: bool = True
    """False where only a time of day was said, and the day of `due_at` is its next coming."""


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of calendar days; an open side is None. Both ends belong to it."""

    first: dt.date | None = None
    last: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A task to be added."""

    title: str
    when: When | None = None
    priority: Priority | None = None
    tags: tuple[str, ...] = ()
    recurrence: str | None = None
    """How often it comes back, as an RRULE. Where it is set, so is `when`."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks a list should hold."""

    status: ListStatus = "open"
    period: Period | None = None
    overdue: bool = False
    priority: Priority | None = None
    tag: str | None = None
    query: str | None = None
    sort: Literal["due", "priority"] | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Tasks named by number."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """A task named by words of its title."""

    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """Tasks named by their place in what was shown last.

    `places` counts from 0, negative from the end; empty means "it" where `every` is false, else all of them.
    """

    places: tuple[int, ...] = ()
    every: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    """All tasks that fit."""

    filters: Filters


Named = Numbers | Words | Shown | Every
Target = tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Add:
    """Add tasks. With no drafts the title is still to be asked for."""

    drafts: tuple[Draft, ...]


@dataclass(frozen=True, slots=True)
class Find:
    """List tasks."""

    filters: Filters
    count: bool = False
    """Only how many was asked."""
    left: bool = False
    """"What is left": where nothing fits the period, the other open tasks are worth showing."""


@dataclass(frozen=True, slots=True)
class Look:
    """Show tasks in full."""

    target: Target


@dataclass(frozen=True, slots=True)
class Act:
    """Complete, reopen, delete or restore tasks."""

    verb: Verb
    target: Target


@dataclass(frozen=True, slots=True)
class Change:
    """Change fields of tasks. What is None or empty stays as it is."""

    target: Target
    title: str | None = None
    """Empty while it is still to be asked for."""
    description: str | None = None
    when: When | None = None
    shift: dt.timedelta | None = None
    """Later by so much than the task's own date; earlier where it is negative."""
    clear_due: bool = False
    recurrence: str | None = None
    """How often it comes back from now on, as an RRULE; empty for no more."""
    first: dt.date | None = None
    """The day on which such a task is due first, where it has no date yet."""
    priority: Priority | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    clear_tags: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back what the last turn did."""


@dataclass(frozen=True, slots=True)
class SetZone:
    """Change the user's time zone to the one of this name, as it was said."""

    said: str


@dataclass(frozen=True, slots=True)
class Talk:
    """Words that need no tool."""

    kind: Literal["hello", "thanks", "help", "dismiss", "ok", "self", "portions"]


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A command whose last piece is missing, with the question that asks for it."""

    question: str
    intent: Act | Change | None = None
    """The command so far; None where it is an addition."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not understood."""


Intent = Add | Find | Look | Act | Change | Undo | SetZone | Talk | Incomplete | Unknown

STATUS_BEFORE: dict[Verb, TaskStatus] = {
    "complete": "open",
    "reopen": "completed",
    "delete": "open",
    "restore": "deleted",
}
"""In which status a verb looks for its tasks."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which of several tasks is meant. The answer fills the hole in `intent`."""

    intent: Look | Act | Change
    """The command, its target reduced to what is settled or still to be looked up."""
    candidates: tuple[int, ...]
    """Numbers of the tasks that were offered, in their order."""
    titles: tuple[str, ...]
    """Their titles."""
    rest: tuple[Intent, ...] = field(default=())
    """Commands of the same sentence that wait."""
