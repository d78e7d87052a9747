"""The parameters of MCP's methods (revision 2026-07-28) as a page sends them."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from todo_chat_shared.effects import EFFECT_KEY_MAX_CHARS, EFFECT_KEY_META

from chat_api.agent.text import clean_json, compact_json
from chat_api.agent.turn import could_be_a_runs

TOOL_NAME_PATTERN: Final = r"^[A-Za-z0-9_.-]{1,128}$"
"""What MCP takes for the name of a tool (server tools, tool names)."""
URI_PATTERN: Final = r"^(todo|ui)://[!-~]{1,250}$"
EFFECT_KEY_PATTERN: Final = f"^[!-~]{{1,{EFFECT_KEY_MAX_CHARS}}}$"


def _sendable(arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if clean_json(arguments) != arguments:
        raise ValueError("must not hold the character U+0000 or half a surrogate pair")
    try:
        compact_json(arguments)
    except ValueError:
        raise ValueError("must not hold NaN or an infinite number, which JSON does not have") from None
    return arguments


def _own_key(key: str) -> str:
    if could_be_a_runs(key):
        raise ValueError("must not end like /0/1: those are the keys of the assistant's own calls")
    return key


class CallMeta(BaseModel):
    """What of a call's `_meta` is passed on. Members of other names are left out."""

    effect_key: Annotated[str, AfterValidator(_own_key), Field(strict=True, pattern=EFFECT_KEY_PATTERN)] | None = Field(
        default=None,
        alias=EFFECT_KEY_META,
        description="The call's own key: sent again under it, a call takes effect once. Kept for 7 days.",
    )


class CallToolParams(BaseModel):
    """The parameters of `tools/call`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(strict=True, pattern=TOOL_NAME_PATTERN, description="One of the todo server's tools.")
    arguments: Annotated[dict[str, JsonValue], AfterValidator(_sendable)] = Field(default_factory=dict)
    meta: CallMeta = Field(default_factory=CallMeta, alias="_meta")


class ReadResourceParams(BaseModel):
    """The parameters of `resources/read`."""

    model_config = ConfigDict(extra="forbid")

    uri: str = Field(
        strict=True, pattern=URI_PATTERN, description="Begins with `todo://` or `ui://`, such as `todo://tasks`."
    )
