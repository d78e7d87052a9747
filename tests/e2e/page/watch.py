"""What a browser complains of and asks for while a test has it."""

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Request, WebError

_COMPLAINTS: Final = {"error", "warning", "assert"}
_NO_NETWORK: Final = {"about", "blob", "data"}
_NOT_THE_PAGES: Final = "net::ERR_NETWORK_CHANGED"
"""Chromium drops what it is about to connect when the machine's addresses change, as with every container's start."""


class Watch:
    """Listens to every tab and frame of one browser context.

    A browser's console tells what the page's policy refused as well, so a breach of it is a complaint like any other.
    """

    def __init__(self, context: BrowserContext, *origins: str) -> None:
        self.complaints: Final[list[str]] = []
        """Errors and warnings in the console, exceptions that nobody caught, questions that stop a page."""
        self.requests: Final[list[str]] = []
        """The address of everything that was asked for."""
        self._origins = origins
        context.on("console", self._hear)
        context.on("weberror", self._catch)
        context.on("dialog", self._dismiss)
        context.on("request", self._note)

    def allow(self, origin: str) -> None:
        """Let the browser ask one more origin."""
        self._origins = (*self._origins, origin)

    def check(self, expected: Sequence[str]) -> None:
        """Raise where the browser complained without one of the `expected` texts, or asked somebody else."""
        unexpected = [text for text in self.complaints if not any(part in text for part in expected)]
        assert not unexpected, json.dumps(unexpected, indent=2)
        assert not (foreign := [address for address in self.requests if not self._is_allowed(address)]), foreign

    def _is_allowed(self, address: str) -> bool:
        parts = urlsplit(address)
        return parts.scheme in _NO_NETWORK or f"{parts.scheme}://{parts.netloc}" in self._origins

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in _COMPLAINTS and _NOT_THE_PAGES not in message.text:
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _catch(self, error: WebError) -> None:
        self.complaints.append(f"uncaught: {error.error}")

    async def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)
