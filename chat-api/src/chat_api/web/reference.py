"""`/docs`: the API's reference, drawn by Swagger UI from `/openapi.json`.

The one page for which a browser fetches something from elsewhere: a release of Swagger UI, named to the byte by its
digest (W3C Subresource Integrity), since whatever runs at this origin could ask for its user's token.
"""

from typing import Final

from fastapi import APIRouter, Request, Response

from chat_api.web.assets import Asset
from chat_api.web.headers import reference_headers

SWAGGER_UI: Final = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0/"
_SCRIPT_DIGEST: Final = "sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"
_STYLE_DIGEST: Final = "sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I"

DOCUMENT: Final = f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Todo Chat: API</title>
    <link rel="icon" href="/static/icon.svg">
    <link rel="stylesheet" href="{SWAGGER_UI}swagger-ui.css" integrity="{_STYLE_DIGEST}" crossorigin="anonymous">
    <script src="{SWAGGER_UI}swagger-ui-bundle.js" integrity="{_SCRIPT_DIGEST}" crossorigin="anonymous"></script>
  </head>
  <body>
    <div id="reference"></div>
    <noscript>This page needs JavaScript; the API is described in <a href="/openapi.json">/openapi.json</a>.</noscript>
    <script>SwaggerUIBundle({{ url: "/openapi.json", dom_id: "#reference", deepLinking: true }});</script>
  </body>
</html>
"""

router = APIRouter(include_in_schema=False)
_PAGE: Final = Asset(DOCUMENT, "text/html; charset=utf-8", reference_headers(DOCUMENT, SWAGGER_UI))


@router.api_route("/docs", methods=["GET", "HEAD"])
async def read_reference(request: Request) -> Response:
    """Answer with the page."""
    return _PAGE.response(request)
