"""Whether the database answers is asked by one question at a time, and known after a while in any case."""

import asyncio
from typing import Any

import pytest
from chat_api import health
from chat_api.database import DatabaseUnavailableError
from chat_api.health import DatabaseCheck


class SlowDatabase:
    """Answers when it is let, or says that it cannot."""

    def __init__(self) -> None:
        self.pings = 0
        self.answers = asyncio.Event()
        self.is_away = False

    async def ping(self) -> None:
        self.pings += 1
        await self.answers.wait()
        if self.is_away:
            raise DatabaseUnavailableError


async def test_checks_that_keep_coming_ask_a_silent_database_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "DATABASE_SECONDS", 0.05)
    slow: Any = SlowDatabase()
    check = DatabaseCheck(slow)
    assert await asyncio.gather(*(check.answers() for _ in range(20))) == [False] * 20
    assert not await check.answers()
    assert slow.pings == 1
    slow.answers.set()
    assert await check.answers()
    await check.close()


async def test_a_database_that_is_away_is_asked_again() -> None:
    database: Any = SlowDatabase()
    database.answers.set()
    database.is_away = True
    check = DatabaseCheck(database)
    assert not await check.answers()
    database.is_away = False
    assert await check.answers()
    assert database.pings == 2
    await check.close()


async def test_closing_ends_the_question_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "DATABASE_SECONDS", 0.05)
    slow: Any = SlowDatabase()
    check = DatabaseCheck(slow)
    assert not await check.answers()
    await check.close()
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()
