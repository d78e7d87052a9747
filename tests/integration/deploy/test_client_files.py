"""The configuration files in deploy/: what each of them names is started, or connected to, as its client would."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import httpx2
import pytest
import pytest_asyncio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_todo_server.settings import Settings

from tests.support.databases import sqlite_database
from tests.support.documents import ROOT
from tests.support.mcp_packages import McpPackages, packages
from tests.support.services import Service, clean_environment, running_todo_server
from tests.support.tokens import mcp_token

__all__ = ["packages"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS: Final = ("claude-code", "claude-desktop", "cursor", "vscode")
CLONE: Final = "/absolute/path/to/todo-chat"
ADDRESS: Final = f"http://127.0.0.1:{Settings.model_fields['port'].default}/mcp"
PUBLIC: Final = "https://todo.example.org/mcp"
EVERY_CLIENT: Final = pytest.mark.parametrize("client_name", CLIENTS)


def entry(client_name: str, kind: str) -> dict[str, Any]:
    """Return the one server that a file names."""
    file = json.loads((ROOT / "deploy" / client_name / f"{kind}.json").read_text())
    servers = file["servers" if client_name == "vscode" else "mcpServers"]
    assert list(servers) == ["todo"]
    found: dict[str, Any] = servers["todo"]
    return found


def expanded(text: str, **variables: str) -> str:
    """Put in what the user has set, by the rules of whichever client it is for."""

    def value(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        return variables.get(name, default or f"{name} is not set")

    return re.sub(r"\$\{(?:env:|input:)?([\w-]+)(?::-([^}]*))?\}", value, text)


def words_of(node: Any) -> Iterator[str]:
    """Yield every text in a file."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for part in node.values() if isinstance(node, dict) else node:
            yield from words_of(part)


@asynccontextmanager
async def started(parameters: StdioServerParameters, log: Path) -> AsyncIterator[Client]:
    with log.open("w") as errors:
        async with Client(stdio_client(parameters, errlog=errors), mode="legacy") as client:
            yield client


async def keeps_a_task(client: Client) -> None:
    assert not (await client.call_tool("add_task", {"title": "Buy milk"})).is_error
    listed = await client.call_tool("list_tasks", {})
    assert listed.structured_content is not None
    assert [task["title"] for task in listed.structured_content["tasks"]] == ["Buy milk"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with running_todo_server(sqlite_database(tmp_path_factory.mktemp("database"))) as running:
        yield running


async def test_every_client_has_every_way_in() -> None:
    for client_name in CLIENTS:
        files = sorted((ROOT / "deploy" / client_name).iterdir())
        assert [file.name for file in files] == ["http.json", "oauth.json", "stdio.json"]
        for file in files:
            # Nothing but the addresses that a reader is told to replace, and no token.
            for word in words_of(json.loads(file.read_text())):
                assert not word.startswith("/") or word.startswith(CLONE), file
                assert not re.search(r"eyJ|Bearer [^$t]", word), file


@EVERY_CLIENT
async def test_the_server_that_a_client_starts_keeps_tasks(client_name: str, tmp_path: Path) -> None:
    server = entry(client_name, "stdio")
    assert server.get("type", "stdio") == "stdio"
    parameters = StdioServerParameters(
        command=server["command"].replace(CLONE, str(ROOT)),
        args=server["args"],
        env=clean_environment(HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path / "data")),
        cwd=tmp_path,
    )
    async with started(parameters, tmp_path / "stderr.log") as client:
        await keeps_a_task(client)
    assert list((tmp_path / "data").rglob("*.db"))


@pytest.mark.parametrize("client_name", ["claude-code", "cursor", "vscode"])
async def test_a_client_connects_with_its_token(service: Service, client_name: str) -> None:
    server = entry(client_name, "http")
    assert expanded(server["url"]) == ADDRESS
    assert server.get("type", "http") == "http"
    token = mcp_token(f"user-of-{client_name}")
    variables = {"TODO_TOKEN": token, "todo-token": token, "TODO_URL": service.mcp_url}
    headers = {name: expanded(value, **variables) for name, value in server["headers"].items()}
    url = expanded(server["url"], **variables).replace(ADDRESS, service.mcp_url)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
    ):
        await keeps_a_task(client)


async def test_vs_code_asks_for_the_token_and_hides_it() -> None:
    (asked,) = json.loads((ROOT / "deploy" / "vscode" / "http.json").read_text())["inputs"]
    assert (asked["type"], asked["id"], asked["password"]) == ("promptString", "todo-token", True)


async def test_claude_desktop_connects_by_way_of_mcp_remote(
    service: Service, packages: McpPackages, tmp_path: Path
) -> None:
    server = entry("claude-desktop", "http")
    assert (server["command"], server["args"][:3]) == ("npx", ["-y", "mcp-remote", ADDRESS])
    # What npx would download is installed already.
    parameters = StdioServerParameters(
        command=packages.program("mcp-remote"),
        args=[word.replace(ADDRESS, service.mcp_url) for word in server["args"][2:]],
        env=packages.environment(
            **{name: value.replace("the-token", mcp_token("desktop")) for name, value in server["env"].items()},
            HOME=str(tmp_path),
        ),
        cwd=tmp_path,
    )
    async with started(parameters, tmp_path / "stderr.log") as client:
        await keeps_a_task(client)


@EVERY_CLIENT
async def test_a_client_without_a_token_is_told_where_to_sign_in(client_name: str, tmp_path: Path) -> None:
    server = entry(client_name, "oauth")
    url = server["args"][2] if client_name == "claude-desktop" else server["url"]
    assert url == PUBLIC
    assert "headers" not in server
    settings = {
        "OAUTH_DISCOVERY": "on",
        "PUBLIC_URL": url.removesuffix("/mcp"),
        "AUTH_ISSUER": "https://sign-in.example.org",
    }
    async with (
        running_todo_server(sqlite_database(tmp_path), **settings) as service,
        httpx.AsyncClient(base_url=service.base_url, timeout=30, trust_env=False) as http,
    ):
        challenge = (await http.post("/mcp", json={})).headers["WWW-Authenticate"]
        (metadata,) = re.findall(r'resource_metadata="https://todo\.example\.org([^"]+)"', challenge)
        found = (await http.get(metadata)).json()
    assert found["resource"] == url
    assert found["authorization_servers"] == ["https://sign-in.example.org"]
