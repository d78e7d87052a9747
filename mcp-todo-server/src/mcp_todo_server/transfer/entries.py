"""A task on its way out of the server, and one on its way in."""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from todo_chat_shared.tasks import TaskStatus

from mcp_todo_server.tasks.arguments import parse
from mcp_todo_server.tasks.dates import EARLIEST, LATEST
from mcp_todo_server.tasks.errors import TaskError
from mcp_todo_server.tasks.models import PLACED_MAX, TaskRow
from mcp_todo_server.tasks.schemas import AddTask
from mcp_todo_server.tasks.text import refuse_control_characters
from mcp_todo_server.transfer.errors import LineError
from mcp_todo_server.transfer.models import UID_MAX_CHARS
from mcp_todo_server.transfer.moments import local_moment

NUMBER_MAX: Final = 2**53 - 1
"""The highest task number that is taken from a file: exact in every JSON reader, with room for more after it."""
VERSION_MAX: Final = 2**30
"""The highest version that is taken from a file: the database keeps twice as many, so that changes have room."""
_UID_DIGEST_CHARS: Final = 16
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_SHOWN_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class ListFacts:
    """What there is to say of a list as a whole."""

    timezone: str | None = None
    """IANA name of the zone in which the user's days begin and end."""
    last_task_id: int = 0
    """The highest number that any of its tasks has had."""
    numbered: bool = False
    """Whether every task of a file has a number."""
    exported_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A task as the database keeps it, on its way out."""

    row: TaskRow
    tags: list[str]
    uid: str
    """Tells the task from every other, on this server and elsewhere, and stays the same from export to export."""


def _moment(value: Any) -> Any:
    # pydantic also takes numbers, as seconds since 1970.
    if not isinstance(value, str):
        raise ValueError("must be a date and time with its zone, such as 2026-12-24T17:00:00+01:00")
    return value


def _in_utc(value: dt.datetime) -> dt.datetime:
    if not EARLIEST <= value.date() <= LATEST:
        raise ValueError(f"must be from {EARLIEST} to {LATEST}")
    return value.astimezone(dt.UTC)


Moment = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_in_utc)]
Version = Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)]
LongNumber = Annotated[int, Field(strict=True, ge=1, le=NUMBER_MAX)]


class History(BaseModel):
    """What has become of a task since it was added. A format leaves out what it cannot hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uid: Annotated[str, Field(min_length=1, max_length=UID_MAX_CHARS), AfterValidator(refuse_control_characters)]
    task_id: LongNumber | None = None
    """Its number in the list that it comes from."""
    status: TaskStatus = "open"
    series_start: Annotated[str, Field(max_length=26), AfterValidator(local_moment)] | None = None
    occurrence: Annotated[int, Field(strict=True, ge=1, le=2**15 - 1)] | None = None
    next_task_id: LongNumber | None = None
    """The number, in that list, of the task that followed when this one was completed."""
    next_version: Version | None = None
    position: Annotated[int, Field(strict=True, ge=-PLACED_MAX, le=PLACED_MAX)] | None = None
    version: Version = 1
    created_at: Moment | None = None
    updated_at: Moment | None = None
    completed_at: Moment | None = None

    @model_validator(mode="after")
    def _completed_when_completed(self) -> "History":
        if self.status == "open" and self.completed_at is not None:
            raise ValueError("completed_at stands in a task whose status is open; leave one of the two out")
        return self


@dataclass(frozen=True, slots=True)
class Entry:
    """A task on its way in, checked, and the line of the file on which it begins."""

    line: int
    task: AddTask
    history: History


def own_uid(task_id: int, created_at: dt.datetime) -> str:
    """Return the `uid` of a task that was added here, rather than imported with one of its own.

    Its number tells it from the others of its list, and the microsecond of its making from those of other lists.
    """
    made = f"{task_id}/{created_at.astimezone(dt.UTC).isoformat(timespec='microseconds')}"
    return f"{task_id}-{hashlib.sha256(made.encode()).hexdigest()[:_UID_DIGEST_CHARS]}"


def number_in(uid: str) -> int | None:
    """Return the task number that a text of the form of `own_uid` names; None for any other text."""
    number, _, digest = uid.partition("-")
    if len(digest) != _UID_DIGEST_CHARS or not _NUMBER.fullmatch(number):
        return None
    return int(number)


def short_uid(uid: str) -> str:
    """Return a foreign `uid` of any length as one that can be kept."""
    return uid if 0 < len(uid) <= UID_MAX_CHARS else f"sha256-{hashlib.sha256(uid.encode()).hexdigest()}"


class ContentUids:
    """Stand-ins for the `uid` of items whose format has none: what an item says makes it the same item.

    Items of one file that say the same are told apart by their order, so that two of a kind stay two.
    """

    def __init__(self, format_name: str) -> None:
        self._format = format_name
        self._seen: dict[bytes, int] = {}

    def of(self, *content: str | None) -> str:
        """Return the stand-in of the next item that says this."""
        text = "\0".join([self._format, *(part or "" for part in content)])
        digest = hashlib.sha256(text.encode(errors="surrogatepass"))
        number = self._seen.get(key := digest.digest(), 0) + 1
        self._seen[key] = number
        return f"text-{digest.hexdigest()[:32]}-{number}"


def entry(line: int, task: Mapping[str, Any], history: Mapping[str, Any]) -> Entry:
    """Check what was read from a file; values that are None were not there.

    Raises:
        LineError: A value cannot stand.
    """
    try:
        checked = parse(AddTask, "import", {name: value for name, value in task.items() if value is not None})
        past = History.model_validate({name: value for name, value in history.items() if value is not None})
    except TaskError as error:
        raise LineError(line, str(error)) from None
    except ValidationError as error:
        raise LineError(line, _explain(dict(error.errors(include_url=False)[0]))) from None
    return Entry(line, checked, past)


def _explain(detail: dict[str, Any]) -> str:
    words = str(detail["msg"]).removeprefix("Value error, ")
    if not detail["loc"]:
        return words
    shown = repr(detail.get("input"))
    return (
        f"{detail['loc'][0]}: {words[0].lower()}{words[1:]}; "
        f"got {shown if len(shown) <= _SHOWN_CHARS else f'{shown[:_SHOWN_CHARS]}…'}"
    )
