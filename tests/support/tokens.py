"""Tokens that tests send, signed with the secret that the services under test are started with."""

from collections.abc import Sequence
from typing import Final

from todo_chat_shared import tokens

SECRET: Final = "a-secret-of-the-tests-0123456789abcdef"


def user_token(user: str, *, lifetime_seconds: float = 3600, secret: str = SECRET) -> str:
    """Return a token as the front end issues it: the user and nothing about an audience."""
    return tokens.mint(secret, user, lifetime_seconds=lifetime_seconds)


def mcp_token(
    user: str,
    *,
    scopes: Sequence[str] = tokens.ALL_SCOPES,
    lifetime_seconds: float = 3600,
    secret: str = SECRET,
) -> str:
    """Return a token that mcp-todo-server accepts."""
    return tokens.mint(secret, user, audience=tokens.MCP_AUDIENCE, scopes=scopes, lifetime_seconds=lifetime_seconds)
