"""What can be wrong with a page's call, as the API says it."""

from http import HTTPStatus

from chat_api.problems import ProblemError


class ResourceNotFoundError(ProblemError):
    """The todo server has nothing at this address for this user."""

    type = "resource-not-found"
    title = "There is no such resource"
    status = HTTPStatus.NOT_FOUND


class TooManyStreamsError(ProblemError):
    """The user follows their tasks as often as they may."""

    type = "too-many-streams"
    title = "Too many streams are open"
    status = HTTPStatus.TOO_MANY_REQUESTS
