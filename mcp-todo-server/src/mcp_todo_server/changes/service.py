"""The feed of changes: whoever follows a user's resources is told, whichever process made the change.

Every change of a task adds one to its user's counter, in the change's own transaction. Each process compares the
counters of the users whom its clients follow, all of them in one query and only while there are any. That serves
PostgreSQL with or without a pooler and a SQLite file that several processes share, and misses nothing over an
outage or a restart of the database, since a counter waits to be read. LISTEN/NOTIFY would tell sooner by half of
`POLL_SECONDS`, and would need a connection of its own, a way to win it back, and this poll all the same behind a
pooler.
"""

import asyncio
import datetime as dt
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from mcp_todo_server.changes.repository import ChangeRepository, TaskKey, UserState
from mcp_todo_server.database import Database, DatabaseError, utc_now
from mcp_todo_server.resources.uris import TODAY, task_id_of
from mcp_todo_server.users.service import TokenTimes, is_revoked_by, zone_of

POLL_SECONDS: Final = 0.5
"""Pause between two looks at the counters: a change is told within a second."""
URIS_MAX: Final = 100
"""Most resources that one subscription follows."""
USER_SUBSCRIPTIONS_MAX: Final = 32
SUBSCRIPTIONS_MAX: Final = 5000
"""Most subscriptions of one process."""

logger = logging.getLogger(__name__)


class TooManySubscriptionsError(Exception):
    """The user, or the process, has as many subscriptions as are allowed."""


class Subscription:
    """Resources of one user that somebody follows.

    What has changed gathers here, each resource once, until it is fetched: a reader that is slow is told less
    often, and costs no more memory.
    """

    def __init__(self, user_id: str, uris: Iterable[str], token: TokenTimes | None) -> None:
        self.user_id: Final = user_id
        self.uris: Final = frozenset(uris)
        self._token = token
        self._numbers = {uri: number for uri in self.uris if (number := task_id_of(uri)) is not None}
        self._changes: int | None = None
        self._known: dict[str, object] = {}
        self._changed: dict[str, None] = {}
        self._ended = False
        self._wake = asyncio.Event()

    @property
    def tasks(self) -> list[TaskKey]:
        """The single tasks among the resources."""
        return [(self.user_id, number) for number in self._numbers.values()]

    async def changed(self) -> list[str] | None:
        """Wait until something has changed, and return the URIs; None once the subscription has ended."""
        await self._wake.wait()
        if self._ended:
            return None
        self._wake.clear()
        changed = list(self._changed)
        self._changed.clear()
        return changed

    def end(self) -> None:
        """End the subscription: nothing more is told."""
        self._ended = True
        self._wake.set()

    def is_revoked(self, state: UserState) -> bool:
        """Tell whether the token under which this was subscribed has been revoked."""
        return self._token is not None and is_revoked_by(state.tokens_valid_from, self._token.issued_at)

    def has_moved(self, state: UserState) -> bool:
        """Tell whether the user's tasks have changed since this was last told."""
        return state.changes != self._changes

    def begin(self, state: UserState, today: dt.date, versions: Mapping[TaskKey, int]) -> None:
        """Take this for known; what differs from it later has changed."""
        self._known = self._marks(state, today, versions)
        self._changes = state.changes

    def tell(self, state: UserState, today: dt.date, versions: Mapping[TaskKey, int]) -> None:
        """Note what differs from what is known, and take it for known. `versions` matter where the tasks moved."""
        marks = self._marks(state, today, versions)
        self._changed |= dict.fromkeys(uri for uri, mark in marks.items() if mark != self._known[uri])
        self._known |= marks
        self._changes = state.changes
        if self._changed:
            self._wake.set()

    def _marks(self, state: UserState, today: dt.date, versions: Mapping[TaskKey, int]) -> dict[str, object]:
        marks: dict[str, object] = {}
        for uri in self.uris:
            number = self._numbers.get(uri)
            if number is None:
                # Which tasks are due today changes at midnight, too.
                marks[uri] = (state.changes, today if uri == TODAY else None)
            elif self.has_moved(state):
                marks[uri] = versions.get((self.user_id, number))
        return marks


class ChangeFeed:
    """Tells the subscriptions of this process what has changed in the database."""

    def __init__(self, database: Database, *, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._subscriptions: set[Subscription] = set()
        self._per_user: Counter[str] = Counter()
        self._wanted = asyncio.Event()
        self._closed = False
        self._is_reachable = True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell of changes for as long as the context lasts; at its end every subscription ends."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self.close()
            task.cancel()
            await asyncio.wait({task})

    def close(self) -> None:
        """End every subscription, and each later one at once."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end()

    @asynccontextmanager
    async def subscribed(
        self, user_id: str, uris: Iterable[str], token: TokenTimes | None = None
    ) -> AsyncIterator[Subscription]:
        """Follow resources of a user; what changes from here on is told.

        The subscription ends when `token` is revoked; that it expires is for the caller to see to.

        Raises:
            TooManySubscriptionsError: There are as many as are allowed.
            DatabaseError, OSError: The database does not answer.
        """
        if self._per_user[user_id] >= USER_SUBSCRIPTIONS_MAX or self._per_user.total() >= SUBSCRIPTIONS_MAX:
            raise TooManySubscriptionsError
        subscription = Subscription(user_id, uris, token)
        self._per_user[user_id] += 1
        try:
            state = (await self._states({user_id})).get(user_id, UserState())
            subscription.begin(state, self._today(state), await self._versions([subscription]))
            if self._closed or subscription.is_revoked(state):
                subscription.end()
            self._subscriptions.add(subscription)
            self._wanted.set()
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            self._per_user[user_id] -= 1
            self._per_user += Counter()  # drops the users who have none left

    async def look(self) -> None:
        """Compare once, and tell whoever is concerned.

        Raises:
            DatabaseError, OSError: The database does not answer; a later look misses nothing.
        """
        subscriptions = list(self._subscriptions)
        states = await self._states({each.user_id for each in subscriptions})
        unknown = UserState()
        moved = [each for each in subscriptions if each.has_moved(states.get(each.user_id, unknown))]
        versions = await self._versions(moved)
        for subscription in subscriptions:
            state = states.get(subscription.user_id, unknown)
            try:
                if subscription.is_revoked(state):
                    subscription.end()
                else:
                    subscription.tell(state, self._today(state), versions)
            except Exception:
                # Such as a zone that this machine does not know: no reason to leave the others untold.
                logger.exception("a subscription ends: what changed cannot be told")
                subscription.end()

    async def _run(self) -> None:
        while True:
            if not self._subscriptions:
                self._wanted.clear()
                await self._wanted.wait()
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.look()
            except (DatabaseError, OSError) as error:  # TimeoutError is an OSError
                if self._is_reachable:
                    logger.warning("changes are not told at the moment: %s", type(error).__name__)
                self._is_reachable = False
            except Exception:
                logger.exception("changes are not told at the moment")
            else:
                if not self._is_reachable:
                    logger.info("changes are told again")
                self._is_reachable = True

    def _today(self, state: UserState) -> dt.date:
        return self._clock().astimezone(zone_of(state.timezone)).date()

    async def _states(self, user_ids: set[str]) -> dict[str, UserState]:
        async with self._database.reading() as session:
            return await ChangeRepository(session).states(user_ids)

    async def _versions(self, subscriptions: Iterable[Subscription]) -> dict[TaskKey, int]:
        tasks = {task for each in subscriptions for task in each.tasks}
        if not tasks:
            return {}
        async with self._database.reading() as session:
            return await ChangeRepository(session).versions(list(tasks))
