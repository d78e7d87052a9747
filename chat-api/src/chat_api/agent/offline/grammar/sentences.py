"""One message, read as a whole: small talk, or commands one after another."""

import datetime as dt
import re

from chat_api.agent.offline.grammar.additions import read_addition
from chat_api.agent.offline.grammar.changes import read_command, read_statement
from chat_api.agent.offline.grammar.listings import read_listing
from chat_api.agent.offline.grammar.small_talk import read_small_talk
from chat_api.agent.offline.grammar.targets import read_target
from chat_api.agent.offline.grammar.words import polite
from chat_api.agent.offline.grammar.zones import read_zone
from chat_api.agent.offline.intents import (
    Act,
    Add,
    Change,
    Every,
    Find,
    Intent,
    Look,
    Numbers,
    Shown,
    Talk,
    Undo,
    Unknown,
    Words,
)

MOST_COMMANDS = 2
"""Each takes at most four rounds, and a run has ten."""
_MOST_BRIEF = 4
"""Commands on tasks named by number take at most two rounds."""
_MOST_PIECES = 20
_IMPERATIVE = re.compile(
    r"(?:complete|finish|close|mark|set|check|tick|cross|delete|remove|erase|get|drop|cancel|trash"
    r"|bin|discard|throw|clear"
    r"|scrap|re-?open|uncomplete|restore|undelete|recover|bring|flag)\b",
    re.IGNORECASE,
)
_CAN_ADD = re.compile(r"(?:set|make|put|schedule)\b", re.IGNORECASE)
_LONGEST_COMMAND = 1_500

_ASKED = re.compile(
    r"(?:hey |hi |hello |please |ok |okay |and )?,? ?(?:can|could|would|will|may) (?:you|i)\b", re.IGNORECASE
)
_LOOK = re.compile(
    r"(?:show(?: me)?|open|view|read|display|get|describe|see|details? (?:of|on|for|about)|tell me"
    r" (?:more )?about|more about|what about|how about|what is|what['’]?s|whats)"
    r" (?:the details (?:of|for) )?(?P<x>.+)",
    re.IGNORECASE,
)
_DETAIL = re.compile(
    r"(?:(?:what(?:['’]?s| is| are) the (?:priority|status|due date|date|deadline|tags?|description|notes?)"
    r" (?:of|for|on)|when is|when['’]?s|when do i (?:have to|need to|have)) (?P<x>.+?)(?: due)?"
    r"|(?:is|are) (?P<y>.+?) (?:already )?(?:done|completed|finished|due))",
    re.IGNORECASE,
)
_NEXT = re.compile(
    (
        r"(?:,? and then |,? then |,? and also |,? and |; ?|\. |, )(?=(?:please )?(?:add|create|remind"
        r"|complete|finish|delete|remove|mark|tick|reopen|restore|rename|move|reschedule|postpone|set|tag"
        r"|show|list)\b)"
    ),
    re.IGNORECASE,
)


def read_sentence(text: str, now: dt.datetime) -> tuple[Intent, ...]:
    """Return the commands of a message in their order; one `Unknown` where it is not understood."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    one_line = "; ".join(line.removesuffix(";") for line in lines).replace(":; ", ": ")
    if small := read_small_talk(one_line):
        return (small,)
    if _ASKED.match(one_line):
        # "Could you add milk?" asks for milk, not for "milk?".
        one_line = one_line.rstrip(" ?")
    command = polite(one_line)
    if small := read_small_talk(command) or read_zone(command):
        return (small,)
    return _several(command, now) or (_one(command, now) or Unknown(),)


def _several(text: str, now: dt.datetime) -> tuple[Intent, ...]:
    """Return commands joined by "and", where each is plainly one of its own.

    What follows "add" is never divided here: it is the user's own text, and a title may well hold "and delete".
    """
    if len(text) > _LONGEST_COMMAND:
        return ()
    pieces = _NEXT.split(text)
    if not 1 < len(pieces) <= _MOST_PIECES:
        return ()
    intents = [_one(polite(piece), now) for piece in pieces]
    if any(isinstance(intent, Add) for intent in intents[:-1]):
        return ()
    if not all(isinstance(intent, Add | Act | Change | Find | Undo) for intent in intents):
        return ()
    if len(intents) > (_MOST_BRIEF if all(_is_brief(intent) for intent in intents) else MOST_COMMANDS):
        return (Talk("portions"),)
    return tuple(intent for intent in intents if intent)


def _is_brief(intent: Intent | None) -> bool:
    named = intent.target if isinstance(intent, Act | Change) else ()
    return isinstance(intent, Add) or (bool(named) and all(isinstance(one, Numbers) for one in named))


def _one(text: str, now: dt.datetime) -> Intent | None:
    if len(text) > _LONGEST_COMMAND:
        return read_addition(text, now)
    command = read_command(text, now)
    if isinstance(command, Change):
        # "schedule 3 for Friday" moves a task, "schedule dentist for Friday" adds one.
        new = _CAN_ADD.match(text) and all(isinstance(named, Words) for named in command.target)
        addition = read_addition(text, now) if new else None
        return addition if isinstance(addition, Add) else command
    imperative = command if _IMPERATIVE.match(text) else None
    return (
        imperative
        or read_addition(text, now)
        or read_listing(text, now)
        or command
        or read_statement(text, now)
        or _look(text, now)
    )


def _look(text: str, now: dt.datetime) -> Intent | None:
    asked = _DETAIL.fullmatch(text.strip(" ?"))
    if asked:
        target = read_target(asked["x"] or asked["y"], now, "open")
        return Look(target) if target and not any(isinstance(named, Every) for named in target) else None
    match = _LOOK.fullmatch(text)
    said = match["x"] if match else text
    target = read_target(said, now, "open")
    certain = all(isinstance(named, Numbers | Shown) for named in target)
    if target and certain and (match or target != (Shown(),)):
        return Look(target)
    if match and re.match(r"(?:show|open|view|display|details|describe)", text, re.IGNORECASE) and target:
        return Look(target)
    return None
