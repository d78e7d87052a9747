"""Errors as the API answers them: problem details (RFC 9457) with a stable `type` and the request's id.

Every error that a caller can meet is a subclass of `ProblemError`, raised where it is found and written by one
handler. Whatever else is raised is a defect: logged whole, answered without a word of its text.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from todo_chat_shared.tokens import JwksUnavailableError

from chat_api.database import DatabaseUnavailableError

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 5
FIELD_ERRORS_MAX: Final = 20
FIELD_MAX_CHARS: Final = 100
"""A caller's unknown fields are named in the answer, but not at any length."""


class Problem(BaseModel):
    """Problem details. Some types add fields of their own, such as `run_id`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable slug of the kind of problem; branch on this.")
    title: str = Field(description="The kind of problem in words; the same for every problem of a type.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time and what to do about it.")
    request_id: str = Field(description="Names this request in the service's log.")


class ProblemError(Exception):
    """Base of the errors that callers meet."""

    type: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[HTTPStatus]

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.extensions = extensions


class UnauthenticatedError(ProblemError):
    """No token, or one that proves nothing."""

    type = "unauthenticated"
    title = "A valid bearer token is needed"
    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(ProblemError):
    """The token is good, and for somebody else."""

    type = "forbidden"
    title = "This is another user's"
    status = HTTPStatus.FORBIDDEN


class InvalidRequestError(ProblemError):
    """The request does not say what the API takes."""

    type = "invalid-request"
    title = "The request is not valid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ServiceUnavailableError(ProblemError):
    """Something this service stands on does not answer."""

    type = "service-unavailable"
    title = "Not available at the moment"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class InternalError(ProblemError):
    """A defect of this service."""

    type = "internal-error"
    title = "Something went wrong here"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


COMMON_ERRORS: Final = (
    UnauthenticatedError,
    ForbiddenError,
    InvalidRequestError,
    InternalError,
    ServiceUnavailableError,
)
"""What any call of the API can meet."""


def responses(*errors: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """Describe errors for an endpoint's `responses=`, one entry for each status."""
    described: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        line = f"`{error.type}`: {error.title}."
        status = int(error.status)
        if status in described:
            described[status]["description"] += f" {line}"
        else:
            described[status] = {
                "description": line,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
    return described


def answer(request: Request, error: ProblemError) -> JSONResponse:
    """Write a problem."""
    problem = Problem(
        type=error.type,
        title=error.title,
        status=error.status,
        detail=error.detail,
        request_id=getattr(request.state, "request_id", ""),
        **error.extensions,
    )
    return JSONResponse(
        problem.model_dump(mode="json"),
        status_code=error.status,
        headers=error.headers,
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Answer the exceptions that callers may meet with problems; `middleware.Defects` answers the others."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        # `responses` refers to it by name: as a `model=` it would be described as application/json.
        document = generate()
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]

    @app.exception_handler(ProblemError)
    async def known(request: Request, error: ProblemError) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [_field_error(detail) for detail in error.errors()[:FIELD_ERRORS_MAX]]
        detail = "; ".join(f"{entry['field']}: {entry['detail']}" for entry in errors)
        return answer(request, InvalidRequestError(detail, errors=errors))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> JSONResponse:
        match error.__cause__:  # FastAPI wraps whatever goes wrong while it reads a body
            case ProblemError() as problem:
                return answer(request, problem)
            case ValueError() | RecursionError():
                unreadable = {"field": "body", "detail": "is not valid JSON"}
                return answer(request, InvalidRequestError("body: is not valid JSON", errors=[unreadable]))
        status = HTTPStatus(error.status_code)
        kind = type(
            "PlainError",
            (ProblemError,),
            {"type": status.phrase.lower().replace(" ", "-"), "title": status.phrase, "status": status},
        )
        return answer(request, kind(f"{status.description or status.phrase}.", headers=error.headers))

    @app.exception_handler(DatabaseUnavailableError)
    async def no_database(request: Request, error: DatabaseUnavailableError) -> JSONResponse:
        logger.error("the database does not answer: %s", type(error.__cause__).__name__)
        return answer(request, unavailable("The database does not answer. Send the request again in a while."))

    @app.exception_handler(JwksUnavailableError)
    async def no_keys(request: Request, _: JwksUnavailableError) -> JSONResponse:
        return answer(request, unavailable("The token's issuer cannot be asked. Send the request again."))


def unavailable(detail: str, **extensions: object) -> ServiceUnavailableError:
    """Make the error for something that does not answer, with the time after which to ask again."""
    return ServiceUnavailableError(detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}, **extensions)


def _field_error(detail: Mapping[str, Any]) -> dict[str, str]:
    # Never the input itself: it may be large, secret, or not even encodable.
    place = [str(part) for part in detail["loc"]]
    if detail["type"] == "json_invalid":
        return {"field": "body", "detail": "is not valid JSON"}
    field = (".".join(place[1:]) or place[0])[:FIELD_MAX_CHARS]
    message = str(detail["msg"]).removeprefix("Value error, ")
    return {"field": field, "detail": f"{message[0].lower()}{message[1:]}"}
