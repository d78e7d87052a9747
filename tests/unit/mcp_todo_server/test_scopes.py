"""Which scope a request needs."""

from typing import Any

import pytest
from mcp_todo_server.scopes import needed_scope

TOOL_SCOPES = {"list_tasks": "tasks:read", "add_task": "tasks:write"}


@pytest.mark.parametrize(
    ("request_", "scope"),
    [
        ({"method": "tools/call", "params": {"name": "add_task", "arguments": {}}}, "tasks:write"),
        ({"method": "tools/call", "params": {"name": "list_tasks"}}, "tasks:read"),
        ({"method": "resources/read", "params": {"uri": "todo://tasks"}}, "tasks:read"),
        ({"method": "resources/subscribe", "params": {"uri": "todo://tasks"}}, "tasks:read"),
        ({"method": "prompts/get", "params": {"name": "plan_my_day"}}, "tasks:read"),
        ({"method": "resources/read", "params": {"uri": "ui://todo/tasks.html"}}, None),
        ({"method": "tools/list"}, None),
        ({"method": "initialize", "params": {}}, None),
    ],
)
def test_a_request_that_shows_or_changes_tasks_needs_a_scope(request_: Any, scope: str | None) -> None:
    assert needed_scope(request_, TOOL_SCOPES) == scope


@pytest.mark.parametrize(
    "request_",
    [
        None,
        [],
        "tools/call",
        {},
        {"method": None},
        {"method": "tools/call"},
        {"method": "tools/call", "params": []},
        {"method": "tools/call", "params": {"name": ["add_task"]}},
        {"method": "tools/call", "params": {"name": "no_such_tool"}},
        {"method": "resources/read", "params": {"uri": 3}},
    ],
)
def test_what_is_no_call_of_a_tool_is_left_to_the_endpoint(request_: Any) -> None:
    assert needed_scope(request_, TOOL_SCOPES) is None
