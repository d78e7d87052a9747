"""What every request passes before the API: an id, an allowed host, a bounded body. Plain ASGI, for its cost."""

import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from chat_api.problems import InternalError, ProblemError, answer

logger = logging.getLogger(__name__)

HEALTH_PATHS: Final = frozenset({"/livez", "/readyz"})
REQUEST_ID_HEADER: Final = "X-Request-Id"
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")


class HostNotAllowedError(ProblemError):
    """The request names a host that this service does not answer for."""

    type = "host-not-allowed"
    title = "This host is not served here"
    status = HTTPStatus.MISDIRECTED_REQUEST


class BodyTooLargeError(ProblemError):
    """The body is larger than the service takes."""

    type = "body-too-large"
    title = "The body is too large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RequestId:
    """Gives each request an id, the caller's own where it is usable, and answers with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid7())
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


class AllowedHosts:
    """Refuses hosts that are not on the list, which is what stops DNS rebinding.

    Health checks are answered under any name: an orchestrator asks by the address it happens to have.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._any = "*" in hosts
        self._exact = {host.lower() for host in hosts}
        self._any_port = {host.lower().removesuffix(":*") for host in hosts if host.endswith(":*")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if (
            scope["type"] != "http"
            or scope["path"] in HEALTH_PATHS
            or self._allows(Headers(scope=scope).get("host", ""))
        ):
            await self._app(scope, receive, send)
            return
        error = HostNotAllowedError("Add the host to ALLOWED_HOSTS if it is this service's.")
        await answer(Request(scope), error)(scope, receive, send)

    def _allows(self, host: str) -> bool:
        host = host.lower()
        name = re.sub(r":\d+$", "", host)
        return self._any or host in self._exact or name in self._any_port


class BodyLimit:
    """Refuses bodies over the limit, by their announced length or as soon as they have grown past it."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self._max_bytes:
            await answer(Request(scope), self._error())(scope, receive, send)
            return
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise self._error()
            return message

        await self._app(scope, receive_bounded, send)

    def _error(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"A body may have {self._max_bytes} bytes at most.")


class Defects:
    """Answers what no handler knows: the log gets all of it under the request's id, the caller only that id.

    Left to the framework, the exception would also cut the connection that the answer went out on.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception:
            if scope["type"] != "http" or started:
                raise
            logger.exception("request %s met a defect", scope["state"]["request_id"])
            error = InternalError("This is a defect; its operator finds it by the request's id.")
            await answer(Request(scope), error)(scope, receive, send)
