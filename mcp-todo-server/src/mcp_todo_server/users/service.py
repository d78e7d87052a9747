"""Users' zones, and the revocation of their tokens."""

import asyncio
import datetime as dt
import math
import time
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from mcp_todo_server.database import Database
from mcp_todo_server.users.repository import UserRepository

DEFAULT_ZONE: Final = "UTC"


def zone_of(name: str | None) -> ZoneInfo:
    """Return the zone of an IANA name; the default zone without one."""
    return ZoneInfo(name or DEFAULT_ZONE)


def is_revoked_by(valid_from: dt.datetime | None, issued_at: float | None) -> bool:
    """Tell whether a token issued at `issued_at` (seconds since the epoch) is refused by what a user has revoked.

    Once a user has revoked, a token that does not say when it was issued no longer counts.
    """
    return valid_from is not None and (issued_at is None or issued_at < valid_from.timestamp())


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """When a token was issued and when it ends, in seconds since the epoch."""

    issued_at: float | None
    """None where the token does not say."""
    expires_at: float


class UserService:
    """What is known of a user beside their tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def zone(self, user_id: str) -> ZoneInfo:
        """Return the zone in which the user's days begin and end."""
        async with self._database.reading() as session:
            return zone_of(await UserRepository(session).timezone(user_id))

    async def is_revoked(self, user_id: str, issued_at: float | None) -> bool:
        """Tell whether a token of this issue time (seconds since the epoch) was revoked."""
        async with self._database.reading() as session:
            valid_from = await UserRepository(session).tokens_valid_from(user_id)
        return is_revoked_by(valid_from, issued_at)

    async def revoke_tokens(self, user_id: str) -> dt.datetime:
        """Refuse all tokens issued to the user until now, and return the instant from which on they count.

        Tokens carry whole seconds. So the instant is the next full second, and this returns only when it has
        come: what was issued before is refused, and what is issued afterwards is not.

        A revocation never moves back. Where an earlier one was made by a clock ahead of this one, its instant
        stays and is returned, though it has not come yet.
        """
        second = math.floor(time.time()) + 1
        async with self._database.writing() as session:
            valid_from = await UserRepository(session).revoke_tokens(user_id, dt.datetime.fromtimestamp(second, dt.UTC))
        await asyncio.sleep(max(0.0, second - time.time()))
        return valid_from
