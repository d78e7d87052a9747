"""Published schemas, cut down to what a model has to read: every client sends them with every request."""

from typing import Any, Final, cast

from pydantic import BaseModel
from todo_chat_shared.tasks import Task, TaskPage

from mcp_todo_server.tasks.schemas import Arguments

_NOISE: Final = frozenset({"title", "default"})
"""Keywords that repeat what the property's name or description says."""


def input_schema(model: type[Arguments]) -> dict[str, Any]:
    """Return the JSON schema of a tool's arguments."""
    schema = model.model_json_schema()
    schema.pop("description", None)
    return cast("dict[str, Any]", _slim(schema))


def output_schema(model: type[Task] | type[TaskPage]) -> dict[str, Any]:
    """Return the JSON schema of a tool's answer, which leaves empty fields out rather than sending null."""
    schema = cast("type[BaseModel]", model).model_json_schema()
    schema.pop("description", None)
    for definition in schema.get("$defs", {}).values():
        definition.pop("description", None)
    return cast("dict[str, Any]", _slim(schema))


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
