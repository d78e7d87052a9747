"""What tools/list publishes: a file per tool shows every change in review, and a budget keeps it affordable."""

import difflib
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp.types import Tool
from mcp_todo_server.app import mcp_server
from mcp_todo_server.changes.service import ChangeFeed
from mcp_todo_server.database import Database
from mcp_todo_server.tasks.calls import Caller

SNAPSHOTS = Path(__file__).parent / "snapshots"
BUDGET_TOKENS = 4000
SEED_ARGUMENTS = {
    "add_task": {"title", "description"},
    "list_tasks": {"status"},
    "complete_task": {"task_id"},
    "delete_task": {"task_id"},
    "update_task": {"task_id", "title", "description"},
}


@pytest.fixture
async def tools(tmp_path: Path) -> list[Tool]:
    database = Database(f"sqlite:///{tmp_path / 'todo.db'}")
    try:
        return await mcp_server(database, ChangeFeed(database), lambda: Caller("ann", frozenset())).list_tools()
    finally:
        await database.close()


def wire(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_the_list_is_within_its_budget(tools: list[Tool]) -> None:
    assert len(tools) <= 10
    assert len(json.dumps([wire(tool) for tool in tools])) / 4 < BUDGET_TOKENS


def test_every_tool_is_as_its_snapshot_says(tools: list[Tool]) -> None:
    """Run with UPDATE_SNAPSHOTS=1 to write the files anew, then read their diff."""
    now = {f"{tool.name}.json": json.dumps(wire(tool), indent=2, ensure_ascii=False) + "\n" for tool in tools}
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        for old in SNAPSHOTS.glob("*.json"):
            old.unlink()
        for name, text in now.items():
            (SNAPSHOTS / name).write_text(text)
    kept = {path.name: path.read_text() for path in SNAPSHOTS.glob("*.json")}
    difference = [
        line
        for name in sorted(kept | now)
        for line in difflib.unified_diff(
            kept.get(name, "").splitlines(),
            now.get(name, "").splitlines(),
            f"snapshot {name}",
            f"now {name}",
            lineterm="",
        )
    ]
    assert not difference, "\n".join([*difference, "write them anew with UPDATE_SNAPSHOTS=1 if this is meant"])


def test_the_seeds_tools_keep_their_names_and_arguments(tools: list[Tool]) -> None:
    published = {tool.name: set(tool.input_schema["properties"]) for tool in tools}
    for name, arguments in SEED_ARGUMENTS.items():
        assert arguments <= published[name]


def test_no_tool_takes_a_user(tools: list[Tool]) -> None:
    for tool in tools:
        assert not any("user" in argument for argument in tool.input_schema["properties"])
        assert tool.input_schema["additionalProperties"] is False


def test_every_tool_has_a_title_a_description_annotations_and_valid_schemas(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.title
        assert tool.description
        assert tool.annotations is not None
        assert None not in tool.annotations.model_dump(exclude={"title"}).values()
        assert tool.output_schema is not None
        for schema in (tool.input_schema, tool.output_schema):
            jsonschema.Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object"
            assert set(_keywords(schema)) <= jsonschema.Draft202012Validator.VALIDATORS.keys() | {
                "description",
                "$defs",
            }


def _keywords(schema: Any) -> list[str]:
    """All JSON Schema keywords used, so that a bound under a name that no client knows is noticed."""
    if isinstance(schema, list):
        return [keyword for item in schema for keyword in _keywords(item)]
    if not isinstance(schema, dict):
        return []
    found = list(schema)
    for keyword, value in schema.items():
        if keyword in {"properties", "$defs"}:
            found += [inner for item in value.values() for inner in _keywords(item)]
        elif keyword not in {"enum", "const", "required"}:
            found += _keywords(value)
    return found


def test_what_only_reads_and_what_destroys_is_said(tools: list[Tool]) -> None:
    annotations = {tool.name: tool.annotations for tool in tools if tool.annotations}
    assert {name for name, said in annotations.items() if said.read_only_hint} == {"list_tasks", "get_task"}
    assert {name for name, said in annotations.items() if said.destructive_hint} == {
        "update_task",
        "delete_task",
        "batch_tasks",
    }
    assert {name for name, said in annotations.items() if not said.idempotent_hint} == {"add_task", "batch_tasks"}
