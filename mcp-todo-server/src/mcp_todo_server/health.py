"""Health checks, for whatever decides whether to restart this process or to send it requests."""

import asyncio
import logging
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_todo_server.database import Database

READY_SECONDS: Final = 3
"""Longest time that a readiness check waits for the database."""

logger = logging.getLogger(__name__)


class Health:
    """Answers `/livez`, which tells that the process runs, and `/readyz`, which asks the database.

    At most one question to the database is under way: where the database has fallen silent, checks that keep
    coming neither pile up nor wait until the driver has given its connection up.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._question: asyncio.Task[None] | None = None

    @property
    def routes(self) -> list[Route]:
        """The routes of both checks."""
        return [Route("/livez", self.livez), Route("/readyz", self.readyz)]

    async def livez(self, _request: Request) -> JSONResponse:
        """Answer 200."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, _request: Request) -> JSONResponse:
        """Answer 200 where the database answers, else 503."""
        if await self._database_answers():
            return JSONResponse({"status": "ok", "database": "ok"})
        return JSONResponse({"status": "unavailable", "database": "unavailable"}, status_code=503)

    async def close(self) -> None:
        """End a question that is still under way."""
        if self._question is not None:
            self._question.cancel()
            await asyncio.wait({self._question})

    async def _database_answers(self) -> bool:
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._database.ping())
            # An answer that comes after its check has been given up is read all the same.
            self._question.add_done_callback(lambda late: late.cancelled() or late.exception())
        question = self._question
        done, _ = await asyncio.wait({question}, timeout=READY_SECONDS)
        if not done:
            logger.warning("not ready: the database has not answered within %s s", READY_SECONDS)
            return False
        if question.cancelled():
            return False
        if (error := question.exception()) is not None:
            # Any reason at all means "not ready"; which one is the operator's to read.
            logger.warning("not ready: the database does not answer: %r", error)
            return False
        return True
