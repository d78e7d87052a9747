"""The effect key: what makes sending a tool call twice the same as sending it once."""

EFFECT_KEY_META = "io.todo-chat/effect-key"
"""Name, in a `tools/call` request's `_meta`, of the key that identifies the call's one effect.

mcp-todo-server stores key, request and result in the transaction that changes the task, and answers a repeat
with the stored result. chat-api sends `{run_id}/{response ordinal}/{call index}`.
"""

EFFECT_KEY_MAX_CHARS = 255
"""Longest effect key accepted; a key is 1 to 255 visible ASCII characters."""
