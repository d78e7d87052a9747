"""Every format: what is written is read again as it was, whatever a user has written in a title."""

import datetime as dt
import io
import json
import time
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from mcp_todo_server.tasks.models import NOT_MOVED, TaskRow
from mcp_todo_server.tasks.payloads import PRIORITIES
from mcp_todo_server.tasks.schemas import AddTask
from mcp_todo_server.transfer import json_list, vtodo
from mcp_todo_server.transfer.commands import FORMATS
from mcp_todo_server.transfer.entries import Entry, History, Kept, ListFacts, own_uid
from mcp_todo_server.transfer.errors import TransferError
from mcp_todo_server.transfer.formats import FORMATS_BY_NAME
from mcp_todo_server.transfer.json_stream import JsonStream

from tests.support.documents import ROOT, blocks
from tests.support.listed_tasks import ZONES, is_a_task, listed_tasks

NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)


def written(name: str, tasks: Sequence[Kept], zone: str = "Europe/Berlin") -> str:
    writer = FORMATS_BY_NAME[name].writer(ListFacts(zone, len(tasks), exported_at=NOW))
    return writer.head() + "".join(writer.task(task) for task in tasks) + writer.tail()


def read(name: str, text: str | bytes, zone: str = "Europe/Berlin") -> list[Entry]:
    source = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return list(FORMATS_BY_NAME[name].read(source, ZoneInfo(zone)))


def refusal(name: str, text: str | bytes) -> str:
    with pytest.raises(TransferError) as refused:
        read(name, text)
    return str(refused.value)


def said(entry: Entry) -> dict[str, Any]:
    """What a file says of a task, as it compares with `of`."""
    task = entry.task
    return {
        "title": task.title,
        "description": task.description,
        "priority": task.priority,
        "tags": task.tags,
        "due": task.due,
        "due_at": None if task.due_at is None else task.due_at.astimezone(dt.UTC),
        "zone": getattr(task.due_at and task.due_at.tzinfo, "key", None),
        "recurrence": task.recurrence,
        "completed": entry.history.status == "completed",
        "uid": entry.history.uid,
    }


def of(kept: Kept) -> dict[str, Any]:
    row = kept.row
    return {
        "title": row.title,
        "description": row.description,
        "priority": PRIORITIES[row.priority_rank],
        "tags": kept.tags,
        "due": row.due,
        "due_at": row.due_at,
        "zone": row.due_zone,
        "recurrence": row.recurrence,
        "completed": row.status == "completed",
        "uid": kept.uid,
    }


def task(**fields: Any) -> Kept:
    """A plain task, with these fields of its row, and `tags`."""
    tags = fields.pop("tags", [])
    row = TaskRow(
        **{
            "user_id": "ann",
            "task_id": 1,
            "title": "Buy milk",
            "status": "open",
            "priority_rank": 2,
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
    )
    return Kept(row, tags, own_uid(row.task_id, row.created_at))


def test_the_command_line_knows_every_format() -> None:
    assert set(FORMATS) == set(FORMATS_BY_NAME)


@settings(max_examples=100, deadline=None)
@given(st.lists(listed_tasks().filter(is_a_task), max_size=3), st.sampled_from(ZONES))
def test_json_keeps_everything(tasks: list[Kept], zone: str) -> None:
    text = written("json", tasks, zone)
    assert len(json.loads(text)["tasks"]) == len(tasks)
    for kept, entry in zip(tasks, read("json", text, zone), strict=True):
        assert said(entry) == of(kept)
        history, row = entry.history, kept.row
        for name in ("task_id", "status", "series_start", "occurrence", "next_version", "version"):
            assert getattr(history, name) == getattr(row, name), name
        for name in ("created_at", "updated_at", "completed_at"):
            assert getattr(history, name) == getattr(row, name), name
        assert (NOT_MOVED if history.position is None else history.position) == row.position


@settings(max_examples=100, deadline=None)
@given(st.lists(listed_tasks(deleted=False).filter(is_a_task), max_size=3), st.sampled_from(ZONES))
def test_markdown_keeps_what_a_user_has_written(tasks: list[Kept], zone: str) -> None:
    entries = read("markdown", written("markdown", tasks, zone), zone)
    assert [said(entry) for entry in entries] == [of(kept) for kept in tasks]
    assert [entry.history.completed_at for entry in entries] == [kept.row.completed_at for kept in tasks]


@settings(max_examples=100, deadline=None)
@given(st.lists(listed_tasks(deleted=False).filter(is_a_task), max_size=3), st.sampled_from(ZONES))
def test_todo_txt_keeps_all_but_descriptions(tasks: list[Kept], zone: str) -> None:
    text = written("todotxt", tasks, zone)
    assert text.count("\n") == len(tasks)
    entries = read("todotxt", text, zone)
    expected = [of(kept) | {"description": None} for kept in tasks]
    # A no-break space inside a tag becomes a space, which is the same tag.
    expected = [task | {"tags": [tag.replace("\u00a0", " ") for tag in task["tags"]]} for task in expected]
    assert [said(entry) for entry in entries] == expected
    for kept, entry in zip(tasks, entries, strict=True):
        for name in ("created_at", "completed_at"):
            told, kept_moment = getattr(entry.history, name), getattr(kept.row, name)
            assert day(told, zone) == day(kept_moment, zone)


def day(moment: dt.datetime | None, zone: str) -> dt.date | None:
    return None if moment is None else moment.astimezone(ZoneInfo(zone)).date()


@settings(max_examples=100, deadline=None)
@given(st.lists(listed_tasks(whole_seconds=True, deleted=False).filter(is_a_task), max_size=3), st.sampled_from(ZONES))
def test_icalendar_keeps_what_a_user_has_written(tasks: list[Kept], zone: str) -> None:
    text = written("icalendar", tasks, zone)
    calendar = Calendar.from_ical(text)
    assert len(calendar.walk("VTODO")) == len(tasks)
    assert not calendar.get_missing_tzids()
    entries = read("icalendar", text, zone)
    for kept, entry in zip(tasks, entries, strict=True):
        told, expected = said(entry), of(kept)
        if (due_at := kept.row.due_at) is not None and told["zone"] != kept.row.due_zone:
            # The clock's time alone would not tell the instant, or the zone's rules are not written for that year.
            assert told["zone"] == "UTC"
            assert due_at.astimezone(ZoneInfo(str(kept.row.due_zone))).fold or not 1970 <= due_at.year < 2100
            expected["zone"] = "UTC"
        assert told == expected
        for name in ("created_at", "updated_at", "completed_at"):
            assert getattr(entry.history, name) == getattr(kept.row, name), name


PIECES = {
    "json": [
        *'{}[]:,"0',
        "tasks",
        "title",
        "null",
        "\\\\",
        "\\\\u00",
        "1e9",
        "-",
        "task_id",
        "due",
        "\n",
        '"title": "x"',
    ],
    "markdown": ["- [ ] ", "x", "\n", "  ", "- due: ", "- tags: ", ">", "2026-12-24", "<!-- uid: ", "-->", "\\\\", ","],
    "todotxt": [
        "x ",
        "(A) ",
        "2026-12-24 ",
        "0001-01-01",
        "due:",
        "rec:",
        "+1w",
        "rrule:",
        "FREQ=",
        "uid:%",
        "@",
        "\n",
    ],
    "icalendar": [
        f"{name}{parameter}:{value}\n"
        for name in (
            *("DUE", "DTSTART", "DURATION", "RRULE", "COMPLETED", "CREATED"),
            *("PRIORITY", "CATEGORIES", "STATUS", "RECURRENCE-ID"),
        )
        for parameter in (
            "",
            ";VALUE=DATE",
            ";VALUE=DURATION",
            ";VALUE=TIME",
            ";VALUE=PERIOD",
            ";TZID=Europe/Berlin",
            ";TZID=/x/Europe/Berlin",
            ";TZID=nowhere",
            ';X="a:b"',
        )
        for value in (
            *("20261224", "00010101T000000", "99991231T235959Z", "P1D", "-P99999999D"),
            *("FREQ=DAILY", "1", "a,b", "COMPLETED", "100000", ""),
        )
    ],
}


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(sorted(PIECES)))
def test_no_text_whatever_is_more_than_refused(data: st.DataObject, name: str) -> None:
    piece = st.one_of(st.sampled_from(PIECES[name]), st.text(max_size=3))
    text = "".join(data.draw(st.lists(piece, max_size=15)))
    if name == "icalendar":
        text = f"BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:1\nSUMMARY:x\n{text}"
    form = FORMATS_BY_NAME[name]
    for content in (text.encode(errors="surrogatepass"), f"{text}\nEND:VTODO\n".encode(errors="surrogatepass")):
        try:
            if form.read_facts is not None:
                form.read_facts(io.BytesIO(content))
            list(form.read(io.BytesIO(content), ZoneInfo("Europe/Berlin")))
        except TransferError:
            # Anything else would be a defect.
            continue


FIELDS = (*AddTask.model_fields, *History.model_fields)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["2026-12-24", "2026-12-24T17:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]),
    st.sampled_from(["FREQ=DAILY", "open", "completed", "high", "1-0123456789abcdef"]),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6), max_size=2), VALUES, VALUES)
def test_no_values_of_json_are_more_than_refused(tasks: list[dict[str, Any]], last: Any, zone: Any) -> None:
    content = json.dumps({"last_task_id": last, "timezone": zone, "tasks": tasks}).encode()
    for reader in (json_list.read_facts, lambda source: list(json_list.read(source, ZoneInfo("UTC")))):
        try:
            reader(io.BytesIO(content))
        except TransferError:
            # Anything else would be a defect.
            continue


def told(name: str, text: str, **options: str) -> list[dict[str, Any]]:
    """What a file says of its tasks, without what it leaves out."""
    empty: tuple[Any, ...] = (None, [], "normal", False)
    return [
        {field: value for field, value in said(entry).items() if field != "uid" and value not in empty}
        for entry in read(name, text, **options)
    ]


@pytest.mark.parametrize(
    ("line", "task"),
    [
        ("(A) Call Mom", {"title": "Call Mom", "priority": "urgent"}),
        ("(C) Call Mom", {"title": "Call Mom"}),
        ("(Z) Call Mom", {"title": "Call Mom", "priority": "low"}),
        ("(b) Call Mom", {"title": "(b) Call Mom"}),
        ("(A)Call Mom", {"title": "(A)Call Mom"}),
        ("X 2026-01-01 y", {"title": "X 2026-01-01 y"}),
        ("xylophone", {"title": "xylophone"}),
        ("x y pri:B", {"title": "y", "completed": True, "priority": "high"}),
        ("(A) x y", {"title": "x y", "priority": "urgent"}),
        ("2026-01-01 (A) y", {"title": "(A) y"}),
        ("Buy milk @shop +House", {"title": "Buy milk", "tags": ["shop", "+House"]}),
        ("Ask @anna about +House plans", {"title": "Ask @anna about +House plans", "tags": ["anna", "+House"]}),
        ("mail a@b.org, 1+1", {"title": "mail a@b.org, 1+1"}),
        ("due:2026-12-24 Buy http://a.org/b:c", {"title": "Buy http://a.org/b:c", "due": dt.date(2026, 12, 24)}),
        ("Rent due:2026-12-01 rec:+1m", {"title": "Rent", "due": dt.date(2026, 12, 1), "recurrence": "FREQ=MONTHLY"}),
        (
            "Rent due:2026-12-01 rec:2w",
            {"title": "Rent", "due": dt.date(2026, 12, 1), "recurrence": "FREQ=WEEKLY;INTERVAL=2"},
        ),
        ("@home", {"title": "@home", "tags": ["home"]}),
        ("call \\@home", {"title": "call @home"}),
        ("\\\\server\\share", {"title": "\\\\server\\share"}),
    ],
)
def test_todo_txt_is_read_as_its_rules_say(line: str, task: dict[str, Any]) -> None:
    assert told("todotxt", f"{line}\n") == [task]


def test_todo_txts_days_are_the_users() -> None:
    (entry,) = read("todotxt", "x 2026-07-02 2026-07-01 y\n")
    assert entry.history.completed_at == dt.datetime(2026, 7, 1, 22, tzinfo=dt.UTC)
    assert entry.history.created_at == dt.datetime(2026, 6, 30, 22, tzinfo=dt.UTC)


def test_a_line_of_todo_txt_looks_as_it_should() -> None:
    kept = task(
        title="Call Mom", priority_rank=0, due=dt.date(2026, 12, 24), recurrence="FREQ=WEEKLY", tags=["deep work", "+a"]
    )
    assert written("todotxt", [kept]) == (
        f"(A) 2026-11-23 Call Mom @deep\u00a0work +a due:2026-12-24 rec:+1w uid:{kept.uid}\n"
    )
    done = task(status="completed", completed_at=NOW, priority_rank=1)
    assert written("todotxt", [done]) == f"x 2026-11-23 2026-11-23 Buy milk pri:B uid:{done.uid}\n"


def test_a_checklist_looks_as_it_should() -> None:
    kept = task(
        title="Buy *milk*",
        description="Two litres,\n\nand oats.",
        due_at=dt.datetime(2026, 12, 24, 16, tzinfo=dt.UTC),
        due_zone="Europe/Berlin",
        priority_rank=1,
        recurrence="FREQ=WEEKLY",
        tags=["home", "a, b"],
    )
    assert written("markdown", [kept]).splitlines() == [
        f"- [ ] Buy \\*milk\\* <!-- uid: {kept.uid} -->",
        "  - due: 2026-12-24T17:00:00+01:00[Europe/Berlin]",
        "  - priority: high",
        "  - tags: home, a\\, b",
        "  - repeats: FREQ=WEEKLY",
        "  > Two litres,",
        "  >",
        "  > and oats.",
    ]


def test_any_checklist_is_read() -> None:
    text = """\
# Today

Some words.

* [ ] One
1. [X] Two
    - due: 2026-12-24
    - Priority: HIGH
+ [ ] Three
    with a note
      indented

    - and a point

Not a part of it.
- [ ] Four
  - [ ] Four and a half
- no task
-  [ ]   Five
"""
    assert told("markdown", text) == [
        {"title": "One"},
        {"title": "Two", "completed": True, "due": dt.date(2026, 12, 24), "priority": "high"},
        {"title": "Three", "description": "  with a note\n    indented\n\n  - and a point"},
        {"title": "Four"},
        {"title": "Four and a half"},
        {"title": "Five"},
    ]


CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
{}
END:VCALENDAR
"""


def calendar(*properties: str, before: str = "") -> str:
    todo = "\n".join(["BEGIN:VTODO", "UID:1", "DTSTAMP:20260101T000000Z", "SUMMARY:x", *properties, "END:VTODO"])
    return CALENDAR.format(before + todo)


@pytest.mark.parametrize(
    ("properties", "task"),
    [
        (["PRIORITY:1"], {"priority": "urgent"}),
        (["PRIORITY:4"], {"priority": "high"}),
        (["PRIORITY:5"], {}),
        (["PRIORITY:0"], {}),
        (["PRIORITY:6"], {"priority": "low"}),
        (["STATUS:IN-PROCESS"], {}),
        (["STATUS:COMPLETED"], {"completed": True}),
        (["COMPLETED:20260102T000000Z"], {"completed": True}),
        (["CATEGORIES:home,a\\, b", "CATEGORIES:work"], {"tags": ["home", "a, b", "work"]}),
        (["DUE;VALUE=DATE:20261224"], {"due": dt.date(2026, 12, 24)}),
        (
            ["DUE;TZID=America/New_York:20261224T110000"],
            {"due_at": dt.datetime(2026, 12, 24, 16, tzinfo=dt.UTC), "zone": "America/New_York"},
        ),
        # Without a zone it is the user's, and Windows has names of its own for them.
        (["DUE:20261224T170000"], {"due_at": dt.datetime(2026, 12, 24, 16, tzinfo=dt.UTC), "zone": "Europe/Berlin"}),
        (
            ["DUE;TZID=W. Europe Standard Time:20261224T170000"],
            {"due_at": dt.datetime(2026, 12, 24, 16, tzinfo=dt.UTC), "zone": "Europe/Berlin"},
        ),
        (
            ["DTSTART;TZID=Europe/Berlin:20261224T160000", "DURATION:PT1H"],
            {"due_at": dt.datetime(2026, 12, 24, 16, tzinfo=dt.UTC), "zone": "Europe/Berlin"},
        ),
        (
            ["DUE;VALUE=DATE:20261224", "RRULE:FREQ=WEEKLY;BYDAY=TH"],
            {"due": dt.date(2026, 12, 24), "recurrence": "FREQ=WEEKLY;BYDAY=TH"},
        ),
        (["DESCRIPTION:a\\nb\\;c"], {"description": "a\nb;c"}),
        (["X-OTHER:y", "BEGIN:VALARM", "ACTION:AUDIO", "TRIGGER:-PT1H", "END:VALARM"], {}),
    ],
)
def test_icalendar_is_read_as_rfc_5545_says(properties: list[str], task: dict[str, Any]) -> None:
    assert told("icalendar", calendar(*properties)) == [{"title": "x", **task}]


def test_a_zone_that_a_calendar_defines_itself_counts_as_its_rules_say() -> None:
    zone = "\n".join(
        [
            *("BEGIN:VTIMEZONE", "TZID:Of its own", "BEGIN:STANDARD", "DTSTART:19700101T000000"),
            *("TZOFFSETFROM:+0330", "TZOFFSETTO:+0330", "TZNAME:OWN", "END:STANDARD", "END:VTIMEZONE", ""),
        ]
    )
    moment = {"due_at": dt.datetime(2026, 12, 24, 13, 30, tzinfo=dt.UTC)}
    assert told("icalendar", calendar("DUE;TZID=Of its own:20261224T170000", before=zone)) == [{"title": "x", **moment}]
    assert "TZID of DUE is no zone" in refusal("icalendar", calendar("DUE;TZID=Unheard of:20261224T170000"))


def test_a_cancelled_todo_is_put_away_and_an_exception_is_a_task_of_its_own() -> None:
    (cancelled,) = read("icalendar", calendar("STATUS:CANCELLED"))
    assert cancelled.history.status == "deleted"
    series = read("icalendar", calendar("RECURRENCE-ID;VALUE=DATE:20261224") + calendar())
    assert len({entry.history.uid for entry in series}) == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("todotxt", b"ok\n\xff\n", "line 2: byte 1 is not UTF-8; save the file with the encoding UTF-8"),
        ("json", b'{"tasks": [\n{"title": "\xff"}]}', "is not UTF-8; save the file with the encoding UTF-8"),
        ("todotxt", b"x" * (1024 * 1024 + 1), "line 1: is longer than 1048576 bytes"),
        ("todotxt", "x" * 501, "line 1: title must be a text of 1 to 500 characters"),
        ("todotxt", "2026-02-30 x", "line 1: 2026-02-30 is no day of the calendar"),
        ("todotxt", "a\tb", "line 1: title must not hold control characters; U+0009 is at place 2"),
        ("json", "", 'line 1: is not JSON: "{" is missing'),
        ("json", "{}", "line 1: holds no tasks"),
        ("json", '{"tasks": [{"title": "x"}', 'line 1: is not JSON: "," or "]" is missing'),
        ("json", '{"tasks": [{"title": "x"},]}', "line 1: is not JSON: there is a comma too many"),
        ("json", '{"tasks": []} {}', "line 1: is not JSON: something follows the end"),
        ("json", '{"tasks": [NaN]}', "line 1: is not JSON: there is no value NaN"),
        ("json", '{"tasks": ["x"]}', "line 1: a task must be an object"),
        ("json", "[" * 100_000, "line 1: is nested too deep to be a task"),
        ("json", '[{"title": "x", "colour": "red"}]', 'line 1: "colour" is nothing that a task has; it has title, '),
        ("json", '[{"title": "x", "version": 0}]', "line 1: version: input should be greater than or equal to 1"),
        (
            "json",
            '[{"task_id": 1, "title": "x", "created_at": "0001-01-01T00:00:00+14:00"}]',
            "line 1: created_at: must be from ",
        ),
        ("json", '[{"title": "x", "created_at": 7}]', "line 1: created_at: must be a date and time with its zone"),
        ("json", '[{"title": "x", "completed_at": "2026-01-01T00:00:00Z"}]', "stands in a task whose status is open"),
        ("json", '[{"title": "\\ud800"}]', "line 1: title must be a text of 1 to 500"),
        ("icalendar", "Dear Sir,", "line 1: is not the beginning of a calendar; BEGIN:VCALENDAR is missing"),
        ("icalendar", "BEGIN:VCALENDAR\nBEGIN:VTODO\n", "line 2: VTODO does not end; END:VTODO is missing"),
        ("icalendar", calendar("PRIORITY:10"), "line 3: PRIORITY must be a number from 0 to 9"),
        ("icalendar", calendar("DUE:soon"), "line 3: what begins there cannot be read: "),
        ("icalendar", calendar(before="BEGIN:VTIMEZONE\nEND:VTIMEZONE\n"), "line 3: what begins there cannot be read"),
        ("icalendar", calendar("DUE;VALUE=DATE:20261224", "RRULE:FREQ=HOURLY"), "line 3: recurrence must be an RRULE"),
        ("icalendar", calendar("DUE;VALUE=DURATION:P1D"), "line 3: DUE must be a date or a date and time"),
        ("icalendar", calendar("CATEGORIES;VALUE=DATE:20261224"), "line 3: what begins there cannot be read: "),
        ("icalendar", calendar("DUE;VALUE=DATE:20261224", "RRULE;VALUE=TIME:100000"), "line 3: recurrence must be an"),
        ("markdown", "- [ ]\n", "line 1: title must be a text of 1 to 500 characters"),
        (
            "markdown",
            "- [ ] x\n" + 8_000 * "  y\n",
            "line 5002: description must be a text of at most 10000 characters",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(name: str, content: str | bytes, says: str) -> None:
    assert says in refusal(name, content)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ('"format": "other"', 'the file is of the format "other"'),
        ('"version": 2', "the file has version 2 of the format; this release reads 1"),
        ('"timezone": "Mars/Olympus"', "timezone must be an IANA zone"),
    ],
)
def test_a_list_of_another_kind_is_refused_wherever_it_says_so(head: str, says: str) -> None:
    for text in (f'{{{head}, "tasks": []}}', f'{{"tasks": [], {head}}}'):
        with pytest.raises(TransferError, match=says):
            json_list.read_facts(io.BytesIO(text.encode()))


@pytest.mark.parametrize("chars", [10_000, 10_001])
@pytest.mark.parametrize("gap", ["", "\n\n"])
def test_a_description_of_a_checklist_may_be_as_long_as_any(chars: int, gap: str) -> None:
    text = f"- [ ] x\n  > first\n{gap}  > {'y' * (chars - len('first') - 1 - len(gap))}\n"
    if chars > 10_000:
        assert "description must be" in refusal("markdown", text)
    else:
        assert len(read("markdown", text)[0].task.description or "") == chars


@pytest.mark.parametrize(
    ("text", "title", "uid"),
    [
        ("x <!-- uid: a%20b -->", "x", "a b"),
        ("x \t<!-- uid: a -->", "x", "a"),
        ("x<!-- uid: a -->", "x", "a"),
        ("x <!-- uid: a --> <!-- uid: b -->", "x <!-- uid: a -->", "b"),
        *((text, text, None) for text in ("x <!-- uid: a --> y", "x <!-- uid: a b -->", "x <!-- uid:  -->", "x a -->")),
    ],
)
def test_a_uid_of_a_checklist_stands_at_the_end(text: str, title: str, uid: str | None) -> None:
    (item,) = read("markdown", f"- [ ] {text}\n")
    assert item.task.title == title
    assert (item.history.uid if uid else None) == uid


def test_many_spaces_in_a_title_take_no_time() -> None:
    began = time.process_time()
    assert "title must be" in refusal("markdown", f"- [ ] x{' ' * 40_000}y\n")
    assert time.process_time() - began < 1


def test_empty_lines_count_for_the_length_of_a_component(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vtodo, "COMPONENT_MAX_BYTES", 1000)
    assert len(read("icalendar", calendar(*[""] * 300))) == 1
    assert "VTODO is longer than 1000 characters" in refusal("icalendar", calendar(*[""] * 600))


class Dripping(io.BytesIO):
    """A file that is read a few bytes at a time."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self._size = size

    def read(self, _size: int | None = -1, /) -> bytes:
        return super().read(self._size)


@pytest.mark.parametrize("size", range(1, 9))
def test_json_is_read_alike_however_it_comes_in(size: int) -> None:
    document = {
        "fraction": 1.5,
        "exponent": -1.25e-10,
        "large": 3e25,
        "list": [1, -2.5e3, True, None, "ä👩"],
        "tasks": [{"title": "x\n"}, {"n": 12345}, 1e-7, 2.5, True],
        "last": 10,
    }
    for text in (json.dumps(document), json.dumps(document, indent=2), json.dumps(document, ensure_ascii=False)):
        stream = JsonStream(Dripping(text.encode(), size))
        found: dict[str, Any] = {}
        for name in stream.members():
            found[name] = [value for _, value in stream.elements()] if name == "tasks" else stream.value()
        stream.end()
        assert found == document
        assert stream.line == text.count("\n") + 1


def test_a_byte_order_mark_does_no_harm() -> None:
    for name in FORMATS:
        text = written(name, [task()])
        assert [entry.task.title for entry in read(name, b"\xef\xbb\xbf" + text.encode())] == ["Buy milk"]
        assert [entry.task.title for entry in read(name, text.replace("\r\n", "\n").replace("\n", "\r\n"))] == [
            "Buy milk"
        ]


def test_what_the_documentation_shows_of_each_format_is_read() -> None:
    shown = {block.language: block.text for block in blocks(ROOT / "docs" / "import-export.md")}
    (lists,) = [block.text for block in blocks(ROOT / "docs" / "import-export.md") if block.text.startswith("(A)")]
    assert told("json", shown["json"]) == [
        {
            "title": "Buy milk",
            "due_at": dt.datetime(2026, 12, 24, 16, tzinfo=dt.UTC),
            "zone": "Europe/Berlin",
        }
    ]
    first, second = told("markdown", shown["markdown"])
    assert (first["description"], first["tags"], first["zone"]) == (
        "Two litres,\nand oats.",
        ["home", "errands"],
        "Europe/Berlin",
    )
    assert second == {"title": "Pay the rent", "completed": True}
    assert told("todotxt", lists) == [
        {
            "title": "Call Mom",
            "priority": "urgent",
            "tags": ["phone", "+Family"],
            "due": dt.date(2026, 12, 24),
            "recurrence": "FREQ=WEEKLY",
        },
        {"title": "Pay the rent", "completed": True, "priority": "high"},
    ]
