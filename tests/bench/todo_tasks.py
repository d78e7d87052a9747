"""Many tasks of one user, written past the tools, as the tools would have written them."""

import datetime as dt
import random
from collections.abc import Iterator
from typing import Any, Final

from mcp_todo_server.database import create_engine
from mcp_todo_server.tasks.models import TaskRow, TaskTagRow
from mcp_todo_server.tasks.words import words
from mcp_todo_server.users.models import UserRow
from sqlalchemy import insert, text

BATCH_ROWS: Final = 5000
START: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
VOCABULARY: Final = tuple(f"word{number:05}" for number in range(20_000))
COMMON: Final = "report"
"""In every second title."""
RARE: Final = "walrus"
"""In one title of five thousand."""
COMMON_TAG: Final = "work"
RARE_TAG: Final = "sailing"


async def fill(url: str, user: str, count: int) -> None:
    """Write `count` tasks of a user who has none: nine of ten open, one of three with a date, one of two with a tag."""
    engine = create_engine(url, for_migration=True)
    async with engine.begin() as connection:
        await connection.execute(insert(UserRow).values(UserRow(user_id=user, last_task_id=count).model_dump()))
        tasks: list[dict[str, Any]] = []
        tags: list[dict[str, Any]] = []
        for task, tag in made_up(user, count):
            tasks.append(task)
            if tag is not None:
                tags.append(tag)
            if len(tasks) == BATCH_ROWS or task["task_id"] == count:
                await connection.execute(insert(TaskRow), tasks)
                await connection.execute(insert(TaskTagRow), tags)
                tasks.clear()
                tags.clear()
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("VACUUM ANALYZE"))
    await engine.dispose()


def made_up(user: str, count: int) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Yield the columns of each task, and of its tag; the same each time."""
    chance = random.Random(count)  # noqa: S311
    same = TaskRow(
        user_id=user,
        task_id=0,
        title="",
        status="open",
        priority_rank=2,
        version=1,
        created_at=START,
        updated_at=START,
    ).model_dump()
    for number in range(1, count + 1):
        at = START + dt.timedelta(minutes=number)
        title = " ".join(
            [
                *([COMMON] if chance.random() < 0.5 else []),
                *([RARE] if number % 5000 == 7 else []),
                *(VOCABULARY[min(int(chance.paretovariate(0.5)), len(VOCABULARY)) - 1] for _ in range(5)),
            ]
        )
        due = START + dt.timedelta(minutes=chance.randrange(count)) if chance.random() < 1 / 3 else None
        task = same | {
            "task_id": number,
            "title": title,
            "words": words(user, number, title),
            "status": chance.choices(("open", "completed", "deleted"), (90, 8, 2))[0],
            "priority_rank": chance.choices((0, 1, 2, 3), (1, 9, 80, 10))[0],
            "due_at": due,
            "due_until": due,
            "created_at": at,
            "updated_at": at + dt.timedelta(minutes=chance.randrange(count)),
        }
        label = RARE_TAG if number % 5000 == 11 else COMMON_TAG if chance.random() < 0.5 else None
        tag = {"user_id": user, "task_id": number, "tag": label, "label": label, "position": 0}
        yield task, None if label is None else tag
