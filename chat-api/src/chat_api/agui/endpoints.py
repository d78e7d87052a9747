"""`/api/{user_id}/agui`: the assistant by the AG-UI protocol."""

from typing import Any

from fastapi import APIRouter, Request, Response

from chat_api.agui.schemas import RunInput
from chat_api.auth import UserId, UserRoute, documented_bearer
from chat_api.dependencies import Events, Runs, Threads
from chat_api.journal import sse
from chat_api.middleware import BodyTooLargeError
from chat_api.problems import COMMON_ERRORS, responses
from chat_api.runs import problems
from chat_api.runs.endpoints import RUN_NAMED, check_length, stream
from chat_api.usage.service import QuotaExceededError, RateLimitedError

router = APIRouter(prefix="/api/{user_id}", tags=["AG-UI"], route_class=UserRoute, dependencies=[documented_bearer])

_RESPONSES: dict[int | str, dict[str, Any]] = {
    **responses(
        *COMMON_ERRORS,
        problems.RunNotFoundError,
        problems.RunActiveError,
        problems.QueueFullError,
        problems.NotReplaceableError,
        problems.DecidedError,
        problems.RunDeletedError,
        problems.EventsGoneError,
        problems.KeyReusedError,
        BodyTooLargeError,
        RateLimitedError,
        QuotaExceededError,
    ),
    200: {
        "description": "The run's events, as server-sent events. They end with RUN_FINISHED or RUN_ERROR.",
        "content": {sse.MEDIA_TYPE: {"schema": {"type": "string"}}},
        "headers": RUN_NAMED,
    },
}


@router.post("/agui", response_class=Response, responses=_RESPONSES)
async def run_agent(
    user_id: UserId, body: RunInput, request: Request, runs: Runs, threads: Threads, events: Events
) -> Response:
    """Say something to the assistant, or decide on what it waits for, as AG-UI clients do.

    A run goes on when the client goes away, and one that is sent again under its `runId` is joined. What keeps a run
    from starting is answered with a problem, not with an event.
    """
    message = body.to_message()
    if message is not None:
        check_length("messages", message.message, request)
    if body.resume or message is None:
        sent = await threads.resume(user_id, body.thread_id, body.to_decisions(), message)
    else:
        sent = await runs.send(user_id, message)
    return stream(events, user_id, sent.run_id, sent.after)
