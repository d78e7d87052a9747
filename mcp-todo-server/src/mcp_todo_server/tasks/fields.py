"""Types of the tools' arguments: what a value may be, and what is made of it."""

import datetime as dt
import json
import re
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from todo_chat_shared.tasks import (
    DESCRIPTION_MAX_CHARS,
    RECURRENCE_MAX_CHARS,
    TAG_MAX_CHARS,
    TAGS_MAX,
    TITLE_MAX_CHARS,
    TaskId,
)

from mcp_todo_server.tasks.dates import EARLIEST, LATEST, shown_once
from mcp_todo_server.tasks.rules import parse_rule
from mcp_todo_server.tasks.text import (
    LINE_BREAKS,
    RefusedTextError,
    fold,
    refuse_control_characters,
    refuse_long_when_folded,
)
from mcp_todo_server.users.zones import zone_named

ZONE_NAME_MAX_CHARS: Final = 64

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT: Final = re.compile(r"(\d{4}-\d{2}-\d{2}[Tt ][^\[\]]+)(?:\[!?([^\[\]]+)\])?")
"""A date and time, and the zone that may follow it (RFC 9557, section 4.1)."""
_LOCAL: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
"""A date and time that does not say how far it is from UTC."""


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def _one_line(value: str) -> str:
    return refuse_control_characters(value.strip())


def _several_lines(value: str) -> str:
    return refuse_control_characters(value, allowed=LINE_BREAKS)


def _date_text(value: Any) -> Any:
    # pydantic also takes numbers, as seconds since 1970.
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("must be a calendar date")
    return value


def _date_in_range(value: dt.date) -> dt.date:
    if not EARLIEST <= value <= LATEST:
        raise RefusedTextError(f"must be from {EARLIEST} to {LATEST}")
    return value


def _instant(value: Any, parse: ValidatorFunctionWrapHandler) -> dt.datetime:
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a date and time")
    text, zone_name = match.groups()
    if zone_name is None:
        instant: dt.datetime = parse(text)
        _date_in_range(instant.date())
        return instant.astimezone(dt.UTC)
    try:
        zone = zone_named(zone_name)
    except ValueError:
        raise RefusedTextError("must have the name of an IANA zone in its brackets, such as [Europe/Berlin]") from None
    if _LOCAL.fullmatch(text):
        local = dt.datetime.fromisoformat(text)
        _date_in_range(local.date())
        return shown_once(local, zone)
    instant = parse(text)
    _date_in_range(instant.date())
    there = instant.astimezone(zone)
    # Z says nothing of the local time (RFC 9557, section 2.2), so it contradicts no zone.
    if text[-1] not in "Zz" and there.utcoffset() != instant.utcoffset():
        offset = there.isoformat()[-6:]
        raise RefusedTextError(f"must have the offset that {zone.key} has then, {offset}, or none before [{zone.key}]")
    return there


def _instant_text(value: dt.datetime) -> str:
    zone = f"[{value.tzinfo.key}]" if isinstance(value.tzinfo, ZoneInfo) else ""
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z") + zone


def _rule(value: str) -> str:
    return parse_rule(value).text


def _zone_name(value: str) -> str:
    return zone_named(value).key


def list_from_json(value: Any) -> Any:
    """Return the list that `value` is the JSON of, as some clients send one; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):  # a text of nothing but brackets nests too deep
            return value
    return value


def _distinct(tags: list[str]) -> list[str]:
    first_written: dict[str, str] = {}
    for tag in tags:
        first_written.setdefault(fold(tag), tag)
    return list(first_written.values())


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


WHOLE_NUMBER: Final = BeforeValidator(_whole_number)
ONE_LINE: Final = AfterValidator(_one_line)
_TEXT: Final = WithJsonSchema({"type": "string"})

TaskNumber = Annotated[TaskId, WHOLE_NUMBER, Field(description="The task's number")]
Title = Annotated[str, Field(min_length=1, max_length=TITLE_MAX_CHARS), ONE_LINE, AfterValidator(_not_empty)]
Description = Annotated[str, Field(max_length=DESCRIPTION_MAX_CHARS), AfterValidator(_several_lines)]
Date = Annotated[dt.date, BeforeValidator(_date_text), AfterValidator(_date_in_range)]
Instant = Annotated[
    AwareDatetime, WrapValidator(_instant), PlainSerializer(_instant_text, return_type=str, when_used="json"), _TEXT
]
"""An instant: in the zone that was given with it as a `ZoneInfo`, else in UTC as `datetime.UTC`."""
Rule = Annotated[str, Field(max_length=RECURRENCE_MAX_CHARS), AfterValidator(_rule)]
"""A recurrence rule that a task can follow, in capitals."""
ZoneName = Annotated[str, Field(max_length=ZONE_NAME_MAX_CHARS), AfterValidator(_zone_name)]
"""An IANA name as the database spells it."""
Tag = Annotated[
    str,
    Field(min_length=1, max_length=TAG_MAX_CHARS),
    ONE_LINE,
    AfterValidator(_not_empty),
    AfterValidator(refuse_long_when_folded),
]
Tags = Annotated[list[Tag], Field(max_length=TAGS_MAX), BeforeValidator(list_from_json), AfterValidator(_distinct)]

Cleared = Literal[""]
"""What removes a value."""
ClearableDate = Annotated[Cleared | Date, _TEXT]
ClearableInstant = Annotated[Cleared | Instant, _TEXT]
ClearableRule = Annotated[Cleared | Rule, _TEXT]
