"""From a call's raw arguments to a checked model, or to one line that says what would have worked."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from todo_chat_shared.tasks import (
    DESCRIPTION_MAX_CHARS,
    RECURRENCE_MAX_CHARS,
    TAG_MAX_CHARS,
    TAGS_MAX,
    TITLE_MAX_CHARS,
)

from mcp_todo_server.tasks.errors import InvalidArgumentsError
from mcp_todo_server.tasks.schemas import PAGE_MAX, QUERY_MAX_CHARS, Arguments
from mcp_todo_server.tasks.text import RefusedTextError

ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)

_SHOWN_CHARS: Final = 60
_SHOWN_ARGUMENTS: Final = 5
_PRIORITY: Final = 'one of low, normal, high, urgent, such as "high"'
_NUMBERS: Final = "a list of the numbers of tasks, such as [3, 5]"
_DATE: Final = 'a date such as "2026-12-24"'
_EXPECTED: Final[Mapping[str, str]] = {
    "task_id": "a task's whole number from 1, such as 3",
    "title": f'a text of 1 to {TITLE_MAX_CHARS} characters in one line, such as "Buy milk"',
    "description": f'a text of at most {DESCRIPTION_MAX_CHARS} characters, such as "Two litres"',
    "due": _DATE,
    "due_at": 'a date and time with its zone, such as "2026-12-24T17:00:00+01:00" or "2026-12-24T17:00[Europe/Berlin]"',
    "recurrence": f'an RRULE of at most {RECURRENCE_MAX_CHARS} characters, such as "FREQ=WEEKLY;BYDAY=MO"',
    "priority": _PRIORITY,
    "tags": f'a list of at most {TAGS_MAX} texts of 1 to {TAG_MAX_CHARS} characters, such as ["home"]',
    "before": "a task's whole number, such as 3, or 0 for the end of the list",
    "expected_version": "a whole number from 1, such as 2",
    "status": 'one of open, completed, deleted, all, such as "open"',
    "query": f'a text of at most {QUERY_MAX_CHARS} characters in one line, such as "milk"',
    "tag": f'a text of 1 to {TAG_MAX_CHARS} characters, such as "home"',
    "due_before": _DATE,
    "due_after": _DATE,
    "overdue": "true or false",
    "sort": 'one of created, newest, due, priority, updated, manual, such as "due"',
    "limit": f"a whole number from 1 to {PAGE_MAX}, such as 20",
    "timezone": 'an IANA zone, such as "Europe/Berlin"',
    "cursor": "the next_cursor of the page before, as it was given",
    "add": 'a list of tasks as add_task takes them, such as [{"title": "Buy milk"}]',
    "update": 'a list of changes as update_task takes them, such as [{"task_id": 3, "due": "2026-12-24"}]',
    "complete": _NUMBERS,
    "reopen": _NUMBERS,
    "delete": _NUMBERS,
    "restore": _NUMBERS,
}
"""What each argument takes; the example works as it stands."""


def parse(model: type[ArgumentsT], tool: str, arguments: Mapping[str, Any]) -> ArgumentsT:
    """Check the arguments of a call of `tool`.

    Raises:
        InvalidArgumentsError: One of them is wrong. The text names the wrong ones, or the first few of many.
    """
    try:
        return model.model_validate(dict(arguments))
    except ValidationError as error:
        raise InvalidArgumentsError(explain(model, tool, error, arguments)) from None


def explain(
    model: type[Arguments], tool: str, error: ValidationError, arguments: Mapping[str, Any], *, item: str | None = None
) -> str:
    """Return what is wrong with the arguments of a call of `tool`, or of an `item` of one such as `add[2]`.

    The text names the wrong ones, or the first few of many.
    """
    wrong: dict[str, dict[str, Any]] = {}
    for detail in error.errors(include_url=False):
        # A union reports each of its members: what one of them refuses with words of its own says most, else the first.
        name = str(detail["loc"][0]) if detail["loc"] else ""
        if name not in wrong or (_has_own_words(detail) and not _has_own_words(wrong[name])):
            wrong[name] = dict(detail)
    shown = list(wrong.items())[:_SHOWN_ARGUMENTS]
    lines = [_explain(model, tool, name, detail, arguments) for name, detail in shown]
    if item is not None:
        # Arguments are told by their path, and what concerns them all by the item's.
        lines = [
            f"{item}.{line}" if name in model.model_fields else f"{item}: {line}"
            for (name, _), line in zip(shown, lines, strict=True)
        ]
    if len(wrong) > len(shown):
        lines.append(f"and {len(wrong) - len(shown)} more")
    return "; ".join(lines)


def _explain(model: type[Arguments], tool: str, name: str, detail: dict[str, Any], arguments: Mapping[str, Any]) -> str:
    own_words = str(detail["msg"]).removeprefix("Value error, ")
    if not name:
        return own_words
    if detail["type"] == "extra_forbidden":
        return f"{_shown(name)} is not an argument of {tool}; it takes {', '.join(model.model_fields)}"
    if detail["type"] == "missing":
        return f"{name} is missing; it must be {_EXPECTED[name]}"
    if _has_own_words(detail):
        return f"{name} {own_words}"
    return f"{name} must be {_EXPECTED[name]}; got {_shown(arguments.get(name))}"


def _has_own_words(detail: Mapping[str, Any]) -> bool:
    return isinstance(detail.get("ctx", {}).get("error"), RefusedTextError)


def to_text(value: Any) -> str:
    """Return an argument as JSON; one that is nested too deep to be written is only said to be that."""
    try:
        return json.dumps(value, default=str)
    except RecursionError:
        return "a value nested too deep"


def _shown(value: Any) -> str:
    text = to_text(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
