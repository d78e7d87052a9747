"""The time that a request's body may take to arrive."""

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_SECONDS: Final = 10


class _TooSlowError(Exception):
    """The time is over, and the body is not all there."""


class BodyDeadline:
    """ASGI middleware: 408 (RFC 9110, section 15.5.9) for a body that has not arrived within `BODY_SECONDS`.

    What it wraps reads the whole body before it answers. How long the answer then takes is not limited here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        arrived = False

        async def receive_in_time() -> Message:
            nonlocal arrived
            if arrived:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise _TooSlowError from None
            arrived = not message.get("more_body", False)
            return message

        try:
            await self._app(scope, receive_in_time, send)
        except _TooSlowError:
            # The rest may still come, and must not be read as the next request.
            response = Response("Request body too slow", status_code=408, headers={"Connection": "close"})
            await response(scope, receive, send)
