"""JSON or an event stream: which of them a request is answered with, and what an old client goes without."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from mcp import MCPError
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.types import METHOD_NOT_FOUND

from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.services import Service

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings(f"ignore::{MCPDeprecationWarning.__module__}.MCPDeprecationWarning"),
]

BOTH = "application/json, text/event-stream"
ERAS = pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}

Post = Callable[..., Awaitable[httpx2.Response]]


@pytest.fixture
def post(server: Service, token: str, era: str) -> Post:
    """Sends one call of a tool in an era, and returns the whole response."""

    async def send(
        tool: str, arguments: dict[str, Any], meta: dict[str, Any] | None = None, accept: str = BOTH
    ) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}", "accept": accept, "mcp-protocol-version": era}
        if era == "2026-07-28":
            headers |= {"mcp-method": "tools/call", "mcp-name": tool}
            meta = {**ENVELOPE, **(meta or {})}
        params = {"name": tool, "arguments": arguments, **({"_meta": meta} if meta else {})}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            return await http.post(server.mcp_url, json=body, headers=headers)

    return send


def content_type(response: httpx2.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.headers["content-type"]).partition(";")[0]


def messages(response: httpx2.Response) -> list[dict[str, Any]]:
    lines = (line.partition("data: ")[2] for line in response.text.splitlines() if line.startswith("data: "))
    return [json.loads(line) for line in lines]


def batch(size: int, title: str = "x") -> dict[str, Any]:
    return {"add": [{"title": title} for _ in range(size)]}


@ERAS
async def test_an_answer_is_json_unless_something_else_is_needed(post: Post, era: str) -> None:
    for tool, arguments in (("add_task", {"title": "x"}), ("list_tasks", {}), ("batch_tasks", batch(20))):
        response = await post(tool, arguments)
        assert content_type(response) == "application/json"
        assert not response.json()["result"].get("isError")


@ERAS
async def test_progress_comes_in_an_event_stream(post: Post, era: str) -> None:
    response = await post("batch_tasks", batch(40), {"progressToken": "p"})
    assert content_type(response) == "text/event-stream"
    *progress, answer = messages(response)
    assert len(progress) >= 2
    assert {message["method"] for message in progress} == {"notifications/progress"}
    assert {message["params"]["progressToken"] for message in progress} == {"p"}
    assert progress[-1]["params"]["progress"] == progress[-1]["params"]["total"] == 40
    assert len(answer["result"]["structuredContent"]["add"]) == 40


@ERAS
async def test_a_long_call_is_read_to_its_end_for_a_progress_token(post: Post, era: str) -> None:
    long = {"add": [{"title": "x", "description": "y" * 5000} for _ in range(50)]}
    assert content_type(await post("batch_tasks", long, {"progressToken": 1})) == "text/event-stream"


@ERAS
async def test_who_accepts_no_event_stream_gets_json_and_no_progress(post: Post, era: str) -> None:
    response = await post("batch_tasks", batch(40), {"progressToken": "p"}, accept="application/json")
    assert content_type(response) == "application/json"
    assert len(response.json()["result"]["structuredContent"]["add"]) == 40


@ERAS
async def test_a_title_that_reads_like_a_progress_token_is_a_title(post: Post, era: str) -> None:
    title = 'the "progressToken" of MCP'
    response = await post("add_task", {"title": title})
    answer = response.json() if content_type(response) == "application/json" else messages(response)[-1]
    assert answer["result"]["structuredContent"]["title"] == title


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_real_client_hears_progress_in_either_era(server: Service, token: str, mode: str) -> None:
    heard: list[tuple[float, float | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    async with mcp_client(server.mcp_url, token, mode) as client:
        result = await client.call_tool("batch_tasks", batch(40), progress_callback=on_progress)
    assert not result.is_error
    assert heard
    assert heard == sorted(heard)
    assert heard[-1] == (40, 40)


async def test_an_old_client_over_http_goes_without_subscriptions_and_without_errors(
    server: Service, token: str
) -> None:
    async with mcp_client(server.mcp_url, token, "legacy") as client:
        capabilities = client.server_capabilities
        assert capabilities is not None
        assert capabilities.resources is not None
        assert not capabilities.resources.subscribe
        assert not capabilities.resources.list_changed
        assert {"add_task", "list_tasks"} <= {tool.name for tool in (await client.list_tools()).tools}
        assert not (await client.call_tool("add_task", {"title": "x"})).is_error
        assert (await client.read_resource("todo://tasks/1")).contents
        assert (await client.get_prompt("plan_my_day")).messages
        with pytest.raises(MCPError) as refused:
            await client.subscribe_resource("todo://tasks")
        assert refused.value.error.code == METHOD_NOT_FOUND
        assert not (await client.call_tool("complete_task", {"task_id": 1})).is_error
    assert "Traceback" not in server.log


async def test_a_new_client_is_promised_what_there_is_and_no_more(server: Service, token: str) -> None:
    async with mcp_client(server.mcp_url, token, "auto") as client:
        capabilities = client.server_capabilities
        assert client.protocol_version == "2026-07-28"
    assert capabilities is not None
    assert capabilities.resources is not None
    assert capabilities.tools is not None
    assert capabilities.prompts is not None
    assert capabilities.completions is not None
    assert capabilities.resources.subscribe is True
    assert not capabilities.resources.list_changed
    assert not capabilities.tools.list_changed
    assert not capabilities.prompts.list_changed


async def test_who_listens_has_to_accept_an_event_stream(server: Service, token: str) -> None:
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "subscriptions/listen",
    }
    params = {"notifications": {"resourceSubscriptions": ["todo://tasks"]}, "_meta": ENVELOPE}
    body = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        assert (await http.post(server.mcp_url, json=body, headers=headers)).status_code == 406
