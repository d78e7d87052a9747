"""OAuth mode from an MCP client's first request on: it knows the server's address, and finds everything else.

The client is the Python SDK's, the authorization server Better Auth's oauth-provider plugin: metadata of the resource
and of the server, dynamic client registration, PKCE, resource indicators, and the step-up to a further scope.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import httpx2
import jwt
import pytest
import pytest_asyncio
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.integration.better_auth.calls import call
from tests.support.better_auth import RESOURCE, BetterAuth, Person
from tests.support.databases import sqlite_database
from tests.support.services import Service, running_todo_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST = httpx.URL(RESOURCE).host
ERAS = pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def todo(better_auth: BetterAuth, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A todo server in OAuth mode, whose users come from Better Auth."""
    database_url = sqlite_database(tmp_path_factory.mktemp("todo"))
    oauth = {"OAUTH_DISCOVERY": "on", "PUBLIC_URL": RESOURCE, "ALLOWED_HOSTS": f"127.0.0.1:*,{HOST}"}
    async with running_todo_server(database_url, **better_auth.variables, **oauth) as service:
        yield service


class Front(httpx2.AsyncHTTPTransport):
    """Brings what is sent to the todo server's public name to where it runs, as a reverse proxy does."""

    def __init__(self, todo: Service) -> None:
        super().__init__()
        self._port = todo.port
        self.statuses: list[int] = []
        """How the todo server answered, in order."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host != HOST:
            return await super().handle_async_request(request)
        url = request.url.copy_with(host="127.0.0.1", port=self._port)
        response = await super().handle_async_request(
            httpx2.Request(request.method, url, headers=request.headers, stream=request.stream)
        )
        self.statuses.append(response.status_code)
        return response


@dataclass
class Connection:
    """What an MCP client keeps of one user's connection to one server, and how it asks the user."""

    person: Person
    allows: list[str | None] = field(default_factory=list)
    """What the user lets it have each time that they are asked: a scope, or all that it asks for (None)."""
    asked_for: list[str] = field(default_factory=list)
    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    _answer: httpx.QueryParams = field(default_factory=httpx.QueryParams)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    async def ask(self, authorization_url: str) -> None:
        self.asked_for.append(httpx.URL(authorization_url).params["scope"])
        self._answer = await self.person.allow(authorization_url, self.allows.pop(0))

    async def answer(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult.model_validate(dict(self._answer))

    def provider(self) -> OAuthClientProvider:
        metadata = OAuthClientMetadata(
            client_name="A client of the tests",
            redirect_uris=[AnyUrl("http://127.0.0.1:3118/callback")],
            grant_types=["authorization_code", "refresh_token"],
            token_endpoint_auth_method="none",
        )
        return OAuthClientProvider(RESOURCE, metadata, self, self.ask, self.answer)


@asynccontextmanager
async def connected(front: Front, connection: Connection, mode: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(transport=front, auth=connection.provider(), timeout=30, trust_env=False) as http,
        Client(streamable_http_client(RESOURCE, http_client=http), mode=mode) as client,
    ):
        yield client


@ERAS
async def test_a_client_that_knows_only_the_address_gets_its_user_to_let_it_in(
    todo: Service, ann: Person, mode: str
) -> None:
    front, connection = Front(todo), Connection(ann, allows=[None])
    async with connected(front, connection, mode) as client:
        assert not (await client.call_tool("add_task", {"title": "milk"})).is_error
        listed = await client.call_tool("list_tasks", {})
    assert listed.structured_content is not None
    assert [task["title"] for task in listed.structured_content["tasks"]] == ["milk"]
    assert front.statuses[:2] == [401, 200]
    # The challenge's scopes, and the one by which this server issues refresh tokens.
    assert connection.asked_for == ["tasks:read tasks:write offline_access"]
    assert connection.tokens is not None
    claims = jwt.decode(connection.tokens.access_token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == (ann.user_id, RESOURCE)


@ERAS
async def test_a_call_beyond_what_the_user_allowed_asks_them_for_more(todo: Service, ann: Person, mode: str) -> None:
    front, connection = Front(todo), Connection(ann, allows=["tasks:read", None])
    async with connected(front, connection, mode) as client:
        assert not (await client.call_tool("list_tasks", {})).is_error
        assert len(connection.asked_for) == 1
        assert 403 not in front.statuses
        assert not (await client.call_tool("add_task", {"title": "milk"})).is_error
        listed = await client.call_tool("list_tasks", {})
    assert front.statuses.count(403) == 1
    assert len(connection.asked_for) == 2
    assert listed.structured_content is not None
    assert len(listed.structured_content["tasks"]) == 1


async def test_a_token_for_another_resource_and_a_page_s_own_token_are_told_apart(
    todo: Service, better_auth: BetterAuth, ann: Person
) -> None:
    # AUTH_AUDIENCE names Better Auth itself: what its pages get by /token is let in where an operator sets that.
    assert (await call(todo, await ann.token(), "list_tasks")).status_code == 200
    without = {**better_auth.variables, "AUTH_AUDIENCE": ""}
    oauth = {"OAUTH_DISCOVERY": "on", "PUBLIC_URL": "https://other.example.org/mcp"}
    async with running_todo_server(todo.environment["DATABASE_URL"], **without, **oauth) as other:
        assert (await call(other, await ann.token(), "list_tasks")).status_code == 401
        connection = Connection(ann, allows=[None])
        async with connected(Front(todo), connection, "2026-07-28") as client:
            await client.list_tools()
        assert connection.tokens is not None
        token = connection.tokens.access_token
        assert (await call(todo, token, "list_tasks")).status_code == 200
        assert (await call(other, token, "list_tasks")).status_code == 401
