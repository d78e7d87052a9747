"""The effect key: what makes sending a tool call twice the same as sending it once."""

from typing import Final

EFFECT_KEY_META: Final = "io.todo-chat/effect-key"
"""Name, in a `tools/call` request's `_meta`, of the key that identifies the call's one effect.

mcp-todo-server stores key, request and result in the transaction that changes the task, and answers a repeat
with the stored result. chat-api sends `{run_id}/{response ordinal}/{call index}`.
"""

EFFECT_KEY_MAX_CHARS: Final = 255
"""Longest effect key accepted; a key is 1 to 255 visible ASCII characters."""

SETTLE_META: Final = "settle"
"""Name, beside the effect key, of a boolean: `true` settles the call instead of carrying it out.

For a caller that stops while a call's outcome is unknown. It sends the same call with `settle`, and gets the
stored result where there is one. Otherwise mcp-todo-server stores under the key that the call is void: nothing is
changed, and a send of the call that arrives later changes nothing either, and is told the same.
"""

EFFECT_KEY_DAYS: Final = 7
"""Days for which mcp-todo-server knows a key, at least. A call sent later than that is a new call."""
