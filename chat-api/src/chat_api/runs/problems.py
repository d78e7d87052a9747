"""What can keep a message from getting its answer, as the API says it."""

from http import HTTPStatus

from chat_api.problems import ProblemError


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


class RunLostError(ProblemError):
    """The run's conversation was deleted under it, or another process took it for lost."""

    type = "run-lost"
    title = "The run was ended by somebody else"
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


SOME_WAS_DONE = "Some of it may have been done: look before you send the message again."
INTERRUPTED_TYPE = "interrupted"
INTERRUPTED_DETAIL = f"The service stopped while it worked on this message. {SOME_WAS_DONE}"
"""How a run is closed whose process went away."""
