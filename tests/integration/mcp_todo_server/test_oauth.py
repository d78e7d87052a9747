"""OAuth mode: what clients are told of this resource, and that they are asked for what they lack."""

import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import jwt
import pytest
import pytest_asyncio
from mcp.shared.auth import ProtectedResourceMetadata

from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.databases import NewDatabase, sqlite_database
from tests.support.services import Service, running_todo_server
from tests.support.tokens import SECRET, mcp_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESOURCE = "https://todo.example.org/mcp"
ISSUER = "https://front.example.org"
METADATA = "/.well-known/oauth-protected-resource"
OAUTH = {"OAUTH_DISCOVERY": "on", "PUBLIC_URL": "https://todo.example.org", "AUTH_ISSUER": ISSUER}
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
PARAMETER = re.compile(r'(\w+)="([^"]*)"')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A server in OAuth mode; no database makes a difference to it."""
    async with running_todo_server(sqlite_database(tmp_path_factory.mktemp("todo")), **OAUTH) as service:
        yield service


def request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


LIST_TOOLS = request("tools/list")
LIST_TASKS = request("tools/call", name="list_tasks", arguments={})
ADD_TASK = request("tools/call", name="add_task", arguments={"title": "milk"})


def token(user: str, *scopes: str, audience: str = RESOURCE) -> str:
    claims = {"sub": user, "aud": audience, "exp": time.time() + 3600, "scope": " ".join(scopes)}
    return jwt.encode(claims, SECRET, "HS256")


async def post(service: Service, body: Any, bearer: str | None = None) -> httpx2.Response:
    headers = HEADERS if bearer is None else {**HEADERS, "authorization": f"Bearer {bearer}"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        return await http.post(service.mcp_url, content=content, headers=headers)


def challenge(response: httpx2.Response) -> dict[str, str]:
    scheme, _, parameters = response.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(PARAMETER.findall(parameters))


@pytest.mark.parametrize("path", [METADATA, f"{METADATA}/mcp"])
async def test_the_metadata_stands_at_both_well_known_paths_for_any_web_page_to_read(
    server: Service, path: str
) -> None:
    page = {"origin": "http://localhost:6274"}
    preflight = {"access-control-request-method": "GET", "access-control-request-headers": "mcp-protocol-version"}
    async with httpx2.AsyncClient(base_url=server.base_url, trust_env=False) as http:
        response = await http.get(path, headers=page)
        allowed = await http.options(path, headers={**page, **preflight})
    assert response.json() == {
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["tasks:read", "tasks:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Todo",
    }
    ProtectedResourceMetadata.model_validate(response.json())
    assert response.headers["access-control-allow-origin"] == "*"
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "*"
    assert "mcp-protocol-version" in allowed.headers["access-control-allow-headers"].lower()


async def test_a_resource_below_a_path_has_its_metadata_below_the_same_path(new_database: NewDatabase) -> None:
    public = {**OAUTH, "PUBLIC_URL": "https://example.org/todo/mcp"}
    async with running_todo_server(new_database("sqlite"), **public) as service:
        where = challenge(await post(service, LIST_TOOLS))["resource_metadata"]
        assert where == f"https://example.org{METADATA}/todo/mcp"
        async with httpx2.AsyncClient(trust_env=False) as http:
            response = await http.get(f"{service.base_url}{METADATA}/todo/mcp")
    assert response.json()["resource"] == "https://example.org/todo/mcp"


@pytest.mark.parametrize("public_url", ["https://Todo.Example.org:443", "https://bücher.example/Todo/"])
async def test_a_token_for_the_resource_as_published_is_good_however_the_url_is_written(
    new_database: NewDatabase, user: str, public_url: str
) -> None:
    async with running_todo_server(new_database("sqlite"), **{**OAUTH, "PUBLIC_URL": public_url}) as service:
        async with httpx2.AsyncClient(trust_env=False) as http:
            resource = (await http.get(f"{service.base_url}{METADATA}")).json()["resource"]
        answer = await post(service, LIST_TASKS, token(user, "tasks:read", audience=resource))
    assert answer.status_code == 200


async def test_who_has_no_good_token_is_told_where_to_get_one_and_for_what(server: Service) -> None:
    guidance = {"resource_metadata": f"https://todo.example.org{METADATA}/mcp", "scope": "tasks:read tasks:write"}
    without = await post(server, LIST_TOOLS)
    assert (without.status_code, challenge(without)) == (401, guidance)
    bad = await post(server, LIST_TOOLS, "abc")
    told = {"error": "invalid_token", "error_description": "the token is malformed"}
    assert (bad.status_code, challenge(bad)) == (401, {**told, **guidance})


async def test_only_tokens_made_for_this_resource_are_good(server: Service, user: str) -> None:
    for audience in (RESOURCE, "https://todo.example.org", "mcp-todo-server"):
        assert (await post(server, LIST_TASKS, token(user, "tasks:read", audience=audience))).status_code == 200
    for audience in ("https://other.example.org/mcp", ISSUER, f"{RESOURCE}/more"):
        refused = await post(server, LIST_TASKS, token(user, "tasks:read", audience=audience))
        assert (refused.status_code, challenge(refused)["error_description"]) == (
            401,
            "the token is made for another audience",
        )


@pytest.mark.parametrize(
    ("held", "body", "asked_for"),
    [
        (["tasks:read"], ADD_TASK, "tasks:read tasks:write"),
        (["openid", "tasks:read"], ADD_TASK, "tasks:read tasks:write"),
        (["openid"], LIST_TASKS, "tasks:read"),
        ([], ADD_TASK, "tasks:write"),
        (["tasks:write"], LIST_TASKS, "tasks:read tasks:write"),
        ([], request("resources/read", uri="todo://tasks"), "tasks:read"),
    ],
)
async def test_a_call_beyond_the_tokens_scopes_is_403_and_asks_for_more(
    server: Service, user: str, held: list[str], body: Any, asked_for: str
) -> None:
    response = await post(server, body, token(user, *held))
    assert response.status_code == 403
    asked = challenge(response)
    assert (asked["error"], asked["scope"]) == ("insufficient_scope", asked_for)
    assert asked["resource_metadata"] == f"https://todo.example.org{METADATA}/mcp"
    assert asked["error_description"].startswith("the access token lacks the scope tasks:")


async def test_a_call_that_was_refused_for_its_scope_did_nothing(server: Service, user: str) -> None:
    assert (await post(server, ADD_TASK, token(user, "tasks:read"))).status_code == 403
    listed = await post(server, LIST_TASKS, token(user, "tasks:read"))
    assert listed.json()["result"]["structuredContent"]["tasks"] == []


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_within_its_scopes_a_token_is_as_good_as_any(server: Service, user: str, mode: str) -> None:
    async with mcp_client(server.mcp_url, token(user, "tasks:read"), mode) as client:
        assert len((await client.list_tools()).tools) > 1
        assert not (await client.call_tool("list_tasks", {})).is_error
        assert (await client.call_tool("no_such_tool", {})).is_error


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
async def test_a_broken_body_of_a_limited_token_is_400(server: Service, user: str, body: bytes) -> None:
    assert (await post(server, body, token(user, "tasks:read"))).status_code == 400


async def test_an_over_long_body_of_a_limited_token_is_413(server: Service, user: str) -> None:
    assert (await post(server, b" " * 1_048_577, token(user, "tasks:read"))).status_code == 413


async def test_in_header_mode_a_missing_scope_is_the_tools_own_refusal(new_database: NewDatabase, user: str) -> None:
    async with running_todo_server(new_database("sqlite")) as service:
        async with mcp_client(service.mcp_url, mcp_token(user, scopes=["tasks:read"])) as client:
            refused = await client.call_tool("add_task", {"title": "milk"})
        async with httpx2.AsyncClient(trust_env=False) as http:
            for path in (METADATA, f"{METADATA}/mcp"):
                assert (await http.get(f"{service.base_url}{path}")).status_code == 404
    assert refused.is_error
    assert "tasks:write" in refused.model_dump()["content"][0]["text"]
