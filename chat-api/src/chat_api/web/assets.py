"""Bodies that stay as they are, sent compressed, and not sent again to a browser that has them."""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import Request, Response

_TAG: Final = re.compile(r'"[^"]*"')
_NEVER: Final = re.compile(r"q=0(\.0{0,3})?")


class Asset:
    """One body with its headers. It is compressed once, so that a request costs no more than its answer's bytes."""

    def __init__(self, body: str | bytes, media_type: str, headers: Mapping[str, str]) -> None:
        """Keep `body`; `media_type` is the whole header, its charset included."""
        self.body: Final = body.encode() if isinstance(body, str) else body
        # A time in it would make each process's bytes differ.
        self._compressed: Final = gzip.compress(self.body, mtime=0)
        # Not all browsers take a policy over from a 304: with other headers it is another answer.
        content = json.dumps([media_type, *sorted(headers.items())]).encode() + self.body
        self._tag: Final = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        self._headers: Final = {
            **headers,
            # Asked again each time: what is in a body changes with the release, its address doesn't.
            "Cache-Control": "no-cache",
            # Weak (RFC 9110, section 8.8.1): the same for both encodings.
            "ETag": f"W/{self._tag}",
            "Vary": "Accept-Encoding",
        }
        self._content_type: Final = {"Content-Type": media_type}

    def response(self, request: Request) -> Response:
        """Answer a GET: with the body, or with 304 where the caller has it (RFC 9110, section 13.1.2)."""
        known = request.headers.get("If-None-Match", "")
        if known.strip() == "*" or self._tag in _TAG.findall(known):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=self._headers)
        headers = self._headers | self._content_type
        if _accepts_gzip(request.headers.get("Accept-Encoding", "")):
            return Response(self._compressed, headers=headers | {"Content-Encoding": "gzip"})
        return Response(self.body, headers=headers)


def _accepts_gzip(accepted: str) -> bool:
    """Tell what an Accept-Encoding header says of gzip (RFC 9110, section 12.5.3)."""
    weights = {}
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = weight.replace(" ", "")
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return not _NEVER.fullmatch(weight)
