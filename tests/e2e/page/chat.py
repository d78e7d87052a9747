"""The page as one user sees it, by the roles and names that a screen reader would tell."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from playwright.async_api import FrameLocator, Locator, Page, expect

from tests.e2e.page.watch import Watch
from tests.integration.chat_api.conftest import ChatUser, as_user
from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.services import Service
from tests.support.tokens import mcp_token

WAIT_MS: Final = 40_000
"""Longest time that anything on the page may take, on a machine busy with other tests."""


class Chat:
    """One tab."""

    def __init__(self, user: str, page: Page, watch: Watch, service: Service, todo: Service) -> None:
        self.user: Final = user
        self.page: Final = page
        self.watch: Final = watch
        self.service: Final = service
        self.todo: Final = todo
        self.expected: Final[list[str]] = []
        """Complaints of the browser that the test has come to expect."""

    @asynccontextmanager
    async def tab(self, path: str | None = None) -> AsyncIterator["Chat"]:
        """Open another tab of the same browser, at this one's address unless another is given."""
        page = await self.page.context.new_page()
        await page.goto(path or await self.page.evaluate("location.href"))
        yield Chat(self.user, page, self.watch, self.service, self.todo)
        await page.close()

    async def stands(self) -> None:
        """Wait until the tasks are there, which are the last to come: nothing that loads them is to be cut off."""
        await expect(self.tasks.locator(".date")).not_to_be_empty()

    def button(self, name: str) -> Locator:
        """A button of the page, by its whole name."""
        return self.page.get_by_role("button", name=name, exact=True)

    # The conversation

    @property
    def composer(self) -> Locator:
        """Where a message is written."""
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def turns(self) -> Locator:
        """Messages of the user's, each with everything that came of it; oldest first."""
        return self.page.locator("main .turn")

    def turn_of(self, question: str) -> Locator:
        """The turn of a message, by its whole text."""
        return self.turns.filter(has=self.page.locator(".words").get_by_text(question, exact=True))

    @property
    def scroller(self) -> Locator:
        """What scrolls the turns."""
        return self.page.get_by_role("log", name="Conversation")

    @property
    def questions(self) -> Locator:
        """The user's messages."""
        return self.turns.get_by_role("article", name="You").locator(".words")

    @property
    def answers(self) -> Locator:
        """What the assistant said, text by text."""
        return self.turns.get_by_role("article", name="Assistant").locator(".markdown")

    @property
    def answer(self) -> Locator:
        """What the assistant said last to the last message."""
        return self.turns.last.get_by_role("article", name="Assistant").locator(".markdown").last

    @property
    def status(self) -> Locator:
        """Where the last answer stands, and what can be done about it."""
        return self.turns.last.locator(".status")

    @property
    def cards(self) -> Locator:
        """What the tools did, all conversation long."""
        return self.turns.locator(".card")

    async def say(self, text: str) -> None:
        """Write a message and send it by the Enter key."""
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def ask(self, text: str, answer: str) -> None:
        """Send a message and wait for an answer that has this text in it."""
        await self.say(text)
        await expect(self.questions.last).to_have_text(text)
        await expect(self.answer).to_contain_text(answer)
        await self.settled()

    async def act(self, beginning: str) -> None:
        """Press the last turn's button whose name begins so; it may show only to those who point at it."""
        await self.turns.last.hover()
        await self.turns.last.get_by_role("button", name=re.compile(f"^{beginning}")).click()

    async def settled(self) -> None:
        """Wait until no turn is at work."""
        await expect(self.button("Stop the answer")).to_be_hidden()

    async def look(self) -> None:
        """Have the page look what is new, as it does when somebody comes back to it."""
        await self.page.evaluate("void document.dispatchEvent(new Event('visibilitychange'))")

    @property
    def connection(self) -> Locator:
        """The note that the connection is lost."""
        return self.page.locator("#connection")

    @property
    def title(self) -> Locator:
        """The title of the conversation that is shown."""
        return self.page.get_by_role("heading", level=1)

    async def begin(self) -> None:
        """Open a new conversation."""
        await self.sidebar.get_by_role("button", name="New conversation").click()

    async def listen(self) -> None:
        """Note from now on, in `window.told`, what those hear who do not see the page."""
        await self.page.evaluate(
            """() => {
              window.told = [];
              const live = "[aria-live]:not([aria-live=off]), [role=status], [role=alert]";
              const note = (records) => {
                for (const { addedNodes, target } of records) {
                  if (!target.closest(live)) continue;
                  window.told.push(...[...addedNodes].map(({ textContent }) => textContent.trim()).filter(Boolean));
                }
              };
              new MutationObserver(note).observe(document.body, { childList: true, subtree: true });
            }"""
        )

    async def told(self, part: str) -> list[str]:
        """Wait until something was told that has this in it, and return all that was told."""
        await self.page.wait_for_function("(part) => window.told.some((text) => text.includes(part))", arg=part)
        told: list[str] = await self.page.evaluate("window.told")
        return told

    # The sidebar

    @property
    def sidebar(self) -> Locator:
        """The user's conversations."""
        return self.page.get_by_role("complementary", name="Conversations")

    def conversation(self, title: str) -> Locator:
        """The way to one conversation."""
        return self.sidebar.get_by_role("list").get_by_role("link", name=title)

    async def titles(self) -> list[str]:
        """The titles in the sidebar, in order."""
        return await self.sidebar.get_by_role("list").locator(".name").all_text_contents()

    async def choose(self, title: str, command: str) -> None:
        """Open the menu of a conversation and choose a command of it."""
        await self.sidebar.get_by_role("listitem").filter(has_text=title).hover()
        await self.sidebar.get_by_role("button", name=f"Options of “{title}”", exact=True).click()
        await self.page.get_by_role("menuitem", name=command).click()

    @property
    def toasts(self) -> Locator:
        """Short notes on what was done."""
        return self.page.get_by_role("region", name="Messages of the page")

    # The tasks

    @property
    def tasks(self) -> FrameLocator:
        """The task list in its frame."""
        return self.page.frame_locator("iframe")

    def box(self, title: str) -> Locator:
        """The checkbox of one task."""
        return self.tasks.get_by_role("checkbox", name=title, exact=True)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool from somewhere else: another MCP client of the same user."""
        async with mcp_client(self.todo.mcp_url, mcp_token(self.user), "2026-07-28") as client:
            result = await client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        answer: dict[str, Any] = result.structured_content or {}
        return answer

    async def titles_on_server(self, **filters: Any) -> list[str]:
        """The titles of the tasks that the todo server has, in its order."""
        return [task["title"] for task in (await self.call("list_tasks", **filters))["tasks"]]

    # Beside the page

    @asynccontextmanager
    async def api(self) -> AsyncIterator[ChatUser]:
        """A client of chat-api that speaks as the same user."""
        async with as_user(self.service, self.user) as user:
            yield user
