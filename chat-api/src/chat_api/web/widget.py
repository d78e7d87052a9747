"""`/widget`: the task list's document, for a frame of the page.

It is the todo server's own, the same for everybody, and holds nobody's tasks: those it asks the page for, which
passes its calls on as the user's. A `srcdoc` frame would have the page's content security policy; at an address of
its own the document has one that lets in its own style and script alone.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from chat_api.agent.errors import AgentError, UnknownResourceError
from chat_api.agent.todo_server import TodoServer
from chat_api.problems import RETRY_AFTER_SECONDS
from chat_api.web.assets import Asset
from chat_api.web.headers import widget_headers

logger = logging.getLogger(__name__)

DOCUMENT_URI: Final = "ui://todo/tasks.html"
FRESH_SECONDS: Final = 300.0
"""Age from which the document is read again; the old one serves where that fails."""
FAILED_SECONDS: Final = 1.0
"""Time after which it is asked for again where it could not be had."""
READ_SECONDS: Final = 4.0
"""Longest time that a frame stays empty before it says that there is no document."""

# In its frame it loads itself again, until the todo server is back.
_AWAY: Final = f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="refresh" content="{RETRY_AFTER_SECONDS}">
    <title>Tasks</title>
    <style>:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }} body {{ margin: 16px }}</style>
  </head>
  <body>
    <main>
      <h1>The task list cannot be reached</h1>
      <p>Your tasks are safe. This is tried again by itself every {RETRY_AFTER_SECONDS} seconds.</p>
    </main>
  </body>
</html>
"""


class Widget:
    """The document, kept for some minutes."""

    def __init__(self, todo: TodoServer, origins: Sequence[str]) -> None:
        """Read it from `todo`; pages of `origins` may show the page that shows it."""
        self._todo = todo
        self._origins = origins
        self._asset: Asset | None = None
        self._old_at = -float("inf")
        self._reading = asyncio.Lock()

    async def get(self) -> Asset | None:
        """Return the document; None where it cannot be had."""
        if time.monotonic() >= self._old_at:
            async with self._reading:
                # Whoever waited here meanwhile takes what the first one got, or that there was nothing.
                if time.monotonic() >= self._old_at:
                    await self._read()
        return self._asset

    def away(self) -> Response:
        """Answer that it cannot be had, in words: what is answered is shown in the frame."""
        headers = {**widget_headers(_AWAY, self._origins), "Cache-Control": "no-store"}
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return HTMLResponse(_AWAY, status_code=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                html = await self._todo.document(DOCUMENT_URI)
        except (AgentError, UnknownResourceError, TimeoutError) as error:
            logger.warning("the task list's page cannot be read: %s", type(error).__name__)
            self._old_at = time.monotonic() + FAILED_SECONDS
        else:
            self._asset = Asset(html, "text/html; charset=utf-8", widget_headers(html, self._origins))
            self._old_at = time.monotonic() + FRESH_SECONDS


router = APIRouter(include_in_schema=False)


@router.get("/widget")
async def read_widget(request: Request) -> Response:
    """Answer with the document, or with words where it cannot be had."""
    widget: Widget = request.app.state.widget
    asset = await widget.get()
    return widget.away() if asset is None else asset.response(request)
