"""What can keep an owner from writing to its run, as the API says it."""

from http import HTTPStatus

from chat_api.problems import ProblemError


class RunLostError(ProblemError):
    """The run's conversation was deleted under it, or another process took it for lost."""

    type = "run-lost"
    title = "The run was ended by somebody else"
    status = HTTPStatus.CONFLICT
