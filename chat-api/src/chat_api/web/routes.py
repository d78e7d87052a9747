"""Serves the page, its script and its style, and, in the demo alone, the token that it starts with.

Everything is read once, at the start: a request reads no file.
"""

import html
import ipaddress
import re
from collections.abc import Callable
from importlib.resources import files
from string import Template
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from chat_api.middleware import HostNotAllowedError

HEADERS: Final = {
    # No inline script or style, nothing from elsewhere: a task's text has no way to run or to load anything.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Asked again each time: the files change with the release, their names don't.
_REVALIDATE: Final = {"Cache-Control": "no-cache"}
_MEDIA_TYPES: Final = {
    "app.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

# A name or an IPv4 address, or an IPv6 address in brackets, then perhaps a port (RFC 9110, section 7.2).
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]@]+)(:[0-9]*)?")


class DemoToken(BaseModel):
    """Who the demo's visitor is, and the bearer token that proves it."""

    user_id: str
    token: str


def create_web_router(*, demo_token: Callable[[], DemoToken] | None, banner: str | None) -> APIRouter:
    """Return the page's routes.

    Args:
        demo_token: Makes the token that the page starts with. None outside the demo, where the page asks for
            one.
        banner: A plain sentence shown above the conversation, such as that the model is the offline one.
    """
    router = APIRouter(include_in_schema=False)
    page = Template(_read("index.html")).substitute(
        demo="yes" if demo_token else "no",
        banner=html.escape(banner or ""),
        banner_hidden="" if banner else "hidden",
    )

    @router.get("/")
    async def read_page() -> Response:
        return Response(page, media_type="text/html", headers=HEADERS | _REVALIDATE)

    for name, media_type in _MEDIA_TYPES.items():
        _serve(router, name, media_type)
    if demo_token is not None:
        _serve_demo_token(router, demo_token)
    return router


def _serve(router: APIRouter, name: str, media_type: str) -> None:
    text = _read(name)

    @router.get(f"/static/{name}")
    async def read_file() -> Response:
        return Response(text, media_type=media_type, headers=HEADERS | _REVALIDATE)


def _serve_demo_token(router: APIRouter, demo_token: Callable[[], DemoToken]) -> None:
    @router.get("/demo/token")
    async def read_demo_token(request: Request) -> Response:
        if not is_loopback_host(request.headers.get("host", "")):
            # A page elsewhere whose name was made to point at this machine (DNS rebinding) names itself here.
            raise HostNotAllowedError("The demo's token is only for pages at a loopback address such as 127.0.0.1.")
        return JSONResponse(demo_token().model_dump(), headers=HEADERS | {"Cache-Control": "no-store"})


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


def _read(name: str) -> str:
    return files("chat_api.web").joinpath("static", name).read_text(encoding="utf-8")
