"""Keyset pages: a cursor says after which row to go on, so pages neither skip nor repeat while rows come and go."""

import base64
import json
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from chat_api.problems import InvalidRequestError

PAGE_MAX = 100
PAGE_DEFAULT = 50
ID_MAX = 2**63 - 1
"""The largest number that the databases keep."""

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="How many items at most.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before; leave out for the first.")]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = Field(description="Ask with it for the next page; null on the last.")


def encode_cursor(*key: str | int) -> str:
    """Make the opaque text that stands for a row's key."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """Return the key that a cursor stands for, its parts of the given types.

    Raises:
        InvalidRequestError: This service did not make the cursor.
    """
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        key = None
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds):
        raise invalid_cursor()
    if not all(part.isprintable() if isinstance(part, str) else abs(part) <= ID_MAX for part in key):
        raise invalid_cursor()
    return key


def invalid_cursor() -> InvalidRequestError:
    """Make the error for a cursor that this service did not make."""
    detail = "is not a cursor of this list; use next_cursor of the page before"
    return InvalidRequestError(f"cursor: {detail}", errors=[{"field": "cursor", "detail": detail}])
