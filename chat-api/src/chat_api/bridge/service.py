"""The bridge between a page and the todo server: the user's own calls, and what changes."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from uuid_utils import uuid7

from chat_api.agent.errors import ToolsTimeoutError, ToolsUnavailableError, UnknownResourceError
from chat_api.agent.todo_changes import FOLLOWERS_MAX, TaskChanges
from chat_api.agent.todo_server import TodoServer
from chat_api.bridge.problems import ResourceNotFoundError, TooManyStreamsError
from chat_api.problems import RETRY_AFTER_SECONDS
from chat_api.runs.problems import ToolsTimeoutProblem, ToolsUnavailableProblem

_LATER: Final = {"Retry-After": str(RETRY_AFTER_SECONDS)}


class Bridge:
    """Passes on what a user's page asks of the todo server. What comes back is the server's own JSON."""

    def __init__(self, todo: TodoServer, changes: TaskChanges) -> None:
        self._todo = todo
        self._changes = changes

    async def call(self, user_id: str, name: str, arguments: dict[str, Any], effect_key: str | None) -> str:
        """Call a tool and return its result, which may be its refusal.

        A call without a key gets one: it may be sent more than once on its way, and must not act twice.

        Raises:
            ToolsUnavailableProblem, ToolsTimeoutProblem: No outcome is known; the call may have taken effect.
        """
        with _said_to_callers():
            return await self._todo.result(user_id, name, arguments, effect_key or f"bridge/{uuid7()}")

    async def read(self, user_id: str, uri: str) -> str:
        """Read a resource.

        Raises:
            ResourceNotFoundError: There is none at that address.
            ToolsUnavailableProblem, ToolsTimeoutProblem: The todo server does not answer.
        """
        with _said_to_callers():
            return await self._todo.read(user_id, uri)

    def follow(self, user_id: str, seconds: float) -> AsyncGenerator[bool]:
        """Follow the user's tasks for so many seconds; see `TaskChanges.follow`.

        Raises:
            TooManyStreamsError: The user follows them as often as they may at this process.
        """
        if self._changes.is_full(user_id):
            detail = f"{FOLLOWERS_MAX} are the most for one user. Close a tab, or wait until one was closed."
            raise TooManyStreamsError(detail, headers=_LATER)
        return self._changes.follow(user_id, seconds)


@contextmanager
def _said_to_callers() -> Iterator[None]:
    try:
        yield
    except ToolsUnavailableError as error:
        raise ToolsUnavailableProblem(str(error), headers=_LATER) from error
    except ToolsTimeoutError as error:
        raise ToolsTimeoutProblem(str(error)) from error
    except UnknownResourceError:
        raise ResourceNotFoundError("The todo list has nothing at this address.") from None
