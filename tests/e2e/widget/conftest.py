"""The task list in a real browser, inside a real host, on a real todo server."""

import datetime as dt
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Frame, Locator, Page, ViewportSize, expect

from tests.e2e.widget.site import Site, bundle_host, read_page
from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.browser import running_browser
from tests.support.databases import sqlite_database
from tests.support.node import npm_packages
from tests.support.services import Service, running_todo_server
from tests.support.tokens import mcp_token

WAIT_MS = 30_000
"""Longest time that a test waits for anything, on a machine busy with other tests."""


@dataclass
class Widget:
    """The task list as one user sees it."""

    user: str
    page: Page
    frame: Frame
    service: Service
    complaints: list[str] = field(default_factory=list)
    """What the browser complained of: errors and warnings in its console, exceptions that nobody caught."""
    requests: list[str] = field(default_factory=list)
    """The address of everything that the browser asked for."""

    def group(self, name: str) -> Locator:
        """The list of a group's tasks."""
        return self.frame.get_by_role("list", name=name)

    async def titles(self, group: str) -> list[str]:
        """The titles in a group that is shown, in order."""
        return await self.group(group).locator(".title").all_inner_texts()

    def row(self, title: str) -> Locator:
        """The row of one task."""
        return self.frame.get_by_role("listitem").filter(has=self.frame.get_by_text(title, exact=True))

    def box(self, title: str) -> Locator:
        """The checkbox of one task."""
        return self.frame.get_by_role("checkbox", name=title, exact=True)

    def button(self, name: str) -> Locator:
        """A button, by its whole name."""
        return self.frame.get_by_role("button", name=name, exact=True)

    @property
    def status(self) -> Locator:
        """The line that says what was done."""
        return self.frame.get_by_role("status")

    @property
    def alert(self) -> Locator:
        """What went wrong."""
        return self.frame.get_by_role("alert").filter(has_text=" ")

    async def settled(self) -> None:
        """Wait until the page waits for nothing."""
        await expect(self.frame.get_by_text("Reading the tasks…")).to_have_count(0)
        await expect(self.frame.locator(".busy")).to_have_count(0)

    async def host(self, expression: str, argument: Any = None) -> Any:
        """Evaluate an expression of `host`, the host in the page around."""
        return await self.page.evaluate(f"(argument) => host.{expression}", argument)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool from somewhere else: another client of the same user."""
        async with mcp_client(self.service.mcp_url, mcp_token(self.user), "2026-07-28") as client:
            result = await client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        answer: dict[str, Any] = result.structured_content or {}
        return answer

    async def task(self, task_id: int) -> dict[str, Any]:
        """A task as the server has it, once the page waits for nothing."""
        await self.settled()
        return await self.call("get_task", task_id=task_id)


class Stage:
    """Opens the task list for new users."""

    def __init__(self, browser: Browser, site: Site, service: Service, packages: Path) -> None:
        self._browser = browser
        self.site = site
        self.packages = packages
        self.service = service

    @asynccontextmanager
    async def widget(
        self,
        *tasks: dict[str, Any],
        viewport: ViewportSize | None = None,
        expected: tuple[str, ...] = (),
        browser: dict[str, Any] | None = None,
        clock: dt.datetime | None = None,
        **options: Any,
    ) -> AsyncIterator[Widget]:
        """Show a new user's list, with these tasks in it.

        `options` are for the host: `args` of list_tasks, its `context`, its `capabilities`. `browser` holds options
        of the browser's, and `clock` is what its clock says at first. A complaint of the browser fails the test
        unless it has one of the `expected` texts in it.
        """
        user = f"user-{uuid.uuid4().hex}"
        context = await self._browser.new_context(viewport=viewport or {"width": 800, "height": 900}, **(browser or {}))
        context.set_default_timeout(WAIT_MS)
        if clock is not None:
            await context.clock.install(time=clock)
        page = await context.new_page()
        widget = Widget(user, page, page.main_frame, self.service)
        page.on("request", lambda request: widget.requests.append(request.url))
        page.on("console", lambda message: _note(widget, message))
        page.on("pageerror", lambda error: widget.complaints.append(f"uncaught: {error}"))
        for task in tasks:
            await widget.call("add_task", **task)
        try:
            await page.goto(self.site.base_url)
            await page.evaluate("(options) => host.open(options)", {"user": user, **options})
            widget.frame = page.frames[1]
            yield widget
            unexpected = [text for text in widget.complaints if not any(part in text for part in expected)]
            assert not unexpected, json.dumps(unexpected, indent=2)
        finally:
            self.site.fault = None
            await context.close()


def _note(widget: Widget, message: ConsoleMessage) -> None:
    if message.type in {"error", "warning"}:
        widget.complaints.append(f"{message.type}: {message.text}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A browser, a todo server and a host's site for all tests of a file."""
    cache = request.config.cache
    assert cache is not None
    expect.set_options(timeout=WAIT_MS)
    async with running_browser() as browser:
        packages = npm_packages(Path(__file__).parent / "npm", cache)
        folder = tmp_path_factory.mktemp("widget")
        bundle_host(packages, folder / "host.js")
        async with running_todo_server(sqlite_database(folder)) as service:
            html = await read_page(service.mcp_url)
            async with Site(service.mcp_url, folder / "host.js", html).running() as site:
                yield Stage(browser, site, service, packages)
