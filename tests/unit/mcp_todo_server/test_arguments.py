"""Arguments of tools: what is taken, and the line that a model reads where something is refused."""

import datetime as dt
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_todo_server.tasks.arguments import _EXPECTED, parse
from mcp_todo_server.tasks.errors import InvalidArgumentsError
from mcp_todo_server.tasks.schemas import AddTask, Arguments, ListTasks, SetTimezone, TaskRef, UpdateTask
from mcp_todo_server.tasks.tools import TOOLS


def refusal(model: type[Arguments], **arguments: Any) -> str:
    with pytest.raises(InvalidArgumentsError) as refused:
        parse(model, "the_tool", arguments)
    return str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        ({}, "title is missing"),
        ({"title": ""}, "title must be a text of 1 to 500 characters"),
        ({"title": "  \t "}, "title must be a text of 1 to 500 characters"),
        ({"title": "x" * 501}, "title must be a text of 1 to 500 characters"),
        ({"title": 7}, "title must be a text"),
        ({"title": "a\x00b"}, "title must not hold control characters; U+0000 is at place 2"),
        ({"title": "a\nb"}, "title must not hold control characters; U+000A is at place 2"),
        ({"title": "a\x85b"}, "title must not hold control characters; U+0085"),
        ({"title": "x", "description": "\x1b[31m"}, "description must not hold control characters; U+001B"),
        ({"title": "x", "description": "y" * 10_001}, "description must be a text of at most 10000"),
        ({"title": "x", "due": "next week"}, 'due must be a date such as "2026-12-24"; got "next week"'),
        ({"title": "x", "due": 5}, 'due must be a date such as "2026-12-24"; got 5'),
        ({"title": "x", "due": "2026-02-30"}, "due must be a date"),
        ({"title": "x", "due": "2026-12-24T00:00:00"}, "due must be a date"),
        ({"title": "x", "due": "0001-01-01"}, "due must be from 1900-01-01 to 9998-12-31"),
        ({"title": "x", "due_at": "2026-12-24"}, "due_at must be a date and time with its zone"),
        ({"title": "x", "due_at": "2026-12-24T17:00:00"}, "due_at must be a date and time with its zone"),
        ({"title": "x", "due_at": 1_700_000_000}, "due_at must be a date and time with its zone"),
        ({"title": "x", "due_at": "1700000000"}, "due_at must be a date and time with its zone"),
        ({"title": "x", "due_at": "9999-12-31T23:59:59-12:00"}, "due_at must be from 1900-01-01 to 9998-12-31"),
        (
            {"title": "x", "due_at": "2026-12-24T17:00+02:00[Europe/Berlin]"},
            "due_at must have the offset that Europe/Berlin",
        ),
        (
            {"title": "x", "due_at": "2026-12-24T17:00+01:00[Europe/Bärlin]"},
            "due_at must have the name of an IANA zone in its brackets, such as [Europe/Berlin]",
        ),
        ({"title": "x", "due_at": "2026-12-24T17:00[Europe/Berln]"}, "due_at must have the name of an IANA zone"),
        ({"title": "x", "due_at": "2026-12-24T17:00+01:00[../zone]"}, "due_at must have the name of an IANA zone"),
        ({"title": "x", "due_at": "2026-12-24T17:00+01:00[Europe/Berlin][u-ca=hebrew]"}, "due_at must be a date and"),
        (
            {"title": "x", "due_at": "2026-03-29T02:30[Europe/Berlin]"},
            "due_at must be another time: the clocks of Europe/Berlin skip this one that day",
        ),
        (
            {"title": "x", "due_at": "2026-10-25T02:30[Europe/Berlin]"},
            "due_at names a time that the clocks of Europe/Berlin show twice that day; add the offset: "
            "2026-10-25T02:30:00+02:00[Europe/Berlin] or 2026-10-25T02:30:00+01:00[Europe/Berlin]",
        ),
        ({"title": "x", "due_at": "9999-12-31T23:59[America/New_York]"}, "due_at must be from 1900-01-01 to"),
        ({"title": "x", "due_at": "2026-02-30T17:00[Europe/Berlin]"}, "due_at must be a date and time with its zone"),
        (
            {"title": "x", "due": "2026-12-24", "recurrence": "weekly"},
            'recurrence must be an RRULE such as "FREQ=WEEKLY;BY',
        ),
        ({"title": "x", "due": "2026-12-24", "recurrence": "F" * 201}, "recurrence must be an RRULE of at most 200"),
        ({"title": "x", "due": "2026-12-24", "recurrence": 7}, "recurrence must be an RRULE of at most 200"),
        ({"title": "x", "recurrence": "FREQ=DAILY"}, "a task that repeats is due on a day or at a time"),
        ({"title": "x", "priority": "top"}, "priority must be one of low, normal, high, urgent"),
        ({"title": "x", "tags": "home"}, "tags must be a list"),
        ({"title": "x", "tags": ["a"] * 21}, "tags must be a list of at most 20"),
        ({"title": "x", "tags": [""]}, "tags must be a list"),
        ({"title": "x", "tags": ["a\x00"]}, "tags must not hold control characters; U+0000"),
        ({"title": "x", "tags": "[" * 100_000}, "tags must be a list of at most 20"),
        ({"title": "x", "tags": ["a", "\ufdfa" * 9]}, "tags must not hold a tag of more than 150 characters once"),
        ({"title": "x", "user_id": "bob"}, '"user_id" is not an argument of the_tool; it takes title, '),
        ({"title": "x", "due": "2026-12-24", "due_at": "2026-12-24T17:00:00Z"}, "due and due_at exclude each other"),
    ],
)
def test_a_refused_argument_of_add_task_is_named_with_what_would_work(arguments: dict[str, Any], start: str) -> None:
    assert refusal(AddTask, **arguments).startswith(start)


def test_an_update_is_told_the_reason_too_where_a_text_might_as_well_be_empty() -> None:
    """The arguments that can be cleared are unions, of which pydantic reports each member."""
    given = {"due": "9999-12-31", "due_at": "2026-10-25T02:30[Europe/Berlin]", "recurrence": "FREQ=HOURLY"}
    due, twice, offset, rule, frequency = refusal(UpdateTask, task_id=1, **given).split("; ")
    assert due == "due must be from 1900-01-01 to 9998-12-31"
    assert twice.startswith("due_at names a time that the clocks of Europe/Berlin show twice")
    assert offset.startswith("add the offset: 2026-10-25T02:30:00+02:00[Europe/Berlin] or ")
    assert rule.startswith("recurrence must be an RRULE")
    assert frequency.startswith("FREQ must be one of")


@pytest.mark.parametrize("task_id", [0, -1, 2**63, True, "one", 1.5, None, [1]])
def test_a_task_id_that_cannot_be_one_is_refused(task_id: Any) -> None:
    assert refusal(TaskRef, task_id=task_id).startswith("task_id ")


def test_lone_surrogates_are_refused() -> None:
    assert refusal(AddTask, title="a\ud800b").startswith("title ")


def test_every_wrong_argument_is_named_once() -> None:
    text = refusal(ListTasks, limit=0, status="done", sort="up")
    assert [part.split()[0] for part in text.split("; ") if " must be " in part] == ["status", "sort", "limit"]


def test_a_long_wrong_value_is_cut_short() -> None:
    assert len(refusal(AddTask, title="x" * 100_000)) < 250


def test_of_many_wrong_arguments_the_first_few_are_named_and_the_others_counted() -> None:
    text = refusal(TaskRef, task_id=0, **{f"made_up_{number}": number for number in range(2_000)})
    assert text.startswith("task_id must be ")
    assert text.endswith("; and 1996 more")
    assert len(text) < 600


@pytest.mark.parametrize("spec", TOOLS, ids=lambda spec: spec.name)
def test_every_argument_has_a_hint(spec: Any) -> None:
    assert set(spec.arguments.model_fields) <= set(_EXPECTED)


def test_text_is_kept_exactly() -> None:
    title = "שלום 🥛 e\u0301 \u202eabc"
    parsed = parse(AddTask, "add_task", {"title": title, "description": "  a\r\n\tb "})
    assert parsed.title == title
    assert parsed.description == "  a\r\n\tb "


def test_lenient_where_models_slip_and_the_meaning_is_plain() -> None:
    parsed = parse(AddTask, "add_task", {"title": " x ", "due": None, "tags": '["a", "b"]'})
    assert (parsed.title, parsed.due, parsed.tags) == ("x", None, ["a", "b"])
    assert parse(TaskRef, "get_task", {"task_id": "3"}).task_id == 3
    empty = parse(AddTask, "add_task", {"title": "x", "description": "", "due": "", "due_at": ""})
    assert empty == AddTask(title="x")
    assert empty.model_fields_set == {"title"}
    timed = parse(AddTask, "add_task", {"title": "x", "due": "", "due_at": "2026-12-24T17:00:00Z"})
    assert timed.due_at == dt.datetime(2026, 12, 24, 17, tzinfo=dt.UTC)


def test_tags_that_differ_by_case_alone_are_one() -> None:
    assert parse(AddTask, "add_task", {"title": "x", "tags": ["Home", "b", "HOME"]}).tags == ["Home", "b"]


def test_an_instant_keeps_its_meaning() -> None:
    parsed = parse(AddTask, "add_task", {"title": "x", "due_at": "2026-12-24T17:00:00+01:00"})
    assert parsed.due_at == dt.datetime(2026, 12, 24, 16, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "instant", "zone"),
    [
        ("2026-12-24T17:00:00+01:00[Europe/Berlin]", "2026-12-24T16:00:00+00:00", "Europe/Berlin"),
        ("2026-12-24T17:00:00+01:00[!europe/berlin]", "2026-12-24T16:00:00+00:00", "Europe/Berlin"),
        ("2026-12-24T17:00[Europe/Berlin]", "2026-12-24T16:00:00+00:00", "Europe/Berlin"),
        ("2026-12-24T16:00:00Z[Europe/Berlin]", "2026-12-24T16:00:00+00:00", "Europe/Berlin"),
        ("2026-10-25T02:30+02:00[Europe/Berlin]", "2026-10-25T00:30:00+00:00", "Europe/Berlin"),
        ("2026-10-25T02:30+01:00[Europe/Berlin]", "2026-10-25T01:30:00+00:00", "Europe/Berlin"),
        ("2026-12-24T16:00:00Z[UTC]", "2026-12-24T16:00:00+00:00", "UTC"),
        ("2026-12-24T17:00:00+01:00", "2026-12-24T16:00:00+00:00", None),
    ],
)
def test_an_instant_may_say_its_zone(text: str, instant: str, zone: str | None) -> None:
    parsed = parse(AddTask, "add_task", {"title": "x", "due_at": text}).due_at
    assert parsed is not None
    assert parsed.astimezone(dt.UTC) == dt.datetime.fromisoformat(instant)
    assert (parsed.tzinfo.key if isinstance(parsed.tzinfo, ZoneInfo) else None) == zone


@given(
    instant=st.datetimes(
        dt.datetime.combine(dt.date(1970, 1, 1), dt.time()),
        dt.datetime.combine(dt.date(2060, 1, 1), dt.time()),
        timezones=st.just(dt.UTC),
    ),
    name=st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Etc/GMT+12"]),
)
def test_an_instant_is_the_same_however_it_is_written(instant: dt.datetime, name: str) -> None:
    there = instant.astimezone(ZoneInfo(name))
    texts = [f"{there.isoformat()}[{name}]", f"{instant.isoformat()[:-6]}Z[{name}]"]
    if there.utcoffset() == there.replace(fold=1 - there.fold).utcoffset():
        texts.append(f"{there.replace(tzinfo=None).isoformat()}[{name}]")
    calls = {parse(AddTask, "add_task", {"title": "x", "due_at": text}).model_dump_json() for text in texts}
    assert len(calls) == 1
    # What tells a call from others under an effect key.
    written = json.loads(calls.pop())["due_at"]
    assert written == f"{instant.isoformat()[:-6]}Z[{name}]"


def test_a_zone_is_taken_in_any_case_and_named_as_its_database_does() -> None:
    assert (
        parse(SetTimezone, "set_timezone", {"timezone": "america/port-au-prince"}).timezone == "America/Port-au-Prince"
    )


def test_update_knows_what_was_given_and_refuses_to_do_nothing() -> None:
    assert parse(UpdateTask, "update_task", {"task_id": 1, "due": "", "title": None}).changed == {"due"}
    assert "at least one field" in refusal(UpdateTask, task_id=1)
    assert "at least one field" in refusal(UpdateTask, task_id=1, due=None, expected_version=3)
    assert "exclude each other" in refusal(UpdateTask, task_id=1, due="2026-12-24", due_at="2026-12-24T17:00:00Z")
    cleared = parse(UpdateTask, "update_task", {"task_id": 1, "due": "", "due_at": "2026-12-24T17:00:00Z"})
    assert cleared.changed == {"due", "due_at"}
