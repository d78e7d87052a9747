"""Where the page gets its user's token by itself: in the demo, or from a cookie of the front end's.

Either is for the page alone. It is not given where a browser says that another site's page asks: `CORS_ORIGINS` lets
those read what the API answers, who have a token already.
"""

import ipaddress
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from todo_chat_shared.tokens import TokenVerifier

from chat_api.auth import unauthenticated, verified
from chat_api.middleware import HostNotAllowedError
from chat_api.problems import ProblemError
from chat_api.web.headers import file_headers

# A name or an IPv4 address, or an IPv6 address in brackets, then perhaps a port (RFC 9110, section 7.2).
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]@]+)(:[0-9]*)?")
FETCH_SITE: Final = "Sec-Fetch-Site"
"""Whose page a request comes from, as the browser says (W3C Fetch Metadata); other clients do not send it."""


class NotThisPageError(ProblemError):
    """Something else than this service's own page asks for its user's token."""

    type = "not-this-page"
    title = "Only this service's own page may ask for this"
    status = HTTPStatus.FORBIDDEN


class PageToken(BaseModel):
    """Who looks at the page, and the bearer token that proves it."""

    user_id: str
    token: str


def demo_router(demo_token: Callable[[], PageToken]) -> APIRouter:
    """Return `/demo/token`, which gives a token to whoever is at this machine."""
    router = APIRouter(include_in_schema=False)

    @router.get("/demo/token")
    async def read_demo_token(request: Request) -> Response:
        _check_asker(request)
        if not is_loopback_host(request.headers.get("host", "")):
            # A page elsewhere whose name was made to point at this machine (DNS rebinding) names itself here.
            raise HostNotAllowedError("The demo's token is only for pages at a loopback address such as 127.0.0.1.")
        return _answer(demo_token())

    return router


def cookie_router(cookie: str) -> APIRouter:
    """Return `/token`, which gives the page the token that the front end has put into a cookie of this name."""
    router = APIRouter(include_in_schema=False)

    @router.get("/token")
    async def read_token(request: Request) -> Response:
        _check_asker(request)
        token = request.cookies.get(cookie, "")
        if not token:
            raise unauthenticated("You are not signed in. Sign in to the application, then load this page again.")
        verifier: TokenVerifier = request.app.state.token_verifier
        identity = await verified(verifier, token)
        return _answer(PageToken(user_id=identity.user_id, token=token))

    return router


def _check_asker(request: Request) -> None:
    if request.headers.get(FETCH_SITE, "same-origin") != "same-origin":
        raise NotThisPageError("The token is for the page at this address alone.")


def _answer(token: PageToken) -> JSONResponse:
    return JSONResponse(token.model_dump(), headers=file_headers() | {"Cache-Control": "no-store"})


def is_loopback_host(host: str) -> bool:
    """Whether a `Host` header (a name or an address, and perhaps a port) names this machine itself."""
    parts = _HOST.fullmatch(host)
    if parts is None:
        return False
    name = parts["name"].strip("[]")
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
