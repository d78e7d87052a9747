"""Starts mcp-todo-server as the settings of its extension ask."""

import os
from pathlib import Path

from mcp_todo_server.cli import main


def setting(name: str) -> str:
    """Return what the user has chosen; "" for nothing, which some hosts tell by leaving the placeholder there."""
    value = os.environ.get(name, "").strip()
    return "" if value.startswith("${") else value


if folder := setting("TODO_FOLDER"):
    os.environ["DATABASE_URL"] = f"sqlite:///{Path(folder).expanduser() / 'todo.db'}"
else:
    # Whatever database other programs are told of, this list is the user's own.
    os.environ.pop("DATABASE_URL", None)
if user := setting("TODO_USER"):
    os.environ["MCP_TODO_SERVER_STDIO_USER"] = user
main(["stdio"])
