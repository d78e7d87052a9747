"""Quotas: runs per user and minute, tokens per user and day."""

import datetime as dt
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from chat_api.agent.turn import Usage
from chat_api.database import Connection, Database
from chat_api.problems import ProblemError
from chat_api.usage import repository

MINUTE_SECONDS: Final = 60


class RateLimitedError(ProblemError):
    """The user has begun as many runs in this minute as they may."""

    type = "rate-limited"
    title = "Too many messages in this minute"
    status = HTTPStatus.TOO_MANY_REQUESTS


class QuotaExceededError(ProblemError):
    """The user's runs have used as many tokens today as they may."""

    type = "quota-exceeded"
    title = "The day's tokens are used up"
    status = HTTPStatus.TOO_MANY_REQUESTS


@dataclass(frozen=True, slots=True)
class Usages:
    """What a user has used, what of it they may, and when counting begins anew."""

    runs: int
    runs_limit: int
    runs_reset_at: dt.datetime
    today: Usage
    tokens_limit: int | None
    tokens_reset_at: dt.datetime


class Quotas:
    """Compares what users have used with what they may use."""

    def __init__(self, database: Database, *, runs_per_minute: int, tokens_per_day: int | None) -> None:
        self._database = database
        self._runs_per_minute = runs_per_minute
        self._tokens_per_day = tokens_per_day

    async def admit(
        self, connection: Connection, user_id: str, now: dt.datetime, *, new_conversation: bool = False
    ) -> int:
        """Count a run in the caller's transaction and return the user's highest conversation number.

        Costs are known only when a model has answered: runs that are under way may go over the day's limit.

        Raises:
            RateLimitedError, QuotaExceededError: The limit is reached. The caller's transaction has to roll back.
        """
        if self._tokens_per_day is not None:
            today = await repository.of_day(connection, user_id, now.date())
            if today.input_tokens + today.output_tokens >= self._tokens_per_day:
                raise QuotaExceededError(
                    f"Your {self._tokens_per_day} tokens of today are used up; the next day begins at midnight UTC.",
                    headers=_retry_after(_next_day(now), now),
                )
        minute = _minute(now)
        count = await repository.count_run(connection, user_id, minute, new_conversation=new_conversation)
        if count.runs_in_minute > self._runs_per_minute:
            raise RateLimitedError(
                f"You may send {self._runs_per_minute} messages in a minute. Send this one again in the next.",
                headers=_retry_after(_start_of(minute + 1), now),
            )
        return count.last_conversation_id

    async def read(self, user_id: str) -> Usages:
        """Return what the user has used."""
        now = dt.datetime.now(dt.UTC)
        minute = _minute(now)
        async with self._database.reading() as connection:
            runs = await repository.runs_in_minute(connection, user_id, minute)
            today = await repository.of_day(connection, user_id, now.date())
        return Usages(runs, self._runs_per_minute, _start_of(minute + 1), today, self._tokens_per_day, _next_day(now))


def _minute(now: dt.datetime) -> int:
    return int(now.timestamp()) // MINUTE_SECONDS


def _start_of(minute: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(minute * MINUTE_SECONDS, dt.UTC)


def _next_day(now: dt.datetime) -> dt.datetime:
    return dt.datetime.combine(now.date() + dt.timedelta(days=1), dt.time(), dt.UTC)


def _retry_after(until: dt.datetime, now: dt.datetime) -> dict[str, str]:
    return {"Retry-After": str(max(1, int((until - now).total_seconds()) + 1))}
