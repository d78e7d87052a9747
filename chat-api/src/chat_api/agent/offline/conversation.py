"""Input items of the Responses format, read into turns: what was said, what was called, what came of it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.items import TResponseInputItem
from pydantic import ValidationError
from todo_chat_shared.tasks import Task, TaskPage, UserDay

from chat_api.agent.text import clean_text

UNREADABLE = "The todo list answered in a way that I cannot read."


@dataclass(frozen=True, slots=True)
class Refusal:
    """A tool said no."""

    text: str


Outcome = Task | TaskPage | UserDay | Refusal


@dataclass(slots=True)
class Call:
    """One tool call with its outcome, which is None while it is under way."""

    call_id: str
    name: str
    arguments: dict[str, Any]
    outcome: Outcome | None = None


@dataclass(slots=True)
class Turn:
    """A user's message and what followed."""

    said: str
    calls: list[Call] = field(default_factory=list)
    answer: str = ""


def read_turns(items: str | Iterable[TResponseInputItem]) -> list[Turn]:
    """Return the conversation's turns, oldest first; the last one is the one to be answered.

    What stands before the first user message, and kinds of items that are not conversation, are passed over.
    """
    if isinstance(items, str):
        return [Turn(_text(items))]
    turns: list[Turn] = []
    for item in items:
        fields: Mapping[str, Any] = item
        role = fields.get("role")
        if role == "user":
            turns.append(Turn(_text(fields.get("content"))))
        elif turns:
            _follow(turns[-1], fields)
    return turns


def _follow(turn: Turn, fields: Mapping[str, Any]) -> None:
    match fields.get("type"):
        case "function_call":
            turn.calls.append(
                Call(
                    str(fields.get("call_id") or ""),
                    str(fields.get("name") or ""),
                    _object(fields.get("arguments")),
                )
            )
        case "function_call_output":
            call_id = str(fields.get("call_id") or "")
            for call in turn.calls:
                if call.call_id == call_id and call.outcome is None:
                    call.outcome = _outcome(_text(fields.get("output")))
                    break
        case _ if fields.get("role") == "assistant":
            turn.answer = _text(fields.get("content"))


def _text(content: Any) -> str:
    if isinstance(content, str):
        # What no provider and no database could take must not come back in a call's arguments.
        return clean_text(content)
    if isinstance(content, Mapping):
        return _text(str(content.get("text") or ""))
    if isinstance(content, Iterable):
        return "".join(_text(part) for part in content)
    return ""


def _object(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _outcome(text: str) -> Outcome:
    value = _object(text)
    if "error" in value:
        return Refusal(str(value["error"]))
    kind: type[Task | TaskPage | UserDay] = TaskPage if "tasks" in value else UserDay if "timezone" in value else Task
    try:
        return kind.model_validate(value)
    except ValidationError:
        return Refusal(UNREADABLE)
