"""The page, and how hosts are told of it.

`tasks.html` is built from `mcp-todo-server/widget`, and holds its style and its script: it asks for nothing else.
The protocol is MCP Apps 2026-01-26 (extension `io.modelcontextprotocol/ui`).
"""

from importlib.resources import files
from typing import Any, Final

from mcp.server.apps import Apps, ResourceCsp

RESOURCE_URI: Final = "ui://todo/tasks.html"
TOOL_META: Final[dict[str, Any]] = {"ui": {"resourceUri": RESOURCE_URI}}
"""`_meta` of the tool whose answers the page shows (MCP Apps, UI resource discovery)."""


def page() -> str:
    """Return the page's HTML."""
    return files(__package__).joinpath("tasks.html").read_text(encoding="utf-8")


def apps_extension() -> Apps:
    """Return the extension that publishes the page; the tool carries `TOOL_META` itself."""
    apps = Apps()
    apps.add_html_resource(
        RESOURCE_URI,
        page(),
        name="tasks",
        title="Task list",
        description="The user's tasks, to tick off, add, edit and undo.",
        # Said although empty is the default: the page needs no network at all, and must not get any.
        csp=ResourceCsp(connect_domains=[], resource_domains=[], frame_domains=[], base_uri_domains=[]),
        prefers_border=True,
    )
    return apps
