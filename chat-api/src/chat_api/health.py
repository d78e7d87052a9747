"""`/livez` and `/readyz`: is the process up, and can it serve."""

import asyncio
from typing import Literal
from urllib.parse import urljoin

import httpx
from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, Field

from chat_api.database import Database, DatabaseUnavailableError

TODO_SERVER_TIMEOUT_SECONDS = 1.0

router = APIRouter(tags=["health"])


class Liveness(BaseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether this replica can serve. The todo server and the model are told but do not decide: with either of
    them gone, every other replica would be as badly off."""

    ready: bool
    database: Literal["ok", "unavailable"]
    todo_server: Literal["ok", "unavailable"]
    model_provider: str = Field(description="`openai` or `offline`.")


@router.get("/livez")
async def livez() -> Liveness:
    """Tell that the process is up."""
    return Liveness()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "The database does not answer."}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Ask the database, and look whether the todo server answers."""
    state = request.app.state
    database, todo_server = await asyncio.gather(
        _database_answers(state.database), _todo_server_answers(state.http, state.settings.mcp_server_url)
    )
    if not database:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Readiness(
        ready=database,
        database="ok" if database else "unavailable",
        todo_server="ok" if todo_server else "unavailable",
        model_provider=state.settings.model_provider,
    )


async def _database_answers(database: Database) -> bool:
    try:
        await database.ping()
    except DatabaseUnavailableError:
        return False
    return True


async def _todo_server_answers(http: httpx.AsyncClient, mcp_url: str) -> bool:
    try:
        answer = await http.get(urljoin(mcp_url, "readyz"), timeout=TODO_SERVER_TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.is_success
