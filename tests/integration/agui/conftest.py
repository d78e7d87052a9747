"""The AG-UI endpoint for tests: the fixtures of chat-api's tests, and threads by plain HTTP."""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.chat_api.conftest import (
    ChatUser,
    ann,
    chat,
    client,
    module_database_url,
    module_stub,
    stub,
    todo,
    user_id,
)
from tests.support.agui_client import installed_client

__all__ = ["ann", "chat", "client", "module_database_url", "module_stub", "stub", "todo", "user_id"]


class Thread:
    """One thread of a user, spoken to as any HTTP client can."""

    def __init__(self, user: ChatUser) -> None:
        self.user = user
        self.thread_id = f"thread-{uuid.uuid4().hex}"

    def input(self, message: Any = None, **fields: Any) -> dict[str, Any]:
        """Make a `RunAgentInput` with a message of the user's, and a new run id unless one is given."""
        messages = [] if message is None else [{"id": uuid.uuid4().hex, "role": "user", "content": message}]
        required = {"threadId": self.thread_id, "runId": uuid.uuid4().hex, "messages": messages}
        return {**required, "tools": [], "context": [], "state": {}, "forwardedProps": {}, **fields}

    async def post(self, message: Any = None, **fields: Any) -> httpx.Response:
        """Send a `RunAgentInput` and return the whole answer."""
        return await self.user.http.post(f"/api/{self.user.user_id}/agui", json=self.input(message, **fields))

    async def conversations(self) -> list[dict[str, Any]]:
        """Return the user's conversations."""
        items: list[dict[str, Any]] = (await self.user.read("conversations"))["items"]
        return items


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the events of a stream that was read to its end."""
    assert response.status_code == 200, response.text
    lines = response.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def types_of(events: list[dict[str, Any]]) -> list[str]:
    """Return the events' types in order, however many pieces a text came in."""
    return [
        event["type"]
        for event, before in zip(events, [{}, *events], strict=False)
        if not event["type"] == before.get("type") == "TEXT_MESSAGE_CONTENT"
    ]


@pytest.fixture
def thread(ann: ChatUser) -> Thread:
    """A thread that does not exist yet."""
    return Thread(ann)


@pytest.fixture(scope="session")
def client_folder(request: pytest.FixtureRequest) -> Path:
    """Where the npm client is installed: once, in pytest's own cache."""
    cache = request.config.cache
    assert cache is not None
    return installed_client(cache)
