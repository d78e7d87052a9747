"""From a call's raw arguments to a checked model, or to one line that says what would have worked."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from todo_chat_shared.tasks import DESCRIPTION_MAX_CHARS, TAG_MAX_CHARS, TAGS_MAX, TITLE_MAX_CHARS

from mcp_todo_server.tasks.errors import InvalidArgumentsError
from mcp_todo_server.tasks.schemas import PAGE_MAX, QUERY_MAX_CHARS, Arguments
from mcp_todo_server.tasks.text import RefusedTextError

ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)

_SHOWN_CHARS: Final = 60
_SHOWN_ARGUMENTS: Final = 5
_PRIORITY: Final = 'one of low, normal, high, urgent, such as "high"'
_DATE: Final = 'a date such as "2026-12-24"'
_EXPECTED: Final[Mapping[str, str]] = {
    "task_id": "a task's whole number from 1, such as 3",
    "title": f'a text of 1 to {TITLE_MAX_CHARS} characters in one line, such as "Buy milk"',
    "description": f'a text of at most {DESCRIPTION_MAX_CHARS} characters, such as "Two litres"',
    "due": _DATE,
    "due_at": 'a date and time with its zone, such as "2026-12-24T17:00:00+01:00"',
    "priority": _PRIORITY,
    "tags": f'a list of at most {TAGS_MAX} texts of 1 to {TAG_MAX_CHARS} characters, such as ["home"]',
    "expected_version": "a whole number from 1, such as 2",
    "status": 'one of open, completed, deleted, all, such as "open"',
    "query": f'a text of at most {QUERY_MAX_CHARS} characters in one line, such as "milk"',
    "tag": f'a text of 1 to {TAG_MAX_CHARS} characters, such as "home"',
    "due_before": _DATE,
    "due_after": _DATE,
    "overdue": "true or false",
    "sort": 'one of created, newest, due, priority, updated, such as "due"',
    "limit": f"a whole number from 1 to {PAGE_MAX}, such as 20",
    "cursor": "the next_cursor of the page before, as it was given",
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
        wrong: dict[str, dict[str, Any]] = {}
        for detail in error.errors(include_url=False):
            # A union reports each of its members; the first line about an argument says it all.
            wrong.setdefault(str(detail["loc"][0]) if detail["loc"] else "", dict(detail))
        shown = list(wrong.items())[:_SHOWN_ARGUMENTS]
        lines = [_explain(model, tool, name, detail, arguments) for name, detail in shown]
        if len(wrong) > len(shown):
            lines.append(f"and {len(wrong) - len(shown)} more")
        raise InvalidArgumentsError("; ".join(lines)) from None


def _explain(model: type[Arguments], tool: str, name: str, detail: dict[str, Any], arguments: Mapping[str, Any]) -> str:
    own_words = str(detail["msg"]).removeprefix("Value error, ")
    if not name:
        return own_words
    if detail["type"] == "extra_forbidden":
        return f"{_shown(name)} is not an argument of {tool}; it takes {', '.join(model.model_fields)}"
    if detail["type"] == "missing":
        return f"{name} is missing; it must be {_EXPECTED[name]}"
    if isinstance(detail.get("ctx", {}).get("error"), RefusedTextError):
        return f"{name} {own_words}"
    return f"{name} must be {_EXPECTED[name]}; got {_shown(arguments.get(name))}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
