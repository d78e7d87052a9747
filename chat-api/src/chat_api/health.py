"""`/livez` and `/readyz`: is the process up, and can it serve."""

import asyncio
from typing import Final, Literal
from urllib.parse import urljoin

import httpx
from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, Field

from chat_api.database import Database, DatabaseUnavailableError

DATABASE_SECONDS: Final = 3.0
"""Longest time that a readiness check waits for the database."""
TODO_SERVER_TIMEOUT_SECONDS: Final = 1.0

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


class DatabaseCheck:
    """Asks whether the database answers, with one question at a time.

    Where the database has fallen silent, checks that keep coming neither take up the pool nor wait until the driver has
    given their connection up.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._question: asyncio.Task[bool] | None = None

    async def answers(self) -> bool:
        """Tell whether it answers within `DATABASE_SECONDS`."""
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._ask())
        question = self._question
        done, _ = await asyncio.wait({question}, timeout=DATABASE_SECONDS)
        return bool(done) and not question.cancelled() and question.result()

    async def close(self) -> None:
        """End a question that is still under way."""
        if self._question is not None:
            self._question.cancel()
            await asyncio.wait({self._question})

    async def _ask(self) -> bool:
        try:
            await self._database.ping()
        except DatabaseUnavailableError:
            return False
        return True


@router.get("/livez")
async def livez() -> Liveness:
    """Tell that the process is up."""
    return Liveness()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "The database does not answer."}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Ask the database, and look whether the todo server answers."""
    state = request.app.state
    database, todo_server = await asyncio.gather(
        state.database_check.answers(), _todo_server_answers(state.http, state.settings.mcp_server_url)
    )
    if not database:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Readiness(
        ready=database,
        database="ok" if database else "unavailable",
        todo_server="ok" if todo_server else "unavailable",
        model_provider=state.settings.model_provider,
    )


async def _todo_server_answers(http: httpx.AsyncClient, mcp_url: str) -> bool:
    try:
        answer = await http.get(urljoin(mcp_url, "readyz"), timeout=TODO_SERVER_TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.is_success
