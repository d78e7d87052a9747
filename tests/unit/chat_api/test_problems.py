"""Problem details, as callers get them and as OpenAPI tells of them."""

from typing import Annotated

import httpx
import pytest
from chat_api.database import DatabaseUnavailableError
from chat_api.problems import (
    MEDIA_TYPE,
    ForbiddenError,
    InternalError,
    InvalidRequestError,
    ServiceUnavailableError,
    UnauthenticatedError,
    install,
    responses,
)
from chat_api.runs.problems import ModelFailedProblem, RunActiveError, ToolsUnavailableProblem
from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field
from todo_chat_shared.jwks import JwksUnavailableError


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    message: str
    inner: dict[str, int] = Field(default_factory=dict)


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    install(app)

    @app.get("/busy")
    async def busy() -> None:
        raise RunActiveError("Wait.", run_id="run-1")

    @app.get("/unknown-user")
    async def unknown_user() -> None:
        raise UnauthenticatedError("Who?", headers={"WWW-Authenticate": "Bearer"})

    @app.get("/no-database")
    async def no_database() -> None:
        raise DatabaseUnavailableError from OSError("host=db password=secret")

    @app.get("/no-keys")
    async def no_keys() -> None:
        raise JwksUnavailableError("https://keys.invalid/secret")

    @app.post("/body")
    async def body(body: Body, limit: Annotated[int, Query(ge=1)] = 1) -> str:
        return body.message * limit

    return app


async def ask(app: FastAPI, method: str, path: str, content: str | None = None) -> httpx.Response:
    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        response = await http.request(method, path, content=content, headers=headers)
    assert response.headers["content-type"] == MEDIA_TYPE
    assert {"type", "title", "status", "detail", "request_id"} <= response.json().keys()
    assert response.json()["status"] == response.status_code
    return response


async def test_a_problem_has_its_types_slug_and_title_and_its_own_fields(app: FastAPI) -> None:
    response = await ask(app, "GET", "/busy")
    assert response.status_code == 409
    assert response.json() == {
        "type": "run-active",
        "title": "The conversation is busy",
        "status": 409,
        "detail": "Wait.",
        "request_id": "",
        "run_id": "run-1",
    }


async def test_a_problems_headers_are_sent(app: FastAPI) -> None:
    response = await ask(app, "GET", "/unknown-user")
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("path", ["/no-database", "/no-keys"])
async def test_what_this_service_stands_on_being_away_is_503_with_retry_after(app: FastAPI, path: str) -> None:
    response = await ask(app, "GET", path)
    assert (response.status_code, response.json()["type"]) == (503, "service-unavailable")
    assert int(response.headers["retry-after"]) >= 1
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("path", "content", "fields"),
    [
        ("/body", '{"message', ["body"]),
        ("/body", "", ["body"]),
        ("/body", "[]", ["body"]),
        ("/body", "{}", ["message"]),
        ("/body", '{"message": 1}', ["message"]),
        ("/body", '{"message": "x", "foo": 1}', ["foo"]),
        ("/body", '{"message": "x", "inner": {"a": "b"}}', ["inner.a"]),
        ("/body", '{"inner": 1}', ["message", "inner"]),
        ("/body?limit=0", '{"message": "x"}', ["limit"]),
    ],
)
async def test_an_invalid_request_names_its_fields(app: FastAPI, path: str, content: str, fields: list[str]) -> None:
    response = await ask(app, "POST", path, content)
    assert (response.status_code, response.json()["type"]) == (422, "invalid-request")
    errors = response.json()["errors"]
    assert [error["field"] for error in errors] == fields
    assert response.json()["detail"] == "; ".join(f"{error['field']}: {error['detail']}" for error in errors)


async def test_an_invalid_requests_input_is_not_repeated(app: FastAPI) -> None:
    response = await ask(app, "POST", "/body", '{"message": ["a secret"], "inner": {"a": "another secret"}}')
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "status", "type_"),
    [("GET", "/nowhere", 404, "not-found"), ("PUT", "/busy", 405, "method-not-allowed")],
)
async def test_what_the_framework_refuses_is_a_problem_too(
    app: FastAPI, method: str, path: str, status: int, type_: str
) -> None:
    response = await ask(app, method, path)
    assert (response.status_code, response.json()["type"]) == (status, type_)
    if status == 405:
        assert response.headers["allow"] == "GET"


def test_documented_responses_hold_every_error_once_by_its_status() -> None:
    described = responses(
        UnauthenticatedError,
        ForbiddenError,
        InvalidRequestError,
        InternalError,
        ServiceUnavailableError,
        ToolsUnavailableProblem,
        ModelFailedProblem,
    )
    assert list(described) == [401, 403, 422, 500, 503, 502]
    assert "`service-unavailable`" in described[503]["description"]
    assert "`todo-server-unavailable`" in described[503]["description"]
    assert all(set(entry["content"]) == {MEDIA_TYPE} for entry in described.values())
