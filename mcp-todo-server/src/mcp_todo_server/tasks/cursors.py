"""Keyset cursors: the place in a sorted list after which the next page begins.

A cursor is bound to the list it was made for, so that one page never continues another list. It holds nothing
that its user may not see, hence a checksum against accidents is enough.
"""

import base64
import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter
from todo_chat_shared.tasks import TaskId

from mcp_todo_server.tasks.errors import InvalidCursorError
from mcp_todo_server.tasks.schemas import ListTasks, TaskSort

_DIGEST_BYTES: Final = 9

SortKey = int | dt.datetime | None
"""The sorted column's value in the last row of a page; None where that column is empty or is the number."""

_Instant = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(dt.UTC))]
_Rank = Annotated[int, Field(ge=0, le=3)]
_Place = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
_PAYLOADS: Final[dict[TaskSort, TypeAdapter[Any]]] = {
    "created": TypeAdapter(tuple[None, TaskId]),
    "newest": TypeAdapter(tuple[None, TaskId]),
    "due": TypeAdapter(tuple[_Instant | None, TaskId]),
    "priority": TypeAdapter(tuple[_Rank, TaskId]),
    "updated": TypeAdapter(tuple[_Instant, TaskId]),
    "manual": TypeAdapter(tuple[_Place, TaskId]),
}
"""What a cursor of each order holds. Anybody can work the checksum out, so the rest is checked as well."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page."""

    key: SortKey
    task_id: int


def encode(arguments: ListTasks, position: Position) -> str:
    """Return the cursor that leads on from `position`."""
    key = position.key.isoformat() if isinstance(position.key, dt.datetime) else position.key
    payload = json.dumps([key, position.task_id], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_digest(arguments, payload) + payload).decode().rstrip("=")


def decode(arguments: ListTasks) -> Position | None:
    """Return the place that the arguments' cursor stands for; None where there is no cursor.

    Raises:
        InvalidCursorError: It is not a cursor, or one of another list.
    """
    if arguments.cursor is None:
        return None
    try:
        raw = base64.b64decode(arguments.cursor + "=" * (-len(arguments.cursor) % 4), altchars=b"-_", validate=True)
        digest, payload = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if digest != _digest(arguments, payload):
            raise InvalidCursorError
        position = Position(*_PAYLOADS[arguments.sort].validate_json(payload))
    except (ValueError, OverflowError):  # an instant so late that it has no UTC
        raise InvalidCursorError from None
    if encode(arguments, position) != arguments.cursor:  # another spelling, or unused bits of the last letter
        raise InvalidCursorError
    return position


def _digest(arguments: ListTasks, payload: bytes) -> bytes:
    the_list = arguments.model_dump_json(exclude={"cursor", "limit"}).encode()
    return hashlib.blake2b(the_list + b"\0" + payload, digest_size=_DIGEST_BYTES).digest()
