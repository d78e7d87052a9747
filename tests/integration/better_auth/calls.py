"""Calling both services with a token, and nothing else."""

from typing import Any, Final

import httpx

from tests.support.services import Service

HEADERS: Final = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


async def say(chat: Service, user_id: str, token: str, message: str) -> httpx.Response:
    """Send chat-api a message."""
    async with httpx.AsyncClient(base_url=chat.base_url, timeout=30, trust_env=False) as http:
        headers = {"authorization": f"Bearer {token}"}
        return await http.post(f"/api/{user_id}/chat", json={"message": message}, headers=headers)


async def call(todo: Service, token: str, tool: str, **arguments: Any) -> httpx.Response:
    """Call a tool of the todo server."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        headers = {**HEADERS, "authorization": f"Bearer {token}"}
        return await http.post(todo.mcp_url, json=request, headers=headers)


async def titles(todo: Service, token: str) -> list[str]:
    """Return the titles of the user's open tasks."""
    response = await call(todo, token, "list_tasks")
    assert response.status_code == 200, response.text
    return [task["title"] for task in response.json()["result"]["structuredContent"]["tasks"]]
