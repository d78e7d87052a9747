"""The web site of a host: its page, the task list's page at an address of its own, and a way to the todo server."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from chat_api.web.headers import widget_headers
from mcp_todo_server.widget.page import RESOURCE_URI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from todo_chat_shared.effects import EFFECT_KEY_META

from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.asgi import served
from tests.support.services import clean_environment
from tests.support.tokens import mcp_token

BUNDLE_SECONDS: Final = 60
HOST_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:"
)
_HERE: Final = Path(__file__).parent
_PASSED_ON: Final = ("accept", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name")

Forward = Callable[[], Awaitable[Response]]
Fault = Callable[["ToolCall", Forward], Awaitable[Response]]
"""What happens to a tool call on its way to the todo server, and to the answer on its way back."""


@dataclass(frozen=True)
class ToolCall:
    """A tool call that came by."""

    user: str
    name: str
    arguments: dict[str, Any]
    effect_key: str | None


def bundle_host(packages: Path, output: Path) -> None:
    """Make host.js of host.mjs and the npm packages installed in a folder."""
    made = subprocess.run(
        ("node_modules/.bin/esbuild", _HERE / "host.mjs", "--bundle", "--format=iife", f"--outfile={output}"),
        cwd=packages,
        env=clean_environment(NODE_PATH=str(packages / "node_modules")),
        capture_output=True,
        text=True,
        timeout=BUNDLE_SECONDS,
        check=False,
    )
    assert made.returncode == 0, made.stderr


async def read_page(mcp_url: str) -> str:
    """Return the task list's HTML as the todo server serves it to an MCP client."""
    async with mcp_client(mcp_url, mcp_token("reader")) as client:
        content = (await client.read_resource(RESOURCE_URI)).contents[0].model_dump()
    return str(content["text"])


class Site:
    """A host's site for any number of users; `fault` may get in the way of their calls."""

    def __init__(self, mcp_url: str, host_script: Path, html: str) -> None:
        self.base_url = ""
        self.fault: Fault | None = None
        self.calls: list[ToolCall] = []
        self._mcp_url = mcp_url
        self._host_script = host_script
        self._html = html
        self._http = httpx.AsyncClient(timeout=30, trust_env=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        """Serve the site on a free port."""
        routes = [
            Route("/", self._host_page),
            Route("/host.js", lambda _: FileResponse(self._host_script)),
            Route("/host.css", lambda _: FileResponse(_HERE / "host.css")),
            Route("/tasks", self._tasks_page),
            Route("/mcp", self._mcp, methods=["POST"]),
        ]
        async with served(Starlette(routes=routes)) as base_url:
            self.base_url = base_url
            yield self
        await self._http.aclose()

    @contextmanager
    def holding_calls(self) -> Iterator[None]:
        """Keep tool calls on their way until the block ends."""
        ended = asyncio.Event()

        async def hold(_call: ToolCall, forward: Forward) -> Response:
            await ended.wait()
            return await forward()

        self.fault = hold
        try:
            yield
        finally:
            self.fault = None
            ended.set()

    async def _host_page(self, _request: Request) -> Response:
        return FileResponse(_HERE / "host.html", headers={"Content-Security-Policy": HOST_POLICY})

    async def _tasks_page(self, _request: Request) -> Response:
        return HTMLResponse(self._html, headers=widget_headers(self._html, ()))

    async def _mcp(self, request: Request) -> Response:
        body = await request.body()
        user = request.query_params["user"]
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        headers["Authorization"] = f"Bearer {mcp_token(user)}"

        async def forward() -> Response:
            answer = await self._http.post(self._mcp_url, content=body, headers=headers)
            return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

        call = _tool_call(user, json.loads(body))
        if call is None:
            return await forward()
        self.calls.append(call)
        return await (forward() if self.fault is None else self.fault(call, forward))


def _tool_call(user: str, message: dict[str, Any]) -> ToolCall | None:
    if message.get("method") != "tools/call":
        return None
    params = message["params"]
    key = params.get("_meta", {}).get(EFFECT_KEY_META)
    return ToolCall(user, params["name"], params.get("arguments", {}), key)
