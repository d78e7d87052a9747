"""mcp-todo-server over MCP streamable HTTP: one client for all users.

MCP's revision 2026-07-28 has no session: a call is one self-contained POST, so users can share the client. Whom a
request is for, `service_token` tells the server.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar, cast

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    CallToolResult,
    ReadResourceResult,
    RequestParamsMeta,
    TextContent,
    TextResourceContents,
    Tool,
)
from pydantic import ValidationError
from todo_chat_shared.effects import EFFECT_KEY_META, SETTLE_META

from chat_api.agent.errors import ToolsTimeoutError, ToolsUnavailableError, UnknownResourceError
from chat_api.agent.service_token import TOO_MANY_REQUESTS, Sending, ServiceToken, sending
from chat_api.agent.text import clean_json, clean_text, compact_json
from chat_api.agent.turn import ToolOutcome

logger = logging.getLogger(__name__)

PROTOCOL_VERSION: Final = "2026-07-28"
TOOLS_FRESH_SECONDS: Final = 300
"""Age from which the tool list is fetched again; the old one serves where that fails."""
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 1.0
CONNECT_TIMEOUT_SECONDS: Final = 5.0
MAX_CONNECTIONS: Final = 200
NOBODY: Final = "chat-api"
"""Whom the token names with which pages are read that belong to no user."""

AWAY: Final = "The todo list cannot be reached. Try again in a while."

_T = TypeVar("_T")
REFUSED: Final = frozenset({401, 403})
MAY_PASS: Final = frozenset({408, 425, 429})
"""Client errors (HTTP 4xx) that the same request may not meet again."""
NEVER_PASS: Final = frozenset({INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND})
"""JSON-RPC errors that the same request will meet again."""
SERVICE_UNAVAILABLE: Final = 503
DECODED: Final = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
"""Headers that describe a body as it travelled, not as it was read."""


class _OneFailureFailsOneRequest(httpx2.AsyncHTTPTransport):
    """Turns a failed transport into an answer: HTTP 503 for the request that met it.

    `mcp`'s client lets a transport's exception end its task group, and with it the requests of all users and the
    client itself. Bodies are read here for the same reason; the todo server answers in JSON, never in a stream.
    """

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await super().handle_async_request(request)
            try:
                body = await response.aread()
            finally:
                await response.aclose()
        except Exception as error:
            logger.warning("the todo server cannot be reached: %s", type(error).__name__)
            return httpx2.Response(SERVICE_UNAVAILABLE)
        kept = [(name, value) for name, value in response.headers.raw if name.lower() not in DECODED]
        return httpx2.Response(response.status_code, headers=kept, content=body)


class TodoServer:
    """The todo server's tools, called in the name of a user."""

    def __init__(self, client: Client, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._tools: Sequence[Tool] = ()
        self._listed_at = -float("inf")
        self._listing = asyncio.Lock()

    async def tools(self, user_id: str) -> Sequence[Tool]:
        """Return the tools on offer; the same sequence object until the list was fetched anew.

        Raises:
            ToolsUnavailableError, ToolsTimeoutError: The list was never fetched, and cannot be now.
        """
        if self._is_old():
            seconds, asked_at = self._timeout_seconds, time.monotonic()
            has_to_wait = self._listing.locked()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await self._listing.acquire()
            except TimeoutError:
                if self._tools:
                    return self._tools
                # Whoever is asking has asked for as long, and has nothing either.
                raise ToolsUnavailableError(AWAY) from None
            try:
                if self._is_old():
                    if has_to_wait:
                        seconds -= time.monotonic() - asked_at
                    await self._list(user_id, seconds)
            finally:
                self._listing.release()
        return self._tools

    def _is_old(self) -> bool:
        return time.monotonic() - self._listed_at > TOOLS_FRESH_SECONDS

    async def _list(self, user_id: str, seconds: float) -> None:
        try:
            listed = await self._request(Sending(user_id), self._client.list_tools, seconds)
        except (ToolsUnavailableError, ToolsTimeoutError):
            if not self._tools:
                raise
        else:
            self._tools = tuple(listed.tools)
        self._listed_at = time.monotonic()

    async def call(self, user_id: str, name: str, arguments: dict[str, Any], effect_key: str) -> ToolOutcome:
        """Call a tool and return its outcome, which may be the tool's refusal.

        A failed transport is no outcome: the call is sent again under its key until the time-out, so that a
        restart of the server is not noticed.

        Raises:
            ToolsUnavailableError, ToolsTimeoutError: There is no outcome; the call may have taken effect.
        """
        return _outcome(await self._call(user_id, name, arguments, {EFFECT_KEY_META: effect_key}))

    async def result(self, user_id: str, name: str, arguments: dict[str, Any], effect_key: str) -> str:
        """Call a tool as `call` does, and return its result as MCP words it: JSON text of a `CallToolResult`.

        Raises:
            ToolsUnavailableError, ToolsTimeoutError: There is no outcome; the call may have taken effect.
        """
        return _wire(await self._call(user_id, name, arguments, {EFFECT_KEY_META: effect_key}))

    async def read(self, user_id: str, uri: str) -> str:
        """Read a resource of the user's, and return what is there: JSON text of a `ReadResourceResult`.

        Raises:
            UnknownResourceError: There is nothing at that address.
            ToolsUnavailableError, ToolsTimeoutError: The todo server does not answer.
        """
        return _wire(await self._read(Sending(user_id), uri))

    async def document(self, uri: str) -> str:
        """Return the text of a page that is the same for all users.

        It is read with a token that has no scope: the server shows it nothing of anybody's tasks, and lets it change
        nothing. So it does not matter whether somebody is called `NOBODY`.

        Raises:
            UnknownResourceError: There is no page at that address.
            ToolsUnavailableError, ToolsTimeoutError: The todo server does not answer.
        """
        read = await self._read(Sending(NOBODY, scopes=()), uri)
        for part in read.contents:
            if isinstance(part, TextResourceContents):
                return part.text
        raise UnknownResourceError(uri)

    async def settle(self, user_id: str, name: str, arguments: dict[str, Any], effect_key: str) -> ToolOutcome:
        """Return what a call that was sent earlier came to, and see to it that it cannot take effect any more.

        A call that never arrived gets an outcome that says so, and has it for good.

        Raises:
            ToolsUnavailableError, ToolsTimeoutError: There is no outcome; the call may have taken effect, or still may.
        """
        meta = {EFFECT_KEY_META: effect_key, SETTLE_META: True}
        return _outcome(await self._call(user_id, name, arguments, meta))

    async def _call(self, user_id: str, name: str, arguments: dict[str, Any], meta: dict[str, Any]) -> CallToolResult:
        return await self._request(
            Sending(user_id), lambda: self._client.call_tool(name, arguments, meta=cast("RequestParamsMeta", meta))
        )

    async def _read(self, reader: Sending, uri: str) -> ReadResourceResult:
        async def send() -> ReadResourceResult:
            try:
                # The client's cache knows nothing of users, and would show the one what it keeps of another.
                return await self._client.read_resource(uri, cache_mode="bypass")
            except MCPError as error:
                if error.code == INVALID_PARAMS:
                    raise UnknownResourceError(uri) from None
                raise

        return await self._request(reader, send)

    async def _request(self, under_way: Sending, send: Callable[[], Awaitable[_T]], seconds: float | None = None) -> _T:
        sending.set(under_way)
        pause, tries = FIRST_PAUSE_SECONDS, 1
        seconds = self._timeout_seconds if seconds is None else seconds
        try:
            deadline = time.monotonic() + seconds
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return await send()
                    except (MCPError, httpx2.HTTPError, ValidationError, OSError, RuntimeError) as error:
                        # RuntimeError is how the client says that an answer does not fit the tool's schema.
                        wait = max(pause, under_way.retry_after)
                        _judge(error, under_way, deadline - time.monotonic() - wait)
                    under_way.status, under_way.retry_after = None, 0.0
                    await asyncio.sleep(wait)
                    pause, tries = min(pause * 2, LONGEST_PAUSE_SECONDS), tries + 1
        except TimeoutError:
            if tries > 1 or seconds < self._timeout_seconds:
                # Only the last of several tries was late: the others, or whoever asked before, say what is wrong.
                raise ToolsUnavailableError(AWAY) from None
            raise ToolsTimeoutError("The todo list did not answer in time. Try again in a while.") from None


def _judge(error: Exception, under_way: Sending, seconds_left: float) -> None:
    """Return where sending again can help; raise where it cannot, or where there is no time left for it."""
    status = under_way.status
    code = error.code if isinstance(error, MCPError) else None
    if status in REFUSED:
        logger.error(
            "the todo server refused this service's token (HTTP %s): both need the same BETTER_AUTH_SECRET", status
        )
        raise ToolsUnavailableError("The todo list refused this service. Its operator has to mend that.") from error
    if (status is not None and 400 <= status < 500 and status not in MAY_PASS) or code in NEVER_PASS:
        logger.error("the todo server does not take this service's requests (HTTP %s, JSON-RPC %s)", status, code)
        raise ToolsUnavailableError("The todo list cannot be used as set up. Its operator has to mend that.") from error
    logger.warning("the todo server gave no outcome: %s (HTTP %s, JSON-RPC %s)", type(error).__name__, status, code)
    if seconds_left > 0:
        return
    if status == TOO_MANY_REQUESTS:
        raise ToolsUnavailableError("The todo list takes no more calls this minute. Try again in a minute.") from error
    raise ToolsUnavailableError(AWAY) from error


@asynccontextmanager
async def connect(url: str, secret: str, timeout_seconds: float) -> AsyncIterator[TodoServer]:
    """Open the shared client. The server need not be up yet: nothing is sent before the first call."""
    limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS)
    timeout = httpx2.Timeout(timeout_seconds, connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds))
    transport = _OneFailureFailsOneRequest(limits=limits)
    async with (
        httpx2.AsyncClient(
            auth=ServiceToken(secret),
            transport=transport,
            timeout=timeout,
            headers={"Accept-Encoding": "identity"},
        ) as http,
        Client(streamable_http_client(url, http_client=http), mode=PROTOCOL_VERSION) as client,
    ):
        yield TodoServer(client, timeout_seconds)


def _wire(result: CallToolResult | ReadResourceResult) -> str:
    # Its `_meta` says who the server is, with its icon, each time.
    answer = result.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta"})
    return compact_json(clean_json(answer))


def _outcome(result: CallToolResult) -> ToolOutcome:
    text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
    if result.is_error:
        return ToolOutcome(compact_json({"error": clean_text(text)}), is_error=True)
    if result.structured_content is not None:
        return ToolOutcome(compact_json(clean_json(result.structured_content)), is_error=False)
    return ToolOutcome(compact_json({"text": clean_text(text)}), is_error=False)
