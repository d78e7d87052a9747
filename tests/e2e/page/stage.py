"""Both services as processes, a stand-in for the paid model, and a browser that visits the page they serve."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, ViewportSize, expect

from tests.e2e.page.chat import WAIT_MS, Chat
from tests.e2e.page.watch import Watch
from tests.integration.chat_api.conftest import running_chat
from tests.support.databases import sqlite_database
from tests.support.openai_stub import OpenAIStub
from tests.support.services import Service, running_todo_server
from tests.support.tokens import user_token

COOKIE: Final = "front-end-token"
"""The cookie in which the page finds the token of whoever signed in."""
DESK: Final[ViewportSize] = {"width": 1280, "height": 800}


@dataclass
class Stage:
    """Opens the page for new users."""

    browser: Browser
    stub: OpenAIStub
    chat: Service
    todo: Service
    chat_database: str

    @asynccontextmanager
    async def visit(
        self,
        user: str | None = None,
        *,
        path: str | None = "/",
        base_url: str | None = None,
        token: str | None = None,
        expected: Sequence[str] = (),
        tasks: Sequence[dict[str, Any]] = (),
        **options: Any,
    ) -> AsyncIterator[Chat]:
        """Show the page to a user, by default a new one, who is signed in by a cookie.

        A complaint of the browser fails the test unless it has one of the `expected` texts in it. `base_url` is another
        way to chat-api than its own address, `token` another token than a good one; empty, there is none. `tasks` are
        the user's from the beginning, and `options` are the browser context's. Without a `path` the tab stays empty.
        """
        user = user or f"user-{uuid.uuid4().hex}"
        address = base_url or self.chat.base_url
        context = await self.browser.new_context(
            **{"base_url": address, "viewport": DESK, "locale": "en-GB", **options}
        )
        try:
            context.set_default_timeout(WAIT_MS)
            watch = Watch(context, address)
            token = user_token(user) if token is None else token
            if token:
                await sign_in(context, address, token)
            chat = Chat(user, await context.new_page(), watch, self.chat, self.todo)
            for task in tasks:
                await chat.call("add_task", **task)
            if path is not None:
                await chat.page.goto(path)
            yield chat
            watch.check((*expected, *chat.expected))
        finally:
            await context.close()


async def sign_in(context: BrowserContext, address: str, token: str) -> None:
    """Leave a token in the cookie that chat-api looks for it in, as the front end does."""
    await context.add_cookies(
        [{"name": COOKIE, "value": token, "url": address, "httpOnly": True, "sameSite": "Strict"}]
    )


@asynccontextmanager
async def running_stage(
    browser: Browser, stub: OpenAIStub, folder: Path, database_url: str | None = None, **variables: str
) -> AsyncIterator[Stage]:
    """Run both services, chat-api with these variables; on SQLite below `folder` unless its database is given."""
    expect.set_options(timeout=WAIT_MS)
    database_url = database_url or sqlite_database(folder)
    settings = {"TOKEN_COOKIE": COOKIE, **variables}
    async with (
        running_todo_server(sqlite_database(folder)) as todo,
        running_chat(database_url, todo, stub, **settings) as chat,
    ):
        yield Stage(browser, stub, chat, todo, database_url)
