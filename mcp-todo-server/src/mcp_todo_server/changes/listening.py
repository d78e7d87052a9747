"""Subscriptions as MCP has them: `subscriptions/listen`, and `resources/subscribe` of the handshake era."""

import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY, ResourceUpdated
from mcp.shared.subscriptions import event_to_notification
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)
from todo_chat_shared.tokens import LEEWAY_SECONDS

from mcp_todo_server.changes.service import URIS_MAX, ChangeFeed, Subscription, TooManySubscriptionsError
from mcp_todo_server.reading import reading
from mcp_todo_server.resources.uris import can_change
from mcp_todo_server.tasks.calls import Caller

TOO_MANY: Final = "too many subscriptions are open; end one of them first"

Context = ServerRequestContext[Any, Any]


class Listening:
    """Answers `subscriptions/listen` (MCP 2026-07-28, subscriptions): the response is the stream of changes."""

    def __init__(self, feed: ChangeFeed, caller: Callable[[], Caller]) -> None:
        """Tell of changes from `feed`; `caller` tells who asks while a request is handled."""
        self._feed = feed
        self._caller = caller

    async def __call__(self, context: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Tell what changes until the client leaves, its token ends or the server stops.

        Resources that never change, and more than `URIS_MAX`, are left out of what is acknowledged, and so are
        changes of lists, since there are none.

        Raises:
            MCPError: The caller may not read tasks, has too many subscriptions, or the database does not answer.
        """
        if context.request_id is None:
            raise MCPError(INVALID_REQUEST, "subscriptions/listen needs a request id")
        caller = self._caller()
        wanted = dict.fromkeys(params.notifications.resource_subscriptions or ())
        uris = [uri for uri in wanted if can_change(uri)][:URIS_MAX]
        meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        with anyio.move_on_after(_seconds_left(caller)):
            await self._tell(context, caller, uris, meta)
        return SubscriptionsListenResult(_meta=meta)

    async def _tell(self, context: Context, caller: Caller, uris: Sequence[str], meta: dict[str, Any]) -> None:
        acknowledged = SubscriptionsAcknowledgedNotification(
            params=SubscriptionsAcknowledgedNotificationParams(
                notifications=SubscriptionFilter(resource_subscriptions=list(uris) or None), _meta=meta
            )
        )
        async with _subscribed(self._feed, caller, uris) as subscription:
            await context.session.send_notification(acknowledged, related_request_id=context.request_id)
            while (changed := await subscription.changed()) is not None:
                for uri in changed:
                    notification = event_to_notification(ResourceUpdated(uri), meta)
                    await context.session.send_notification(notification, related_request_id=context.request_id)


class SessionSubscriptions:
    """Answers `resources/subscribe` and `resources/unsubscribe` (MCP 2025-11-25, resources) of one session.

    Only a transport that keeps a session can carry it: standard input and output. There is no token to run out.
    """

    def __init__(self, feed: ChangeFeed, caller: Callable[[], Caller], tasks: TaskGroup) -> None:
        """Tell of changes from `feed`, from within `tasks`; `caller` tells who asks."""
        self._feed = feed
        self._caller = caller
        self._tasks = tasks
        self._following: dict[str, anyio.CancelScope] = {}
        # Requests are handled side by side, and an unsubscribe may follow its subscribe at once: each in its turn.
        self._turn = anyio.Lock()

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Tell of changes of a resource from now on; of one that never changes there will be none.

        Raises:
            MCPError: There are too many subscriptions, or the database does not answer.
        """
        async with self._turn:
            if can_change(params.uri) and params.uri not in self._following:
                self._following[params.uri] = await self._tasks.start(self._tell, params.uri, context.session)
        return EmptyResult()

    async def unsubscribe(self, _context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """Tell of changes of a resource no longer."""
        async with self._turn:
            if (scope := self._following.pop(params.uri, None)) is not None:
                scope.cancel()
        return EmptyResult()

    async def _tell(
        self,
        uri: str,
        session: ServerSession,
        *,
        task_status: TaskStatus[anyio.CancelScope] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        with anyio.CancelScope() as scope:
            async with _subscribed(self._feed, self._caller(), [uri]) as subscription:
                task_status.started(scope)
                while await subscription.changed() is not None:
                    await session.send_resource_updated(uri)


@asynccontextmanager
async def _subscribed(feed: ChangeFeed, caller: Caller, uris: Sequence[str]) -> AsyncIterator[Subscription]:
    async with AsyncExitStack() as stack:
        async with reading(caller, "subscribing"):
            try:
                subscription = await stack.enter_async_context(feed.subscribed(caller.user_id, uris, caller.token))
            except TooManySubscriptionsError:
                raise MCPError(INTERNAL_ERROR, TOO_MANY) from None
        yield subscription


def _seconds_left(caller: Caller) -> float:
    if caller.token is None:
        return math.inf
    return caller.token.expires_at + LEEWAY_SECONDS - time.time()
