"""In whose name a request to the todo server is sent.

The user travels in a context variable that the HTTP client's auth hook reads, so that users can share a client. A
fresh short-lived token is minted for each request; a user's own token never leaves chat-api.
"""

import re
from collections.abc import Generator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import httpx2
from todo_chat_shared.tokens import ALL_SCOPES, mint_service_token

TOO_MANY_REQUESTS: Final = 429


@dataclass(slots=True)
class Sending:
    """One request under way: for whom, and how the server's HTTP layer answered."""

    user_id: str
    scopes: Sequence[str] = ALL_SCOPES
    """What the request's token is good for."""
    status: int | None = None
    retry_after: float = 0.0
    """Seconds for which the server takes no more of this user's requests."""


sending: Final[ContextVar[Sending]] = ContextVar("todo_server_sending")


class ServiceToken(httpx2.Auth):
    """Signs each request with a token of its own for the user in whose name it is sent."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Sign a request, and note how it is answered."""
        under_way = sending.get()
        token = mint_service_token(self._secret, under_way.user_id, under_way.scopes)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        under_way.status = response.status_code
        if under_way.status == TOO_MANY_REQUESTS:
            under_way.retry_after = _seconds(response.headers.get("retry-after"))


def _seconds(retry_after: str | None) -> float:
    """Return what a Retry-After header says in seconds (RFC 9110, section 10.2.3); a date, or nothing, says none."""
    return float(retry_after) if retry_after is not None and re.fullmatch(r"[0-9]{1,6}", retry_after) else 0.0
