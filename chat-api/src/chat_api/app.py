"""The wiring: settings in, an ASGI application out."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import httpx
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from todo_chat_shared.jwks import JwksKeys
from todo_chat_shared.tokens import TokenVerifier, mint

from chat_api import health, problems
from chat_api.agent.agent import TodoAgent
from chat_api.agent.providers import open_provider
from chat_api.agent.todo_changes import watch
from chat_api.agent.todo_server import connect
from chat_api.agui import endpoints as agui_endpoints
from chat_api.agui.service import ThreadService
from chat_api.bridge import endpoints as bridge_endpoints
from chat_api.bridge.service import Bridge
from chat_api.conversations import endpoints as conversation_endpoints
from chat_api.conversations.service import ConversationService
from chat_api.database import Database
from chat_api.health import DatabaseCheck
from chat_api.journal.feed import Feeds
from chat_api.journal.writer import JournalWriter
from chat_api.leases.service import Leases
from chat_api.middleware import AllowedHosts, BodyLimit, Defects, RequestId
from chat_api.runs import endpoints as run_endpoints
from chat_api.runs.admission import Admission
from chat_api.runs.ending import Ender
from chat_api.runs.execution import Executor
from chat_api.runs.service import RunService
from chat_api.runs.takeover import Takeover
from chat_api.settings import Settings
from chat_api.timeline import endpoints as timeline_endpoints
from chat_api.timeline.service import TimelineService
from chat_api.upkeep.service import Upkeep
from chat_api.usage import endpoints as usage_endpoints
from chat_api.usage.service import Quotas
from chat_api.web.headers import embedders
from chat_api.web.routes import create_web_router
from chat_api.web.sign_in import PageToken
from chat_api.web.widget import Widget

logger = logging.getLogger(__name__)

OFFLINE_WARNING = (
    "no model is configured: answers come from the built-in offline assistant; "
    "set OPENAI_API_KEY, or OPENAI_BASE_URL for a compatible server"
)
OFFLINE_BANNER = "No model is configured: you are talking to the built-in offline assistant."
DEMO_USER = "demo"
DEMO_TOKEN_SECONDS = 24 * 3600


def create_app(settings: Settings) -> FastAPI:
    """Make the application.

    Raises:
        SettingsError: `BETTER_AUTH_SECRET` is not set.
    """
    secret = settings.signing_secret
    origins = embedders(settings.cors_origins)
    verifier = TokenVerifier(
        secrets=settings.verifying_secrets,
        audiences=(settings.auth_audience,) if settings.auth_audience else (),
        issuer=settings.auth_issuer,
        jwks=JwksKeys(settings.auth_jwks_url, settings.auth_issuer) if settings.auth_jwks_url else None,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            database = Database(settings.database_url, pool_size=settings.database_pool_size)
            stack.push_async_callback(database.close)
            app.state.database_check = DatabaseCheck(database)
            stack.push_async_callback(app.state.database_check.close)
            http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
            provider = await stack.enter_async_context(open_provider(settings))
            todo = await stack.enter_async_context(
                connect(settings.mcp_server_url, secret, settings.tool_timeout_seconds)
            )
            changes = await stack.enter_async_context(watch(settings.mcp_server_url, secret))
            agent = TodoAgent(
                provider,
                todo,
                max_rounds=settings.max_tool_rounds,
                model_timeout=settings.model_timeout_seconds,
                approval=settings.tool_approval,
            )
            await _open_runs(stack, app, settings, database, agent)
            app.state.http = http
            app.state.task_changes = changes
            app.state.widget = Widget(todo, origins)
            app.state.bridge = Bridge(todo, changes)
            app.state.conversations = ConversationService(database)
            app.state.timelines = TimelineService(database)
            if settings.model_provider == "offline":
                logger.warning(OFFLINE_WARNING)
            yield

    app = FastAPI(
        title="Todo Chat",
        summary="Talk to your todo list.",
        version=version("chat-api"),
        lifespan=lifespan,
        license_info={"name": "MIT", "identifier": "MIT"},
        # In place of the framework's pages, which run what a third party serves at the moment: see web.reference.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.token_verifier = verifier
    problems.install(app)
    app.include_router(run_endpoints.router)
    app.include_router(timeline_endpoints.router)
    app.include_router(agui_endpoints.router)
    app.include_router(conversation_endpoints.router)
    app.include_router(usage_endpoints.router)
    app.include_router(bridge_endpoints.router)
    app.include_router(health.router)
    app.include_router(
        create_web_router(
            demo_token=(lambda: _demo_token(secret)) if settings.demo_mode else None,
            cookie=settings.token_cookie,
            banner=OFFLINE_BANNER if settings.model_provider == "offline" else None,
            origins=origins,
        )
    )
    # The last one added is the first that a request passes.
    app.add_middleware(Defects)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-Id"],
            expose_headers=["Content-Location", "Retry-After", "X-Request-Id"],
        )
    app.add_middleware(AllowedHosts, hosts=settings.allowed_hosts)
    app.add_middleware(RequestId)
    return app


async def _open_runs(
    stack: AsyncExitStack, app: FastAPI, settings: Settings, database: Database, agent: TodoAgent
) -> None:
    """Start what carries runs out, each part before those that need it."""
    lease = settings.run_lease_seconds
    quotas = Quotas(database, runs_per_minute=settings.runs_per_minute, tokens_per_day=settings.tokens_per_day)
    ender = Ender(lease_seconds=lease, history_token_budget=settings.history_token_budget)
    admission = Admission(database, quotas, ender, lease_seconds=lease)
    takeover = Takeover(database, quotas, ender, lease_seconds=lease)
    leases, writer, feeds = Leases(database, lease), JournalWriter(database), Feeds(database)
    executor = Executor(
        database,
        agent,
        ender,
        leases,
        writer,
        feeds,
        approval_expires_seconds=settings.approval_expires_seconds,
    )
    upkeep = Upkeep(database, takeover, ender, executor, agent)
    for part in (leases.renewing(), writer.running(), feeds.running(), executor.working(), upkeep.running()):
        await stack.enter_async_context(part)
    app.state.quotas = quotas
    app.state.feeds = feeds
    app.state.runs = RunService(database, admission, takeover, ender, executor, feeds)
    app.state.threads = ThreadService(database, app.state.runs)


def _demo_token(secret: str) -> PageToken:
    return PageToken(user_id=DEMO_USER, token=mint(secret, DEMO_USER, lifetime_seconds=DEMO_TOKEN_SECONDS))
