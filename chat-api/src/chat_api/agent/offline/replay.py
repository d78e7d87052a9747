"""A plan written as straight code, although each of its calls ends the model's response.

The model keeps no state. For every response the plan runs again from its beginning; calls that this turn has already
made give their recorded outcomes, and the first that it has not made stops the plan: those are the next calls.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from todo_chat_shared.tasks import Task, TaskPage

from chat_api.agent.offline.conversation import UNREADABLE, Call, Outcome, Refusal


@dataclass(frozen=True, slots=True)
class Request:
    """A tool call to be made."""

    name: str
    arguments: dict[str, Any]


class CallsNeededError(Exception):
    """The plan cannot go on before these calls have outcomes."""

    def __init__(self, requests: Sequence[Request]) -> None:
        super().__init__("calls needed")
        self.requests = requests


class DivergedError(Exception):
    """The recorded calls are not those of this plan: another model made them."""


class ToolMissingError(Exception):
    """The plan needs a tool that is not on offer."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Replay:
    """The recorded calls of a turn, handed out in the order in which the plan asks for them."""

    def __init__(self, calls: Sequence[Call], tools: Collection[str]) -> None:
        self._calls = calls
        self._tools = tools
        self._next = 0

    def call(self, *requests: Request) -> list[Outcome]:
        """Return the outcomes of the requests.

        Raises:
            CallsNeededError: They were not made yet.
            DivergedError: Others were made in their place.
            ToolMissingError: One of them asks for a tool that is not on offer.
        """
        if not requests:
            return []
        made = self._calls[self._next : self._next + len(requests)]
        if not made:
            for request in requests:
                if request.name not in self._tools:
                    raise ToolMissingError(request.name)
            raise CallsNeededError(requests)
        if len(made) < len(requests):
            raise DivergedError
        self._next += len(requests)
        return [self._outcome(request, call) for request, call in zip(requests, made, strict=True)]

    def end(self) -> None:
        """Say that the plan needs no more calls.

        Raises:
            DivergedError: The turn made more.
        """
        if self._next < len(self._calls):
            raise DivergedError

    def page(self, **filters: Any) -> TaskPage | Refusal:
        """Ask `list_tasks` and return its page."""
        [outcome] = self.call(Request("list_tasks", filters))
        return outcome if isinstance(outcome, TaskPage | Refusal) else Refusal(UNREADABLE)

    def tasks(self, requests: Sequence[Request]) -> list[Task | Refusal]:
        """Make calls that each answer with a task."""
        return [
            outcome if isinstance(outcome, Task | Refusal) else Refusal(UNREADABLE) for outcome in self.call(*requests)
        ]

    @staticmethod
    def _outcome(request: Request, call: Call) -> Outcome:
        # Dates in arguments depend on the clock of their turn, so they are not compared.
        same_task = request.arguments.get("task_id") == call.arguments.get("task_id")
        if request.name != call.name or not same_task or call.outcome is None:
            raise DivergedError
        return call.outcome
