"""What the server says of itself, and the prompts' texts: small, and true of the tools that there are."""

import re
import urllib.parse
from typing import Final

import pytest
from mcp_todo_server.prompts import PLAN_MY_DAY, WEEKLY_REVIEW
from mcp_todo_server.server import ICON, INSTRUCTIONS
from mcp_todo_server.tasks.tools import TOOLS

TOOL_NAMES: Final = {spec.name for spec in TOOLS}
NAMES_THAT_LOOK_LIKE_TOOLS: Final = re.compile(r"\b\w+_(?:tasks?|timezone)\b")


def test_instructions_are_short_enough_to_be_sent_with_every_request() -> None:
    assert len(INSTRUCTIONS.split()) <= 120


@pytest.mark.parametrize("text", [INSTRUCTIONS, PLAN_MY_DAY, WEEKLY_REVIEW])
def test_texts_name_only_tools_that_there_are(text: str) -> None:
    named = set(NAMES_THAT_LOOK_LIKE_TOOLS.findall(text))
    assert len(named) >= 3
    assert named <= TOOL_NAMES


def test_the_icon_is_a_small_image_without_anything_that_runs() -> None:
    assert len(ICON.src) <= 250
    media_type, _, data = ICON.src.removeprefix("data:").partition(",")
    assert media_type == ICON.mime_type == "image/svg+xml"
    assert re.findall(r"<(\w+)", urllib.parse.unquote(data)) == ["svg", "path"]
    assert "href" not in data
