"""Serves the pages and what they load. Everything is read once, at the start: a request reads no file."""

import html
from collections.abc import Callable, Sequence
from importlib.resources import files
from string import Template
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response, status

from chat_api.web import reference, widget
from chat_api.web.assets import Asset
from chat_api.web.headers import file_headers, page_headers
from chat_api.web.sign_in import PageToken, cookie_router, demo_router

PAGES: Final = {"/": "index.html", "/runs/{run_id}": "run.html"}
"""Documents by their paths. They hold nothing of any user's: their scripts ask for that, with a token."""
MEDIA_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
HTML: Final = "text/html; charset=utf-8"
READ: Final = ["GET", "HEAD"]
"""Methods that every document takes (RFC 9110, section 9.1)."""
_STATIC: Final = files("chat_api.web").joinpath("static")


def create_web_router(
    *,
    demo_token: Callable[[], PageToken] | None = None,
    cookie: str | None = None,
    banner: str | None = None,
    origins: Sequence[str] = (),
) -> APIRouter:
    """Return the routes of the pages.

    Args:
        demo_token: Makes the token that the page starts with. None outside the demo.
        cookie: The cookie in which the front end keeps the user's token. None where there is none.
        banner: A plain sentence shown above the conversation, such as that the model is the offline one.
        origins: Origins whose pages may show these in a frame, and hand them a token.
    """
    router = APIRouter(include_in_schema=False)
    values = {
        "demo": "yes" if demo_token else "no",
        "cookie": "yes" if cookie else "no",
        "origins": html.escape(" ".join(origins)),
        "banner": html.escape(banner or ""),
        "banner_hidden": "" if banner else "hidden",
    }
    for path, name in PAGES.items():
        document = Template(_STATIC.joinpath(name).read_text(encoding="utf-8")).substitute(values)
        _serve_page(router, path, Asset(document, HTML, page_headers(origins)))
    _serve_files(router)
    router.include_router(widget.router)
    router.include_router(reference.router)
    if demo_token is not None:
        router.include_router(demo_router(demo_token))
    if cookie is not None:
        router.include_router(cookie_router(cookie))
    return router


def _serve_page(router: APIRouter, path: str, page: Asset) -> None:
    @router.api_route(path, methods=READ)
    async def read_page(request: Request) -> Response:
        return page.response(request)


def _serve_files(router: APIRouter) -> None:
    assets = {
        file.name: Asset(file.read_bytes(), MEDIA_TYPES[f".{file.name.rpartition('.')[2]}"], file_headers())
        for file in _STATIC.iterdir()
        if file.name not in PAGES.values()
    }

    @router.api_route("/static/{name}", methods=READ)
    async def read_file(name: str, request: Request) -> Response:
        if name not in assets:
            raise HTTPException(status.HTTP_404_NOT_FOUND)
        return assets[name].response(request)
