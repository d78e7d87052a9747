"""`/api/{user_id}/chat` and `/api/{user_id}/runs`: sending messages, and what becomes of them."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Request, Response, status
from fastapi.responses import StreamingResponse

from chat_api.auth import UserId, UserRoute, documented_bearer
from chat_api.conversations.problems import ConversationNotFoundError
from chat_api.dependencies import Events, Runs
from chat_api.journal import sse
from chat_api.journal.feed import Feeds
from chat_api.journal.problems import RunLostError
from chat_api.middleware import BodyTooLargeError
from chat_api.problems import COMMON_ERRORS, InvalidRequestError, ProblemError, responses
from chat_api.runs import problems
from chat_api.runs.schemas import ChatRequest, ChatResponse, Decisions, IdempotencyKey, Run, RunId
from chat_api.runs.service import RunService, Sent
from chat_api.usage.service import QuotaExceededError, RateLimitedError

router = APIRouter(prefix="/api/{user_id}", tags=["runs"], route_class=UserRoute, dependencies=[documented_bearer])

Accept = Annotated[
    str,
    Header(description=f"`{sse.MEDIA_TYPE}` answers with the run's events as they come, anything else with its end."),
]
CONTENT_LOCATION = "Content-Location"
"""Names the run whose events the answer holds (RFC 9110, section 8.7): what a client needs to stop it."""
RUN_NAMED: dict[str, Any] = {CONTENT_LOCATION: {"description": "The run, of a stream.", "schema": {"type": "string"}}}

_LIMITS = (RateLimitedError, QuotaExceededError)
_FAILURES = (
    RunLostError,
    problems.ModelFailedProblem,
    problems.ToolsUnavailableProblem,
    problems.InterruptedProblem,
    problems.ModelTimeoutProblem,
    problems.ToolsTimeoutProblem,
)


def _answers(*errors: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """Describe the answers of calls that carry a run out."""
    described = responses(*COMMON_ERRORS, *errors, *_LIMITS, *_FAILURES)
    stream = {"schema": {"type": "string", "description": "AG-UI events, as server-sent events."}}
    described[200] = {
        "description": "The run's end, or its events.",
        "headers": RUN_NAMED,
        "content": {sse.MEDIA_TYPE: stream},
    }
    described[202] = {"model": ChatResponse, "description": "The run waits for the user's decision."}
    return described


def stream(events: Feeds, user_id: str, run_id: str, after: int) -> Response:
    """Answer with a run's events behind number `after`, and name the run: one that is queued sends none yet."""
    run = f"/api/{quote(user_id, safe='')}/runs/{quote(run_id, safe='')}"
    headers = sse.HEADERS | {CONTENT_LOCATION: run}
    return StreamingResponse(sse.stream(events, user_id, run_id, after), media_type=sse.MEDIA_TYPE, headers=headers)


async def answer(user_id: str, sent: Sent, accept: str, runs: RunService, events: Feeds, response: Response) -> Any:
    """Answer with a run's events, or with what it came to, as the caller prefers."""
    if sse.MEDIA_TYPE in accept:
        return stream(events, user_id, sent.run_id, sent.after)
    result = await runs.result(sent, user_id)
    if result.status == "requires_action":
        response.status_code = status.HTTP_202_ACCEPTED
    return ChatResponse.of(result)


@router.post(
    "/chat",
    response_model=ChatResponse,
    responses=_answers(
        ConversationNotFoundError,
        problems.RunNotFoundError,
        problems.RunActiveError,
        problems.QueueFullError,
        problems.NotReplaceableError,
        problems.RunDeletedError,
        problems.KeyReusedError,
        BodyTooLargeError,
    ),
)
async def chat(
    user_id: UserId,
    body: ChatRequest,
    request: Request,
    response: Response,
    runs: Runs,
    events: Events,
    idempotency_key: IdempotencyKey = None,
    accept: Accept = "",
) -> Any:
    """Say something to the assistant and get its answer.

    The run goes on when the caller goes away. Sending the same again under the same `Idempotency-Key` joins it, or
    goes on with it where it failed. Answers 502, 503 and 504 that name a `run_id` are about a run that is on record;
    the conversation takes the next message as if nothing had happened.
    """
    check_length("message", body.message, request)
    sent = await runs.send(user_id, body.to_message(idempotency_key))
    return await answer(user_id, sent, accept, runs, events, response)


def check_length(field: str, message: str, request: Request) -> None:
    """Return if a message is short enough.

    Raises:
        InvalidRequestError: It is longer than `MAX_MESSAGE_CHARS`.
    """
    longest: int = request.app.state.settings.max_message_chars
    if len(message) > longest:
        detail = f"must have at most {longest} characters; it has {len(message)}"
        raise InvalidRequestError(f"{field}: {detail}", errors=[{"field": field, "detail": detail}])


@router.get("/runs/{run_id}", responses=responses(*COMMON_ERRORS, problems.RunNotFoundError))
async def read_run(user_id: UserId, run_id: RunId, runs: Runs) -> Run:
    """Read one run: its state, its message, its tool calls, and why it failed if it did."""
    return Run.of(await runs.get(user_id, run_id))


@router.get(
    "/runs/{run_id}/events",
    response_class=Response,
    responses={
        **responses(*COMMON_ERRORS, problems.RunNotFoundError, problems.EventsGoneError),
        200: {
            "description": "The run's events.",
            "headers": RUN_NAMED,
            "content": {sse.MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
    },
)
async def read_events(
    user_id: UserId,
    run_id: RunId,
    runs: Runs,
    events: Events,
    last_event: Annotated[
        str | None, Header(alias=sse.LAST_EVENT_ID, description="`{run_id}:{n}`: begin behind this event.")
    ] = None,
) -> Response:
    """Read a run's events from any one on, those that are still to come included, until the run ends or waits.

    Every reader at any replica gets the same bytes. Events are kept for 7 days after the run's end.
    """
    after = sse.event_number(run_id, last_event)
    details = await runs.get(user_id, run_id)
    if not details.run.events_kept:
        raise problems.EventsGoneError("The run ended more than 7 days ago. Read the run itself for its result.")
    return stream(events, user_id, run_id, after)


@router.post(
    "/runs/{run_id}/cancel",
    status_code=status.HTTP_202_ACCEPTED,
    responses={
        **responses(*COMMON_ERRORS, problems.RunNotFoundError),
        200: {"model": Run, "description": "The run had ended before."},
    },
)
async def cancel_run(user_id: UserId, run_id: RunId, runs: Runs, response: Response) -> Run:
    """Stop a run. What it has done to tasks stays; what it has said until then becomes its answer."""
    details, accepted = await runs.cancel(user_id, run_id)
    if not accepted:
        response.status_code = status.HTTP_200_OK
    return Run.of(details)


@router.post(
    "/runs/{run_id}/retry",
    response_model=ChatResponse,
    responses=_answers(problems.RunNotFoundError, problems.NotRetriableError, problems.RunActiveError),
)
async def retry_run(
    user_id: UserId, run_id: RunId, runs: Runs, events: Events, response: Response, accept: Accept = ""
) -> Any:
    """Go on with a failed or cancelled run, the newest of its conversation. Nothing that it has done is done again."""
    sent = await runs.retry(user_id, run_id)
    return await answer(user_id, sent, accept, runs, events, response)


@router.post(
    "/runs/{run_id}/approvals",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(*COMMON_ERRORS, problems.RunNotFoundError, problems.DecidedError, BodyTooLargeError),
)
async def decide(user_id: UserId, run_id: RunId, body: Decisions, runs: Runs) -> Run:
    """Allow or deny the tool calls that a run waits for, all of them at once. The run then goes on."""
    await runs.decide(user_id, run_id, body.to_decisions())
    return Run.of(await runs.get(user_id, run_id))
