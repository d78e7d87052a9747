"""Tasks of every kind, as Hypothesis makes them: what a user can have written, and what can have become of it."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from mcp_todo_server.tasks.dates import due_until
from mcp_todo_server.tasks.models import NOT_MOVED, PLACED_MAX, TaskRow
from mcp_todo_server.tasks.schemas import AddTask
from mcp_todo_server.tasks.text import FOLDED_TAG_MAX_CHARS, fold
from mcp_todo_server.tasks.words import words
from mcp_todo_server.transfer.entries import VERSION_MAX, Kept, own_uid
from pydantic import ValidationError

ZONES: Final = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Monrovia", "Asia/Kathmandu")
RULES: Final = (
    "FREQ=DAILY",
    "FREQ=WEEKLY;INTERVAL=2",
    "FREQ=WEEKLY;BYDAY=MO,TH",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=MONTHLY",
    "FREQ=YEARLY;COUNT=5",
    "FREQ=DAILY;UNTIL=20301231",
    "FREQ=DAILY;UNTIL=20301231T225959Z",
)
_FRAGMENTS: Final = (
    *("x ", "x", "(A) ", "2026-01-02 ", "@home", "+1", "due:2026-01-01", "rec:+1w", "uid:1-2", "pri:A", "\\@x", "\\"),
    *(
        "- [ ] ",
        "[x]",
        "<!-- uid: 1 -->",
        "-->",
        "> ",
        "* ",
        "#",
        "`",
        "**",
        "_",
        "- due: 2026-01-01",
        "|",
        "&amp;",
        "~~",
    ),
    *(
        "BEGIN:VTODO",
        "END:VCALENDAR",
        ";",
        ",",
        "\\n",
        "\\N",
        "\\,",
        ":",
        '"',
        "'",
        "{",
        "}",
        "[",
        "]",
        "null",
        "%20",
        "%",
    ),
    *("\u2028", "\u2029", "\u00a0", "\u200f", "\u202e", "שלום", "مرحبا", "👩‍👩‍👧", "é", "ß", "\ufeff", "  ", " "),
)
_CHARACTERS: Final = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
_LINE: Final = st.lists(st.one_of(st.sampled_from(_FRAGMENTS), st.text(_CHARACTERS, max_size=6)), max_size=6).map(
    "".join
)
_TITLES: Final = _LINE.map(lambda text: text.strip()[:500].strip()).filter(bool)
_DESCRIPTIONS: Final = st.lists(
    st.one_of(_LINE, st.sampled_from(["", " ", "\t", "\ttabs"])), min_size=1, max_size=5
).map("\n".join)
_TAGS: Final = st.lists(
    _LINE.map(lambda text: text.strip()[:50].strip()).filter(
        lambda tag: tag and len(fold(tag)) <= FOLDED_TAG_MAX_CHARS
    ),
    max_size=4,
    unique_by=fold,
)
_DAYS: Final = st.dates(dt.date(1901, 1, 1), dt.date(2199, 12, 31))
MOMENTS: Final = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001
_DUE_MOMENTS: Final = st.datetimes(
    dt.datetime(1901, 1, 1),  # noqa: DTZ001
    dt.datetime(2199, 12, 31),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)
# Around the ends of summer time, where a clock shows an hour twice.
_AMBIGUOUS: Final = st.builds(
    lambda year, minutes: dt.datetime(year, 10, 25, 0, 0, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes),
    st.sampled_from([2020, 2026]),
    st.integers(0, 180),
)


@st.composite
def listed_tasks(draw: st.DrawFn, *, whole_seconds: bool = False, deleted: bool = True) -> Kept:
    """Make a task as the database could keep it; for a format without fractions of a second, in `whole_seconds`."""

    def moment(moments: st.SearchStrategy[dt.datetime]) -> dt.datetime:
        made = draw(moments)
        return made.replace(microsecond=0) if whole_seconds else made

    status = draw(st.sampled_from(["open", "completed", "deleted"] if deleted else ["open", "completed"]))
    due_at = moment(st.one_of(_DUE_MOMENTS, _AMBIGUOUS)) if draw(st.booleans()) else None
    due = draw(_DAYS) if due_at is None and draw(st.booleans()) else None
    repeats = due is not None or due_at is not None
    recurrence = draw(st.sampled_from(RULES)) if repeats and draw(st.booleans()) else None
    created_at = moment(MOMENTS)
    task_id = draw(st.integers(1, 2**40))
    title, description = draw(_TITLES), draw(st.none() | _DESCRIPTIONS)
    done = status == "completed" or (status == "deleted" and draw(st.booleans()))
    row = TaskRow(
        user_id="ann",
        task_id=task_id,
        title=title,
        description=description or None,
        words=words("ann", task_id, title, description),
        status=status,
        priority_rank=draw(st.integers(0, 3)),
        due=due,
        due_at=due_at,
        due_zone=None if due_at is None else draw(st.sampled_from(ZONES)),
        due_until=due_until(due, due_at, ZoneInfo("UTC")),
        recurrence=recurrence,
        series_start=None if recurrence is None else draw(st.sampled_from(["2026-01-31", "2026-01-31T17:30:00"])),
        occurrence=None if recurrence is None else draw(st.none() | st.integers(1, 1000)),
        next_version=draw(st.none() | st.integers(1, 100)),
        position=draw(st.one_of(st.just(NOT_MOVED), st.integers(-PLACED_MAX, PLACED_MAX))),
        version=draw(st.integers(1, VERSION_MAX)),
        created_at=created_at,
        updated_at=moment(MOMENTS),
        completed_at=moment(MOMENTS) if done else None,
    )
    return Kept(row, draw(_TAGS), own_uid(task_id, created_at))


def is_a_task(kept: Kept) -> bool:
    """Tell whether `add_task` would have taken what the user wrote; only such tasks exist."""
    row = kept.row
    try:
        AddTask.model_validate({"title": row.title, "description": row.description, "tags": kept.tags})
    except ValidationError:
        return False
    return True
