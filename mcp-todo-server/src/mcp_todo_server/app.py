"""The wiring: one MCP server over the user's tasks, served over HTTP or standard input and output."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
from mcp.server.request_state import RequestStateSecurity
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp
from todo_chat_shared.tokens import ALL_SCOPES

from mcp_todo_server.auth import BearerAuth, current_caller, token_verifier
from mcp_todo_server.changes.listening import Listening, SessionSubscriptions
from mcp_todo_server.changes.service import ChangeFeed
from mcp_todo_server.completions import Completions
from mcp_todo_server.database import Database
from mcp_todo_server.endpoint import Endpoint, OnlyPost
from mcp_todo_server.health import Health
from mcp_todo_server.limits.bodies import BodyDeadline
from mcp_todo_server.limits.calls import CallLimit
from mcp_todo_server.limits.middleware import LimitedCalls
from mcp_todo_server.oauth import Challenges, metadata_routes
from mcp_todo_server.prompts import prompts
from mcp_todo_server.resources.endpoints import add_resources
from mcp_todo_server.resources.service import ResourceService
from mcp_todo_server.scopes import ScopeCheck
from mcp_todo_server.server import TodoServer
from mcp_todo_server.settings import Settings
from mcp_todo_server.tasks.calls import Caller
from mcp_todo_server.tasks.confirmation import state_security
from mcp_todo_server.tasks.service import TaskService
from mcp_todo_server.tasks.tools import TOOLS, task_tools
from mcp_todo_server.upkeep.service import Upkeep
from mcp_todo_server.users.service import UserService

MCP_PATH: Final = "/mcp"


def mcp_server(
    database: Database, feed: ChangeFeed, caller: Callable[[], Caller], states: RequestStateSecurity | None = None
) -> TodoServer:
    """Return the MCP server, which tells of changes from `feed`; `caller` tells who is calling during a request.

    `states` seals what clients carry from a question to its answer; without it only this process can take an answer.
    """
    resources = ResourceService(database)
    menu = prompts(resources, caller)
    server = TodoServer(tools=task_tools(TaskService(database), caller), request_state_security=states)
    add_resources(server, resources, caller)
    for prompt in menu:
        server.add_prompt(prompt)
    server.serve_completions(Completions(resources, menu, caller))
    server.serve_listening(Listening(feed, caller))
    return server


def http_app(settings: Settings, database: Database) -> Starlette:
    """Return the HTTP application: the MCP endpoint behind bearer tokens, and the health checks.

    The caller keeps `database`, and closes it when the application has ended. `state.feed` is what has to be closed
    for open event streams to end.

    Raises:
        SettingsError: There is no secret to verify tokens with.
    """
    feed = ChangeFeed(database)
    endpoint = Endpoint(
        mcp_server(database, feed, current_caller, state_security(settings.verifying_secrets)),
        max_body_bytes=settings.max_body_bytes,
        security=TransportSecuritySettings(
            enable_dns_rebinding_protection="*" not in settings.allowed_hosts,
            allowed_hosts=list(settings.host_names),
            allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in settings.host_names],
        ),
    )
    guarded = _guarded(endpoint, settings, UserService(database))
    health = Health(database)
    routes: list[BaseRoute] = [*health.routes, Route(MCP_PATH, OnlyPost(guarded))]
    if settings.oauth_discovery == "on" and settings.auth_issuer is not None:
        routes += metadata_routes(settings.resource_url, settings.auth_issuer)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with endpoint.running(), feed.running(), Upkeep(database).running():
            yield
        await health.close()

    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.feed = feed
    return app


def _guarded(endpoint: ASGIApp, settings: Settings, users: UserService) -> ASGIApp:
    """Return the MCP endpoint behind what a request has to pass: its token, the user's limits, the token's scopes."""
    challenges = Challenges()
    if settings.oauth_discovery == "on":
        challenges = Challenges(settings.resource_url)
        tool_scopes = {spec.name: spec.scope for spec in TOOLS}
        endpoint = RequestBodyLimitMiddleware(ScopeCheck(endpoint, challenges, tool_scopes), settings.max_body_bytes)
    limited = LimitedCalls(
        BodyDeadline(endpoint), CallLimit(settings.calls_per_minute), lambda: current_caller().user_id
    )
    return BearerAuth(limited, token_verifier(settings), users, challenges)


async def run_stdio(database: Database, user_id: str) -> None:
    """Serve one local user over standard input and output until the input ends."""
    local = Caller(user_id, frozenset(ALL_SCOPES))
    feed = ChangeFeed(database)
    server = mcp_server(database, feed, lambda: local)
    async with Upkeep(database).running(), feed.running(), anyio.create_task_group() as tasks:
        server.serve_session_subscriptions(SessionSubscriptions(feed, lambda: local, tasks))
        await server.run_stdio_async()
        tasks.cancel_scope.cancel()


def configure_logging() -> None:
    """Log to standard error, one plain line per record.

    It has to come before the MCP server is made: that would otherwise set up its own, far chattier, logging.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Refused arguments and hosts are everyday events here, and the SDK's lines about them hold users' data.
    for chatty in ("mcp", "httpx", "httpx2"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
