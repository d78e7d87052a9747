"""The page, how hosts are told of it, and what a content security policy needs to know of it.

`tasks.html` is built from `mcp-todo-server/widget`, and holds its style and its script: it asks for nothing else.
The protocol is MCP Apps 2026-01-26 (extension `io.modelcontextprotocol/ui`).
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from mcp.server.apps import Apps, ResourceCsp

RESOURCE_URI: Final = "ui://todo/tasks.html"
TOOL_META: Final[dict[str, Any]] = {"ui": {"resourceUri": RESOURCE_URI}}
"""`_meta` of the tool whose answers the page shows (MCP Apps, UI resource discovery)."""

_INLINE: Final = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class InlineHashes:
    """Sources for a Content-Security-Policy that lets the page's own style and script in, and nothing else."""

    script: str
    """Source for `script-src`, with its quotes: `'sha256-…'`."""
    style: str
    """Source for `style-src`, with its quotes."""


def page() -> str:
    """Return the page's HTML."""
    return files(__package__).joinpath("tasks.html").read_text(encoding="utf-8")


def inline_hashes(html: str) -> InlineHashes:
    """Return the sources of the one style and the one script that `html` holds (CSP Level 3, section 2.3.1).

    Raises:
        ValueError: It does not hold exactly one of each.
    """
    parts = _INLINE.findall(html)
    if sorted(kind for kind, _ in parts) != ["script", "style"]:
        raise ValueError("the page does not hold one style and one script")
    return InlineHashes(**{kind: _source(text) for kind, text in parts})


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


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
