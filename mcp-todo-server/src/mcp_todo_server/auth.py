"""Who calls over HTTP: bearer tokens, as an OAuth 2.1 resource server answers about them (RFC 6750, RFC 9728)."""

import asyncio
import logging
from typing import Final

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from todo_chat_shared.jwks import JwksKeys, JwksUnavailableError
from todo_chat_shared.tokens import MCP_AUDIENCE, Identity, InvalidTokenError, TokenVerifier

from mcp_todo_server.database import DatabaseError
from mcp_todo_server.oauth import Challenges
from mcp_todo_server.settings import Settings
from mcp_todo_server.tasks.calls import Caller
from mcp_todo_server.users.service import TokenTimes, UserService

CHECK_SECONDS: Final = 3
"""Longest time that the issuer of keys and the database may take over a token. Giving up a database that has
fallen silent takes psycopg another ten seconds."""
RETRY_AFTER_SECONDS: Final = 1
_SCHEME: Final = "bearer "

logger = logging.getLogger(__name__)


def token_verifier(settings: Settings) -> TokenVerifier:
    """Return what tells good tokens from bad ones.

    Raises:
        SettingsError: There is no secret.
    """
    keys = None
    if settings.auth_jwks_url is not None:
        keys = JwksKeys(settings.auth_jwks_url, issuer=settings.auth_issuer)
    return TokenVerifier(
        secrets=settings.verifying_secrets,
        audiences=(MCP_AUDIENCE, *settings.resource_audiences),
        jwks_audiences=() if settings.auth_audience is None else (settings.auth_audience,),
        jwks=keys,
    )


def current_caller() -> Caller:
    """Return who calls, from within a request that `BearerAuth` let through."""
    token = get_access_token()
    if token is None or token.subject is None:
        raise RuntimeError("a request came past the bearer check")
    issued_at, expires_at = (token.claims or {}).get("iat"), token.expires_at
    times = None if expires_at is None else TokenTimes(None if issued_at is None else float(issued_at), expires_at)
    return Caller(token.subject, frozenset(token.scopes), times)


class BearerAuth:
    """ASGI middleware: lets a request with a good token through, with its user in the SDK's context.

    401 is for a token that is not good and will not become so. Where it cannot be told (the issuer's keys or
    the database do not answer) the response is 503, so that no client throws a good token away.
    """

    def __init__(self, app: ASGIApp, verifier: TokenVerifier, users: UserService, challenges: Challenges) -> None:
        self._app = AuthContextMiddleware(app)
        self._verifier = verifier
        self._users = users
        self._challenges = challenges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request's token, then hand the request on."""
        header = Headers(scope=scope).get("authorization", "")
        if not header.lower().startswith(_SCHEME):
            await self._challenges.unauthorized(None)(scope, receive, send)
            return
        token = header[len(_SCHEME) :].strip()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                identity = await self._verifier.verify(token)
                revoked = await self._users.is_revoked(identity.user_id, identity.issued_at)
        except InvalidTokenError as error:
            await self._challenges.unauthorized(str(error))(scope, receive, send)
        except (JwksUnavailableError, DatabaseError, OSError, TimeoutError) as error:
            logger.warning("a token cannot be checked at the moment: %r", error)
            await _unavailable()(scope, receive, send)
        else:
            if revoked:
                await self._challenges.unauthorized("the token was revoked")(scope, receive, send)
            else:
                user = AuthenticatedUser(_access_token(token, identity))
                await self._app({**scope, "user": user}, receive, send)


def _access_token(token: str, identity: Identity) -> AccessToken:
    client = identity.claims.get("client_id") or identity.claims.get("azp")
    return AccessToken(
        token=token,
        client_id=str(client or "unknown"),
        scopes=sorted(identity.scopes),
        expires_at=identity.expires_at,
        subject=identity.user_id,
        claims=dict(identity.claims),
    )


def _unavailable() -> JSONResponse:
    return JSONResponse(
        {
            "error": "temporarily_unavailable",
            "error_description": "the token cannot be checked at the moment; send the same request again",
        },
        status_code=503,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
