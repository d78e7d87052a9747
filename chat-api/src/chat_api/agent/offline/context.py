"""What earlier turns left behind: tasks shown, an open question, changes that can be undone."""

from dataclasses import dataclass

from todo_chat_shared.tasks import Task, TaskPage

from chat_api.agent.offline.conversation import Call, Turn
from chat_api.agent.offline.intents import Incomplete, Question
from chat_api.agent.offline.targets import NOTHING_SEEN, Seen

WRITES = frozenset({"add_task", "update_task", "complete_task", "reopen_task", "delete_task", "restore_task"})


@dataclass(frozen=True, slots=True)
class Context:
    """What a message may refer to."""

    seen: Seen = NOTHING_SEEN
    question: Question | None = None
    incomplete: Incomplete | None = None
    changes: tuple[Call, ...] = ()
    """The successful writes of the last turn that had any."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Final words, and what they leave open."""

    text: str
    shown: tuple[Task, ...] = ()
    question: Question | None = None
    incomplete: Incomplete | None = None


def after(turn: Turn, reply: Reply | None, before: Context) -> Context:
    """Return the context after a turn; `reply` is None where the rules did not write its answer."""
    writes = tuple(call for call in turn.calls if call.name in WRITES and isinstance(call.outcome, Task))
    if reply is None:
        reply = Reply("", _outcomes(turn, writes))
    seen = before.seen
    if reply.question:
        seen = Seen(reply.question.candidates, reply.question.titles)
    elif reply.shown:
        seen = Seen(tuple(task.task_id for task in reply.shown), tuple(task.title for task in reply.shown))
    return Context(seen, reply.question, reply.incomplete, writes or before.changes)


def _outcomes(turn: Turn, writes: tuple[Call, ...]) -> tuple[Task, ...]:
    """Return what another model must have shown: what it changed, else what it read last."""
    if writes:
        return tuple(call.outcome for call in writes if isinstance(call.outcome, Task))
    for call in reversed(turn.calls):
        if isinstance(call.outcome, TaskPage):
            return tuple(call.outcome.tasks)
        if isinstance(call.outcome, Task):
            return (call.outcome,)
    return ()
