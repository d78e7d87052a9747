"""This server as an OAuth 2.1 protected resource: what it publishes of itself, and how it challenges clients."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, cast

from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl
from starlette.responses import JSONResponse
from starlette.routing import Route
from todo_chat_shared.tokens import ALL_SCOPES

RESOURCE_NAME: Final = "Todo"
WELL_KNOWN_PATH: Final = "/.well-known/oauth-protected-resource"


def metadata_routes(resource_url: str, issuer: str) -> list[Route]:
    """Return the routes of the resource's metadata (RFC 9728), which browsers of any origin may read.

    The document stands below the well-known path with the resource's own path, and at the bare one, where clients
    look that were told of no other (MCP 2026-07-28, authorization server discovery).
    """
    (route,) = create_protected_resource_routes(
        resource_url=AnyHttpUrl(resource_url),
        # As text: AnyHttpUrl would end it with a slash, and clients compare an issuer to the letter.
        authorization_servers=cast("list[AnyHttpUrl]", [issuer]),
        scopes_supported=list(ALL_SCOPES),
        resource_name=RESOURCE_NAME,
    )
    return [route, Route(WELL_KNOWN_PATH, route.endpoint, methods=["GET", "OPTIONS"])]


@dataclass(frozen=True, slots=True)
class Challenges:
    """Refusals with `WWW-Authenticate` (RFC 6750, section 3)."""

    resource_url: str | None = None
    """The resource whose metadata clients are sent to; None in header mode, where there is nowhere to send them."""

    def unauthorized(self, reason: str | None) -> JSONResponse:
        """Return the 401 for a token that proves nothing for this reason, or for a request without any (None)."""
        # A request without any token gets no error code (RFC 6750, section 3.1).
        parts = {} if reason is None else {"error": "invalid_token", "error_description": reason}
        return _refusal(
            401,
            "invalid_token",
            reason or "a bearer token is needed: Authorization: Bearer <token>",
            # Everything that there is to ask for, so that a client need not come back to ask for more.
            {**parts, **self._guidance(ALL_SCOPES)},
        )

    def insufficient_scope(self, needed: str, held: Collection[str]) -> JSONResponse:
        """Return the 403 for a token whose scopes lack the one needed (MCP 2026-07-28, scope challenge handling).

        It names the scopes held as well: a client of MCP 2025-11-25 may ask for just what it is told here.
        """
        description = f"the access token lacks the scope {needed}"
        wanted = [scope for scope in ALL_SCOPES if scope == needed or scope in held]
        parts = {"error": "insufficient_scope", "error_description": description}
        return _refusal(403, "insufficient_scope", description, {**parts, **self._guidance(wanted)})

    def _guidance(self, scopes: Collection[str]) -> dict[str, str]:
        if self.resource_url is None:
            return {}
        metadata_url = build_resource_metadata_url(AnyHttpUrl(self.resource_url))
        return {"resource_metadata": str(metadata_url), "scope": " ".join(scopes)}


def _refusal(status: int, error: str, description: str, parts: dict[str, str]) -> JSONResponse:
    challenge = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items())
    return JSONResponse(
        {"error": error, "error_description": description},
        status_code=status,
        headers={"WWW-Authenticate": challenge.strip()},
    )
