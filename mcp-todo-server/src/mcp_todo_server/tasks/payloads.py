"""Answers as they are sent, and published schemas, cut down to what a model has to read: each costs it tokens."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, cast

import pydantic_core
from pydantic import BaseModel
from todo_chat_shared.tasks import Priority, Task

from mcp_todo_server.lists.repository import ListedTask, tags_of
from mcp_todo_server.tasks.models import TaskRow
from mcp_todo_server.tasks.schemas import Arguments

PRIORITIES: Final[Sequence[Priority]] = ("urgent", "high", "normal", "low")
"""By rank, the most pressing first."""

_NOISE: Final = frozenset({"title", "default"})
"""Keywords that repeat what the property's name or description says."""
_BOUNDS: Final = frozenset({"minimum", "maximum"})
"""Keywords that nobody needs to read an answer."""


def task_of(row: TaskRow, tags: list[str]) -> Task:
    """Return a task as a tool answers with it; fields without a value are not set."""
    return Task.model_validate(task_values(row, tags))


def task_values(row: TaskRow | ListedTask, tags: list[str]) -> dict[str, Any]:
    """Return the fields of a task that have a value, in their order."""
    of_its_own: dict[str, Any] = {"priority": PRIORITIES[row.priority_rank], "tags": tags or None}
    if row.completed_at is None:
        # A task that was reopened keeps the number for when it is completed again.
        of_its_own["next_task_id"] = None
    values = {name: of_its_own[name] if name in of_its_own else getattr(row, name) for name in Task.model_fields}
    return {name: value for name, value in values.items() if value is not None}


def to_json(payload: BaseModel) -> str:
    """Return a payload as it is sent: compact, and without the fields that are empty."""
    return payload.model_dump_json(exclude_none=True, exclude_unset=True)


def page_to_json(tasks: Sequence[ListedTask], next_cursor: str | None, today: dt.date, timezone: str) -> str:
    """Return a page as `to_json` would its `TaskPage`. What stands in rows need not be checked a second time."""
    cursor = {} if next_cursor is None else {"next_cursor": next_cursor}
    listed = [task_values(task, tags_of(task)) for task in tasks]
    return pydantic_core.to_json({"tasks": listed, **cursor, "today": today, "timezone": timezone}).decode()


def input_schema(model: type[Arguments]) -> dict[str, Any]:
    """Return the JSON schema of a tool's arguments."""
    schema = model.model_json_schema()
    schema.pop("description", None)
    return cast("dict[str, Any]", _slim(schema))


def outline(model: type[Arguments], *names: str) -> dict[str, Any]:
    """Return the types of a tool's arguments, or of those named; the tool stands beside it and says the rest."""
    schema = input_schema(model)
    properties = {name: _type_alone(schema["properties"][name]) for name in names or schema["properties"]}
    return {"type": "object", "properties": properties, "required": schema["required"]}


def output_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a tool's answer, which leaves empty fields out rather than sending null."""
    schema = model.model_json_schema()
    schema.pop("description", None)
    definitions = schema.pop("$defs", {})
    for definition in definitions.values():
        definition.pop("description", None)
    return cast("dict[str, Any]", _slim(_unfolded(schema, definitions)))


def _unfolded(node: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with its definitions in place and without bounds."""
    if isinstance(node, list):
        return [_unfolded(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _unfolded(definitions[node["$ref"].removeprefix("#/$defs/")], definitions)
    return {key: _unfolded(value, definitions) for key, value in node.items() if key not in _BOUNDS}


def _type_alone(schema: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"type": schema["type"] if "type" in schema else schema["anyOf"][0]["type"]}
    if "enum" in schema:
        kept["enum"] = schema["enum"]
    if "items" in schema:
        kept["items"] = _type_alone(schema["items"])
    return kept


def _slim(node: Any) -> Any:
    if isinstance(node, list):
        return [_slim(item) for item in node]
    if not isinstance(node, dict):
        return node
    slim = {key: _slim_keyword(key, value) for key, value in node.items() if key not in _NOISE}
    if "anyOf" in slim:
        # Null stands for "not given", as leaving the argument out does; saying so everywhere helps nobody.
        choices = [choice for choice in slim["anyOf"] if choice != {"type": "null"}]
        if len(choices) == 1:
            slim.pop("anyOf")
            slim = {**choices[0], **slim}
        else:
            slim["anyOf"] = choices
    return slim


def _slim_keyword(keyword: str, value: Any) -> Any:
    if keyword in {"properties", "$defs"}:  # their keys are names, not keywords
        return {name: _slim(schema) for name, schema in value.items()}
    return _slim(value)
