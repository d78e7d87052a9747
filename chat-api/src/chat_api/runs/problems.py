"""What can keep a message from getting its answer, as the API says it."""

from http import HTTPStatus
from typing import Final

from chat_api.problems import InternalError, ProblemError


class RunNotFoundError(ProblemError):
    """The user has no such run."""

    type = "run-not-found"
    title = "There is no such run"
    status = HTTPStatus.NOT_FOUND


class RunActiveError(ProblemError):
    """The conversation is still busy with another message."""

    type = "run-active"
    title = "The conversation is busy"
    status = HTTPStatus.CONFLICT


class ModelFailedProblem(ProblemError):
    """The model failed; the run is on record."""

    type = "model-failed"
    title = "The model failed"
    status = HTTPStatus.BAD_GATEWAY


class ModelTimeoutProblem(ProblemError):
    """The model timed out; the run is on record."""

    type = "model-timeout"
    title = "The model did not answer in time"
    status = HTTPStatus.GATEWAY_TIMEOUT


class ToolsUnavailableProblem(ProblemError):
    """The todo server cannot be reached; the run is on record."""

    type = "todo-server-unavailable"
    title = "The todo list cannot be reached"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class ToolsTimeoutProblem(ProblemError):
    """The todo server timed out; the run is on record."""

    type = "todo-server-timeout"
    title = "The todo list did not answer in time"
    status = HTTPStatus.GATEWAY_TIMEOUT


class InterruptedProblem(ProblemError):
    """The run was taken over again and again without coming on; it is on record."""

    type = "interrupted"
    title = "The service stopped while it worked on the message"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class QueueFullError(ProblemError):
    """As many messages wait for the conversation as may."""

    type = "queue-full"
    title = "Too many messages wait"
    status = HTTPStatus.CONFLICT


class KeyReusedError(ProblemError):
    """The idempotency key stands for another message."""

    type = "idempotency-key-reused"
    title = "The key was used for another request"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class RunDeletedError(ProblemError):
    """The key's run was deleted with its conversation."""

    type = "run-deleted"
    title = "The message was deleted with its conversation"
    status = HTTPStatus.GONE


class NotRetriableError(ProblemError):
    """There is nothing to go on with: the run did not fail and was not stopped, or others have followed it."""

    type = "not-retriable"
    title = "The run cannot be retried"
    status = HTTPStatus.CONFLICT


class NotReplaceableError(ProblemError):
    """The run to be replaced is at work, or was replaced already."""

    type = "not-replaceable"
    title = "The run cannot be replaced"
    status = HTTPStatus.CONFLICT


class DecidedError(ProblemError):
    """The run waits for no decision: it was made, it expired, or none was ever needed."""

    type = "already-decided"
    title = "There is nothing to decide"
    status = HTTPStatus.CONFLICT


class EventsGoneError(ProblemError):
    """The run's events were deleted, some days after its end. Its result is kept."""

    type = "events-gone"
    title = "The events are no longer kept"
    status = HTTPStatus.GONE


SOME_WAS_DONE = "Some of it may have been done: look before you send the message again."
INTERRUPTED_DETAIL = f"The service stopped while it worked on this message. {SOME_WAS_DONE}"
"""What is said of a run that nobody could bring to its end."""

FAILURES: Final[dict[str, type[ProblemError]]] = {
    problem.type: problem
    for problem in (
        ModelFailedProblem,
        ModelTimeoutProblem,
        ToolsUnavailableProblem,
        ToolsTimeoutProblem,
        InterruptedProblem,
        InternalError,
    )
}
"""How a run can have failed, by the type on record."""
