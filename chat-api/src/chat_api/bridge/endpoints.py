"""`/api/{user_id}/mcp`: the todo server's own methods, for the user's page."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from todo_chat_shared.tokens import LEEWAY_SECONDS

from chat_api.agent.todo_changes import TASKS_URI
from chat_api.auth import UserId, UserRoute, documented_bearer, token_expires_at
from chat_api.bridge.problems import ResourceNotFoundError, TooManyStreamsError
from chat_api.bridge.schemas import CallToolParams, ReadResourceParams
from chat_api.dependencies import TodoBridge
from chat_api.journal import sse
from chat_api.middleware import BodyTooLargeError
from chat_api.problems import COMMON_ERRORS, ProblemError, responses
from chat_api.runs.problems import ToolsTimeoutProblem, ToolsUnavailableProblem

router = APIRouter(prefix="/api/{user_id}/mcp", tags=["tasks"], route_class=UserRoute, dependencies=[documented_bearer])

JSON: Final = "application/json"
STREAM_SECONDS: Final = 86_400
"""Longest life of a stream, whatever its token says."""
TASKS_CHANGED: Final = f"data: {json.dumps({'uri': TASKS_URI}, separators=(',', ':'))}\n\n".encode()


def _answers(result: str, *errors: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    described = responses(*COMMON_ERRORS, *errors, BodyTooLargeError, ToolsUnavailableProblem, ToolsTimeoutProblem)
    described[200] = {"description": f"MCP's `{result}`.", "content": {JSON: {"schema": {"type": "object"}}}}
    return described


@router.post("/tools/call", response_class=Response, responses=_answers("CallToolResult"))
async def call_tool(user_id: UserId, params: CallToolParams, bridge: TodoBridge) -> Response:
    """Call a tool of the todo server on the user's own tasks. A tool's refusal is an answer: `isError` says so.

    Where no answer comes, or 503 or 504, the same call can be sent again under the same effect key.
    """
    result = await bridge.call(user_id, params.name, params.arguments, params.meta.effect_key)
    return Response(result, media_type=JSON)


@router.post(
    "/resources/read",
    response_class=Response,
    responses=_answers("ReadResourceResult", ResourceNotFoundError),
)
async def read_resource(user_id: UserId, params: ReadResourceParams, bridge: TodoBridge) -> Response:
    """Read one of the todo server's resources: the user's own tasks, or a page that shows them."""
    return Response(await bridge.read(user_id, params.uri), media_type=JSON)


@router.get(
    "/changes",
    response_class=Response,
    responses={
        **responses(*COMMON_ERRORS, TooManyStreamsError),
        200: {
            "description": "One event for each change, or for several.",
            "content": {sse.MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
    },
)
async def follow_changes(user_id: UserId, request: Request, bridge: TodoBridge) -> Response:
    """Hear whenever the user's tasks may have changed, whoever changed them, as server-sent events.

    An event says to look again, and nothing more. One comes as soon as changes are listened to, and one whenever they
    are again after the todo server was away, since some may have been missed. The stream ends with the token.
    """
    seconds = min(token_expires_at(request) + LEEWAY_SECONDS - int(time.time()), STREAM_SECONDS)
    changes = _events(bridge.follow(user_id, seconds))
    return StreamingResponse(changes, media_type=sse.MEDIA_TYPE, headers=sse.HEADERS)


async def _events(changes: AsyncGenerator[bool]) -> AsyncIterator[bytes]:
    async with aclosing(changes) as told:
        async for changed in told:
            yield TASKS_CHANGED if changed else sse.KEEP_ALIVE
