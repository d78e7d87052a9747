"""`POST /api/{user_id}/chat`, and the runs that it makes."""

from fastapi import APIRouter, Request

from chat_api.auth import UserId, UserRoute, documented_bearer
from chat_api.conversations.problems import ConversationNotFoundError
from chat_api.dependencies import Runs
from chat_api.middleware import BodyTooLargeError
from chat_api.problems import COMMON_ERRORS, InvalidRequestError, responses
from chat_api.runs import problems
from chat_api.runs.schemas import ChatRequest, ChatResponse, Run, RunId, ToolCall

router = APIRouter(prefix="/api/{user_id}", tags=["runs"], route_class=UserRoute, dependencies=[documented_bearer])


@router.post(
    "/chat",
    responses=responses(
        *COMMON_ERRORS,
        ConversationNotFoundError,
        problems.RunActiveError,
        problems.RunLostError,
        BodyTooLargeError,
        problems.ModelFailedProblem,
        problems.ToolsUnavailableProblem,
        problems.ModelTimeoutProblem,
        problems.ToolsTimeoutProblem,
    ),
)
async def chat(user_id: UserId, body: ChatRequest, request: Request, runs: Runs) -> ChatResponse:
    """Say something to the assistant and get its answer.

    Answers 502, 503 and 504 that name a `run_id` are about a run that is on record; the conversation takes the
    next message as if nothing had happened.
    """
    longest: int = request.app.state.settings.max_message_chars
    if len(body.message) > longest:
        detail = f"must have at most {longest} characters; it has {len(body.message)}"
        raise InvalidRequestError(f"message: {detail}", errors=[{"field": "message", "detail": detail}])
    done = await runs.send(user_id, body.message, body.conversation_id, body.timezone)
    return ChatResponse(
        conversation_id=done.conversation_id,
        response=done.answer,
        tool_calls=[ToolCall.of(call) for call in done.calls],
        run_id=done.run_id,
        status="completed",
        message_id=done.message_id,
    )


@router.get("/runs/{run_id}", responses=responses(*COMMON_ERRORS, problems.RunNotFoundError))
async def read_run(user_id: UserId, run_id: RunId, runs: Runs) -> Run:
    """Read one run: its state, its message, its tool calls, and why it failed if it did."""
    return Run.of(*await runs.get(user_id, run_id))
