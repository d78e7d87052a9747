"""Commands and statements that change a task's status."""

import datetime as dt
import re

from chat_api.agent.offline.grammar.targets import read_target
from chat_api.agent.offline.intents import STATUS_BEFORE, Act, Incomplete, Intent, Verb

_DONE = r"(?:done|complete|completed|finished|ticked(?: off)?|off)"
_NOT_DONE = (
    r"(?:not (?:done|complete|completed|finished)(?: yet)?|undone|incomplete|open|unfinished|pending|not yet done"
    r"|to-? ?do)"
)
_X = r"(?P<x>.+?)"
WHICH_TASK = "Which task do you mean? Name it by its number or by words of its title."
Table = tuple[tuple[Verb, re.Pattern[str]], ...]


def _acts(*rows: tuple[Verb, str]) -> Table:
    return tuple((verb, re.compile(pattern, re.IGNORECASE)) for verb, pattern in rows)


COMMANDS = _acts(
    ("reopen", rf"(?:mark|set|flag) {_X} (?:as |to |back to )?{_NOT_DONE}"),
    ("reopen", rf"(?:re-?open|uncomplete|un-?tick|uncheck|unmark|undo the completion of)(?: {_X})?"),
    ("restore", rf"(?:restore|undelete|un-delete|recover|bring back|put back)(?: {_X})?"),
    ("restore", rf"bring {_X} back"),
    ("complete", rf"(?:mark|set)(?: as)? {_DONE}(?P<x>)"),
    ("complete", rf"(?:mark|set|check|tick|cross|flag) {_X} (?:as |to |off as )?{_DONE}(?: off)?"),
    (
        "complete",
        (
            rf"(?:complete|finish|close|check off|tick off|cross off|tick|check|mark off|done with|done"
            rf"|finished|completed|(?:i am|i['’]m) (?:done|finished) with):?(?: {_X})?"
        ),
    ),
    (
        "delete",
        (
            rf"(?:delete|remove|erase|get rid of|drop|cancel|trash|bin|discard|throw away|throw out|clear"
            rf"|scrap)(?: {_X})?"
        ),
    ),
)
FACTS = _acts(
    (
        "reopen",
        (
            rf"{_X} (?:is not|isn['’]?t|was not|wasn['’]?t) (?:done|complete|completed|finished)(?: yet| after"
            rf" all)?"
        ),
    ),
    (
        "reopen",
        (
            rf"i (?:did not|didn['’]?t|have not|haven['’]?t) (?:actually )?(?:done|do|finish|finished|complete"
            rf"|completed) {_X}"
        ),
    ),
    (
        "complete",
        (
            rf"i(?:['’]ve| have)? (?:just |already )?(?:done|did|finished|completed|ticked off|do)(?: with)?"
            rf" {_X}"
        ),
    ),
    (
        "complete",
        (
            rf"{_X} (?:is|are|was|has been|have been) (?:now |already |all )?(?:done|complete|completed"
            rf"|finished)(?: now)?"
        ),
    ),
    ("complete", rf"(?!is |are ){_X} done"),
)


def read_act(table: Table, text: str, now: dt.datetime) -> Intent | None:
    """Return the change of status that a text asks for by one of the table's rows, or None."""
    for verb, pattern in table:
        match = pattern.fullmatch(text)
        if match:
            target = read_target(match["x"] or "", now, STATUS_BEFORE[verb])
            return Act(verb, target) if target else Incomplete(WHICH_TASK, Act(verb, ()))
    return None
