"""Changes of users' tasks, as the todo server tells of them (MCP 2026-07-28, subscriptions).

However many follow a user's tasks in this process, it listens to the todo server once for them: from the first
follower on until the last has left. Each user's listening has an MCP client of its own, because a client ends with
whatever goes wrong in its transport, and nobody's stream is to end with another's.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import Subscription, SubscriptionLost

from chat_api.agent.service_token import Sending, ServiceToken, sending
from chat_api.agent.todo_server import PROTOCOL_VERSION

logger = logging.getLogger(__name__)

TASKS_URI: Final = "todo://tasks"
FOLLOWERS_MAX: Final = 20
"""Most that follow one user's tasks at this process."""
IDLE_SECONDS: Final = 15.0
"""After this long without a change, a follower is told that there is none."""
OPEN_SECONDS: Final = 5.0
"""Longest time that the todo server may take to begin to tell of changes."""
SILENCE_SECONDS: Final = 45.0
"""A connection on which nothing has come for so long is dead: the server sends a comment every 15 s."""
OPENING_AT_ONCE: Final = 8
PAUSE_MIN: Final = 0.1
PAUSE_MAX: Final = 1.0
"""Longest pause, in seconds, between two attempts while the server is away: changes are told soon after its return."""
OWN_PAUSE_MAX: Final = 5.0
"""The same for one user whom the server refuses, or whose streams do not last."""
LASTING_SECONDS: Final = 10.0
"""A stream that ends sooner has not lasted."""
SERVER_ERRORS: Final = 500
EXPECTED: Final = (MCPError, SubscriptionLost, httpx2.HTTPError, OSError)
"""What a server that is away, or goes away, is met with; a time-out is an OSError."""


class _Listening:
    """One user's tasks, listened to for all who follow them."""

    def __init__(self) -> None:
        self.followers: Final[set[asyncio.Event]] = set()
        self.is_open = False
        """Whether the todo server tells of changes at the moment."""
        self.task: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """Let every follower know that something may have changed."""
        for follower in self.followers:
            follower.set()


class TaskChanges:
    """Tells followers whenever a user's tasks may have changed, in any client and in any process."""

    def __init__(self, url: str, http: httpx2.AsyncClient) -> None:
        self._url = url
        self._http = http
        self._listening: dict[str, _Listening] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False
        # Shared by all users: where the server is away for one, it is away for the others.
        self._door = asyncio.Semaphore(OPENING_AT_ONCE)
        self._pause = 0.0

    def is_full(self, user_id: str) -> bool:
        """Tell whether as many follow the user's tasks as may."""
        listening = self._listening.get(user_id)
        return listening is not None and len(listening.followers) >= FOLLOWERS_MAX

    async def follow(self, user_id: str, seconds: float) -> AsyncGenerator[bool]:
        """Yield True when the user's tasks may have changed, and False where nothing was heard for `IDLE_SECONDS`.

        True comes first of all when the listening has begun, and again after each time that it was interrupted: what
        changed before, nobody was told. Changes that come faster than they are taken are told as one. Ends after so
        many seconds, or with `close`.
        """
        ends_at = asyncio.get_running_loop().time() + seconds
        with self._followed(user_id) as changed:
            while not self._closed and (left := ends_at - asyncio.get_running_loop().time()) > 0:
                try:
                    async with asyncio.timeout(min(left, IDLE_SECONDS)):
                        await changed.wait()
                except TimeoutError:
                    yield False
                else:
                    changed.clear()
                    if not self._closed:
                        yield True

    def close(self) -> None:
        """End what all followers follow, and whatever is followed later, at once."""
        self._closed = True
        for listening in self._listening.values():
            listening.tell()

    async def wait_closed(self) -> None:
        """Return when nothing is listened to any more."""
        self.close()
        tasks = [one.task for one in self._listening.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._leaving, return_exceptions=True)

    @contextmanager
    def _followed(self, user_id: str) -> Iterator[asyncio.Event]:
        listening = self._listening.get(user_id)
        if listening is None:
            listening = self._listening[user_id] = _Listening()
            listening.task = asyncio.create_task(self._listen(user_id, listening))
        changed = asyncio.Event()
        listening.followers.add(changed)
        if listening.is_open:
            changed.set()
        try:
            yield changed
        finally:
            listening.followers.discard(changed)
            if not listening.followers and listening.task is not None:
                del self._listening[user_id]
                self._leaving.add(listening.task)
                listening.task.add_done_callback(self._leaving.discard)
                listening.task.cancel()

    async def _listen(self, user_id: str, listening: _Listening) -> None:
        loop, own_pause = asyncio.get_running_loop(), 0.0
        # A cancellation can be lost on the way through a client that ends with a failure at the same moment.
        while listening.followers and not self._closed:
            await asyncio.sleep(own_pause)
            under_way = Sending(user_id)
            sending.set(under_way)
            opened_at = None
            try:
                async with AsyncExitStack() as stack:
                    subscription = await self._open(stack)
                    opened_at, listening.is_open = loop.time(), True
                    self._reached()
                    listening.tell()
                    # It ends in good order when its token does, and when the server stops.
                    async for _ in subscription:
                        listening.tell()
            except Exception as error:
                self._failed(error, under_way, was_open=opened_at is not None)
            finally:
                listening.is_open = False
            if opened_at is not None:
                own_pause = 0.0 if loop.time() - opened_at >= LASTING_SECONDS else _longer(own_pause, OWN_PAUSE_MAX)
            elif _was_answered(under_way):
                own_pause = _longer(own_pause, OWN_PAUSE_MAX)

    async def _open(self, stack: AsyncExitStack) -> Subscription:
        async with self._door:
            await asyncio.sleep(self._pause)
            async with asyncio.timeout(OPEN_SECONDS):
                transport = streamable_http_client(self._url, http_client=self._http)
                client = await stack.enter_async_context(Client(transport, mode=PROTOCOL_VERSION, cache=None))
                return await stack.enter_async_context(client.listen(resource_subscriptions=[TASKS_URI]))

    def _reached(self) -> None:
        if self._pause:
            logger.info("changes of tasks are told again")
        self._pause = 0.0

    def _failed(self, error: Exception, under_way: Sending, *, was_open: bool) -> None:
        reasons = list(_leaves(error))
        if not all(isinstance(reason, EXPECTED) for reason in reasons):
            logger.error("listening to the todo server met a defect", exc_info=error)
        if was_open:
            return
        names = ", ".join(sorted({type(reason).__name__ for reason in reasons}))
        if _was_answered(under_way):
            logger.warning("the todo server does not tell of changes: %s (HTTP %s)", names, under_way.status)
            return
        if not self._pause:
            logger.warning("changes of tasks are not told at the moment: %s", names)
        self._pause = _longer(self._pause, PAUSE_MAX)


def _was_answered(under_way: Sending) -> bool:
    """Tell whether the server is there, whatever it said: then the failure is this user's own."""
    return under_way.status is not None and under_way.status < SERVER_ERRORS


def _longer(pause: float, longest: float) -> float:
    return min(max(2 * pause, PAUSE_MIN), longest)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


@asynccontextmanager
async def watch(url: str, secret: str) -> AsyncIterator[TaskChanges]:
    """Listen for whoever follows, for as long as the context lasts. The server need not be up yet."""
    async with httpx2.AsyncClient(
        auth=ServiceToken(secret),
        # As many connections as there are users who are listened for; the todo server has its own limit of them.
        transport=httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0)),
        timeout=httpx2.Timeout(SILENCE_SECONDS, connect=OPEN_SECONDS),
        headers={"Accept-Encoding": "identity"},
    ) as http:
        changes = TaskChanges(url, http)
        try:
            yield changes
        finally:
            await changes.wait_closed()
