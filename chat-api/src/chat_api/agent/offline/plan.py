"""From the conversation to the next calls or the final words."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace

from todo_chat_shared.tasks import Task

from chat_api.agent.offline import actions, replies
from chat_api.agent.offline.answers import answer_to, completed_by
from chat_api.agent.offline.context import WRITES, Context, Reply, after
from chat_api.agent.offline.conversation import Turn
from chat_api.agent.offline.grammar import read_sentence
from chat_api.agent.offline.intents import Act, Add, Change, Find, Incomplete, Intent, Look, SetZone, Talk, Undo
from chat_api.agent.offline.replay import CallsNeededError, DivergedError, Replay, Request, ToolMissingError

REMEMBERED_TURNS = 20
"""How far back "it" and "undo" can reach."""
_EVERY_TOOL = WRITES | {"list_tasks", "get_task", "set_timezone"}


def next_step(turns: Sequence[Turn], tools: Collection[str], now: dt.datetime) -> Sequence[Request] | str:
    """Return the calls to be made next, or the words that end the turn.

    Args:
        turns: The conversation, oldest first; the last turn is to be answered.
        tools: Names of the tools on offer.
        now: The clock, in the user's zone.
    """
    if not turns:
        return replies.NOT_UNDERSTOOD
    *past, current = turns
    context = Context()
    for turn in past[-REMEMBERED_TURNS:]:
        context = after(turn, _retold(turn, context, now), context)
    try:
        return _answer(current, context, Replay(current.calls, tools), now).text
    except CallsNeededError as needed:
        return needed.requests
    except ToolMissingError as missing:
        return f"I can't do that here: the tool {missing.name} is not on offer."
    except DivergedError:
        return _summary(current, now)


def _retold(turn: Turn, context: Context, now: dt.datetime) -> Reply | None:
    """Return what the rules answered in an earlier turn, or None where it was not they who answered."""
    try:
        return _answer(turn, context, Replay(turn.calls, _EVERY_TOOL), now)
    except (CallsNeededError, DivergedError):
        return None


def _answer(turn: Turn, context: Context, replay: Replay, now: dt.datetime) -> Reply:
    intents = read_sentence(turn.said, now)
    if context.question:
        answered = answer_to(turn.said, intents, context.question, now)
        if isinstance(answered, Reply):
            replay.end()
            return answered
        intents = answered or intents
    elif context.incomplete:
        intents = completed_by(turn.said, intents, context.incomplete, now) or intents
    done: list[Reply] = []
    for place, intent in enumerate(intents):
        reply = _carry_out(intent, context, replay, now)
        done.append(reply)
        if reply.question:
            waiting = (*reply.question.rest, *intents[place + 1 :])
            done[-1] = replace(reply, question=replace(reply.question, rest=waiting))
            break
    replay.end()
    return Reply(
        "\n\n".join(reply.text for reply in done),
        tuple(task for reply in done for task in reply.shown),
        done[-1].question,
        done[-1].incomplete,
    )


def _carry_out(intent: Intent, context: Context, replay: Replay, now: dt.datetime) -> Reply:
    match intent:
        case Add():
            return actions.add(intent, replay, now)
        case Find():
            return actions.find(intent, replay, now)
        case Look():
            return actions.look(intent, replay, context, now)
        case Act():
            return actions.act(intent, replay, context, now)
        case Change():
            return actions.change(intent, replay, context, now)
        case Undo():
            return actions.undo(replay, context, now)
        case SetZone():
            return actions.set_zone(intent, replay)
        case Talk():
            return Reply(replies.talk(intent))
        case Incomplete(question):
            return Reply(question, incomplete=intent)
        case _:
            return Reply(replies.NOT_UNDERSTOOD)


def _summary(turn: Turn, now: dt.datetime) -> str:
    """Tell what a turn did that another model began."""
    changed = [call.outcome for call in turn.calls if call.name in WRITES and isinstance(call.outcome, Task)]
    if changed:
        return f"This is what was done:\n{replies.bullets(changed, now, status=True)}"
    return (
        "I'm the offline assistant and can't go on with what was begun here. Nothing was changed; please say it again."
    )
