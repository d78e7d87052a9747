"""The HTTP edge: who is let in, and what is refused before any tool is asked."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from mcp_todo_server.tasks.tools import TOOLS

from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.databases import NewDatabase
from tests.support.services import Service, free_port, run_command, running_todo_server
from tests.support.tokens import SECRET, mcp_token, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
AUDIENCE = "mcp-todo-server"
DAY = 86_400
"""Parameters are made long before the tests run."""

Post = Callable[..., Awaitable[httpx2.Response]]


@pytest.fixture
def post(server: Service) -> Post:
    """Sends one JSON-RPC request to the endpoint."""

    async def send(token: str | None = None, body: Any = LIST_TOOLS, **headers: str) -> httpx2.Response:
        bearer = {} if token is None else {"authorization": f"Bearer {token}"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            return await http.post(server.mcp_url, content=content, headers={**HEADERS, **bearer, **headers})

    return send


def signed(**claims: Any) -> str:
    return jwt.encode({"sub": "ann", "aud": AUDIENCE, "exp": time.time() + DAY, **claims}, SECRET, "HS256")


async def test_a_good_token_is_let_in(post: Post, user: str) -> None:
    response = await post(mcp_token(user))
    assert response.status_code == 200
    assert len(response.json()["result"]["tools"]) == len(TOOLS)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("abc", "malformed"),
        (user_token("ann", lifetime_seconds=DAY), "no aud"),
        (signed(aud="chat-api"), "audience"),
        (signed(exp=time.time() - 3600), "expired"),
        (signed(nbf=time.time() + DAY), "not valid yet"),
        (mcp_token("ann", secret="another-secret-of-the-tests-0123456789", lifetime_seconds=DAY), "signature"),
        (jwt.encode({"sub": "ann", "aud": AUDIENCE, "exp": time.time() + DAY}, "", "none"), "algorithm"),
        (signed(sub=""), "sub"),
        (jwt.encode({"aud": AUDIENCE, "exp": time.time() + DAY}, SECRET, "HS256"), "no sub"),
        (jwt.encode({"aud": AUDIENCE, "sub": "ann"}, SECRET, "HS256"), "no exp"),
    ],
)
async def test_a_token_that_proves_nothing_is_401_with_its_reason(post: Post, token: str, reason: str) -> None:
    response = await post(token)
    assert response.status_code == 401
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="invalid_token", error_description="')
    assert reason in challenge
    assert "resource_metadata" not in challenge


@pytest.mark.parametrize("header", [None, "Basic YTpi", "bearer", ""])
async def test_without_a_token_the_answer_names_the_scheme(server: Service, header: str | None) -> None:
    headers = HEADERS if header is None else {**HEADERS, "authorization": header}
    async with httpx2.AsyncClient(trust_env=False) as http:
        response = await http.post(server.mcp_url, json=LIST_TOOLS, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_only_post_means_anything(server: Service, token: str, method: str) -> None:
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        response = await http.request(method, server.mcp_url, headers={"authorization": f"Bearer {token}", **HEADERS})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost", "localhost:3000", "[::1]", "[::1]:80"])
async def test_this_machines_own_names_are_answered_with_any_port_and_none(post: Post, token: str, host: str) -> None:
    assert (await post(token, host=host)).status_code == 200
    for scheme in ("http", "https"):
        assert (await post(token, origin=f"{scheme}://{host}")).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8001", "localhost.evil.example", "[::2]", "127.0.0.11"])
async def test_a_foreign_host_or_origin_is_refused(post: Post, token: str, host: str) -> None:
    assert (await post(token, host=host)).status_code == 421
    assert (await post(token, origin=f"https://{host}")).status_code == 403


@pytest.mark.parametrize("origin", ["null", "localhost", "file://", "ftp://localhost", "*"])
async def test_what_is_no_web_page_of_this_machine_is_refused(post: Post, token: str, origin: str) -> None:
    assert (await post(token, origin=origin)).status_code == 403


async def test_a_lone_star_is_any_host(new_database: NewDatabase, user: str) -> None:
    async with running_todo_server(new_database("sqlite"), ALLOWED_HOSTS="*") as service:
        foreign = {"host": "todo.example.org", "origin": "https://todo.example.org"}
        headers = {**HEADERS, **foreign, "authorization": f"Bearer {mcp_token(user)}"}
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.post(service.mcp_url, json=LIST_TOOLS, headers=headers)).status_code == 200


async def test_an_over_long_body_is_413_and_the_next_request_is_fine(post: Post, token: str) -> None:
    assert (await post(token, {**LIST_TOOLS, "params": {"x": "y" * 1_048_576}})).status_code == 413
    assert (await post(token)).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"jsonrpc": "2.0"}'])
async def test_a_broken_body_is_400_and_the_next_request_is_fine(post: Post, token: str, body: bytes) -> None:
    assert (await post(token, body)).status_code == 400
    assert (await post(token)).status_code == 200


async def test_a_lone_surrogate_is_refused_and_nothing_is_stored(post: Post, token: str) -> None:
    call = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_task","arguments":{"title":"a\\ud800"}}}'
    )
    response = await post(token, call)
    assert response.status_code == 400 or response.json()["result"]["isError"]
    listing = {**LIST_TOOLS, "method": "tools/call", "params": {"name": "list_tasks", "arguments": {}}}
    assert (await post(token, listing)).json()["result"]["structuredContent"]["tasks"] == []


async def test_health_needs_no_token_and_no_known_host(server: Service) -> None:
    async with httpx2.AsyncClient(trust_env=False, headers={"host": "10.0.0.7:8001"}) as http:
        for path in ("/livez", "/readyz"):
            assert (await http.get(f"{server.base_url}{path}")).status_code == 200
        assert (await http.get(f"{server.base_url}/.well-known/oauth-protected-resource/mcp")).status_code == 404


async def test_no_token_and_no_task_stands_in_the_log(server: Service, post: Post, token: str) -> None:
    title = "a title that is nobody's business"
    call = {**LIST_TOOLS, "method": "tools/call"}
    await post(token, {**call, "params": {"name": "add_task", "arguments": {"title": title}}})
    await post(token, {**call, "params": {"name": "add_task", "arguments": {"title": title, "due": title}}})
    await post(f"{token}x")
    assert token not in server.log
    assert title not in server.log


async def test_a_revoked_token_is_401_and_a_new_one_is_good(
    server: Service, module_database_url: str, post: Post, user: str
) -> None:
    old, undated = mcp_token(user), signed(sub=user, scope="tasks:read")
    assert [(await post(token)).status_code for token in (old, undated)] == [200, 200]
    variables = {"DATABASE_URL": module_database_url, "BETTER_AUTH_SECRET": SECRET}
    code, output, _ = await run_command("mcp-todo-server", "token", "--revoke", "--user", user, **variables)
    assert (code, output) == (0, "")
    for token in (old, undated):
        response = await post(token)
        assert response.status_code == 401
        assert "revoked" in response.headers["www-authenticate"]
    code, fresh, errors = await run_command("mcp-todo-server", "token", "--user", user, "--days", "1", **variables)
    assert (code, errors) == (0, "")
    assert (await post(fresh.strip())).status_code == 200
    assert (await post(mcp_token(f"other-{user}"))).status_code == 200


async def test_a_secret_being_rotated_out_still_lets_in(new_database: NewDatabase, user: str) -> None:
    new_secret = "the-next-secret-of-the-tests-0123456789"
    rotation = {"BETTER_AUTH_SECRET": new_secret, "BETTER_AUTH_SECRET_PREVIOUS": SECRET}
    async with running_todo_server(new_database("sqlite"), **rotation) as service:
        for token in (mcp_token(user), mcp_token(user, secret=new_secret)):
            async with mcp_client(service.mcp_url, token) as client:
                assert not (await client.call_tool("list_tasks", {})).is_error


async def test_oauth_mode_publishes_the_resource_and_takes_tokens_made_for_it(new_database: NewDatabase) -> None:
    resource = "https://todo.example.org/mcp"
    variables = {
        "OAUTH_DISCOVERY": "on",
        "PUBLIC_URL": "https://todo.example.org",
        "AUTH_ISSUER": "https://front.example.org",
        "ALLOWED_HOSTS": "127.0.0.1:*,todo.example.org",
    }
    async with running_todo_server(new_database("sqlite"), **variables) as service:
        async with httpx2.AsyncClient(trust_env=False) as http:
            metadata = await http.get(f"{service.base_url}/.well-known/oauth-protected-resource/mcp")
            challenge = (await http.post(service.mcp_url, json=LIST_TOOLS, headers=HEADERS)).headers["www-authenticate"]
        assert metadata.json()["resource"] == resource
        assert metadata.json()["authorization_servers"] == ["https://front.example.org"]
        assert metadata.json()["scopes_supported"] == ["tasks:read", "tasks:write"]
        assert 'resource_metadata="https://todo.example.org/.well-known/oauth-protected-resource/mcp"' in challenge
        for audience in (resource, AUDIENCE):
            async with mcp_client(service.mcp_url, signed(aud=audience, scope="tasks:read")) as client:
                assert not (await client.call_tool("list_tasks", {})).is_error


async def test_an_issuer_that_does_not_answer_is_503_not_401(new_database: NewDatabase) -> None:
    token = jwt.encode(
        {"sub": "ann", "aud": AUDIENCE, "exp": time.time() + 60}, ed25519.Ed25519PrivateKey.generate(), "EdDSA"
    )
    nowhere = f"http://127.0.0.1:{free_port()}/jwks"
    async with running_todo_server(new_database("sqlite"), AUTH_JWKS_URL=nowhere) as service:
        async with httpx2.AsyncClient(trust_env=False) as http:
            headers = {**HEADERS, "authorization": f"Bearer {token}"}
            response = await http.post(service.mcp_url, json=LIST_TOOLS, headers=headers)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
