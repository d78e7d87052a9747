"""What a refusal of chat-api has to look like, and what it must leave alone."""

from typing import Any

import httpx

MEDIA_TYPE = "application/problem+json"


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """Return the problem (RFC 9457) that a response must be."""
    assert (response.status_code, response.headers["content-type"]) == (status, MEDIA_TYPE), response.text
    body: dict[str, Any] = response.json()
    assert body["type"] == kind, body
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"] != ""
    assert body["title"].strip()
    assert body["detail"].strip()
    return body


def refused_field(response: httpx.Response) -> str:
    """Return the field that a 422 names; its detail must name it as well."""
    body = problem(response, 422, "invalid-request")
    assert len(body["errors"]) == 1, body
    error = body["errors"][0]
    assert body["detail"] == f"{error['field']}: {error['detail']}"
    return str(error["field"])
