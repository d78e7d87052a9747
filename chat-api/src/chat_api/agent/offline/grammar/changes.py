"""Commands that change tasks: their status, title, date, priority, tags."""

import datetime as dt
import re
from collections.abc import Callable, Sequence

from chat_api.agent.offline.dates import find_when
from chat_api.agent.offline.grammar.targets import read_target
from chat_api.agent.offline.grammar.words import PRIORITY, distinct, priority_of, unquoted
from chat_api.agent.offline.intents import STATUS_BEFORE, Act, Change, Incomplete, Intent, Target, Verb

_DONE = r"(?:done|complete|completed|finished|ticked(?: off)?|off)"
_NOT_DONE = (
    r"(?:not (?:done|complete|completed|finished)(?: yet)?|undone|incomplete|open|unfinished|pending|not yet done)"
)
_DUE = r"(?:due[ -]?(?:date|time)?|deadline|date)"
_TAGS = r"(?P<tags>[\"'#]?[^\W_][\w-]{0,49}[\"']?(?:(?:,? and |, ?| )#?[^\W_][\w-]{0,49}){0,9})"
_X = r"(?P<x>.+?)"
WHICH_TASK = "Which task do you mean? Name it by its number or by words of its title."


def _acts(*rows: tuple[Verb, str]) -> tuple[tuple[Verb, re.Pattern[str]], ...]:
    return tuple((verb, re.compile(pattern, re.IGNORECASE)) for verb, pattern in rows)


_COMMANDS = _acts(
    ("reopen", rf"(?:mark|set|flag) {_X} (?:as |to |back to )?{_NOT_DONE}"),
    ("reopen", rf"(?:re-?open|uncomplete|un-?tick|uncheck|unmark|undo the completion of)(?: {_X})?"),
    ("restore", rf"(?:restore|undelete|un-delete|recover|bring back|put back)(?: {_X})?"),
    ("restore", rf"bring {_X} back"),
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
_FACTS = _acts(
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
    ("complete", rf"{_X} done"),
)

_Reader = Callable[[re.Match[str], dt.datetime], Intent | None]


def read_command(text: str, now: dt.datetime) -> Intent | None:
    """Return the change that a command asks for ("move 3 to Friday"), or None."""
    return _field_change(_CHANGES, text, now) or _act(_COMMANDS, text, now)


def read_statement(text: str, now: dt.datetime) -> Intent | None:
    """Return the change that a statement amounts to ("milk is done", "3 is due on Friday"), or None."""
    return _field_change(_STATEMENTS, text, now) or _act(_FACTS, text, now)


def _field_change(table: Sequence[tuple[re.Pattern[str], _Reader]], text: str, now: dt.datetime) -> Intent | None:
    for pattern, reader in table:
        match = pattern.fullmatch(text)
        intent = reader(match, now) if match else None
        if intent:
            return intent
    return None


def _act(table: Sequence[tuple[Verb, re.Pattern[str]]], text: str, now: dt.datetime) -> Intent | None:
    for verb, pattern in table:
        match = pattern.fullmatch(text)
        if match:
            target = read_target(match["x"] or "", now, STATUS_BEFORE[verb])
            return Act(verb, target) if target else Incomplete(WHICH_TASK, Act(verb, ()))
    return None


def _target(match: re.Match[str], now: dt.datetime) -> Target:
    said = re.sub(r"(?:['’]s)$", "", match["x"].strip())
    return read_target(said, now, "open")


def _rename(match: re.Match[str], now: dt.datetime) -> Intent | None:
    title, target = unquoted(match["y"]), _target(match, now)
    return Change(target, title=title) if target and title else None


def _change_to(match: re.Match[str], now: dt.datetime) -> Intent | None:
    """Read "change X to Y", where Y may be a date, a priority or a title."""
    said, target = match["y"].strip(), _target(match, now)
    if not target:
        return None
    level = re.fullmatch(rf"(?P<p>{PRIORITY})(?: priority)?", said, re.IGNORECASE)
    if level:
        return Change(target, priority=priority_of(level["p"]))
    found = find_when(said, now) or find_when(f"on {said}", now) or find_when(f"at {said}", now)
    if found and not found.rest:
        return Change(target, when=found.when)
    return Change(target, title=unquoted(said))


def _describe(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, description=unquoted(match["y"])) if target else None


def _reschedule(match: re.Match[str], now: dt.datetime) -> Intent | None:
    said, target = match["y"].strip(), _target(match, now)
    found = find_when(said, now) or find_when(f"on {said}", now) or find_when(f"at {said}", now)
    if not found or found.rest or not target:
        return None
    return Change(target, when=found.when)


def _reschedule_loosely(match: re.Match[str], now: dt.datetime) -> Intent | None:
    """Read "move X <date>" without "to": what is not the date is the target."""
    found = find_when(match["x"], now)
    if not found:
        return None
    target = read_target(re.sub(r" (?:to|until|till|for)$", "", found.rest), now, "open")
    return Change(target, when=found.when) if target else None


def _when_asked(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Incomplete("To when? For example: tomorrow at 5pm", Change(target)) if target else None


def _postpone(match: re.Match[str], now: dt.datetime) -> Intent | None:
    count = match["n"].lower()
    number = int(count) if count.isdigit() else {"two": 2, "three": 3}.get(count, 1)
    unit = match["unit"].lower()
    length = {"h": dt.timedelta(hours=1), "d": dt.timedelta(days=1), "w": dt.timedelta(weeks=1)}[unit[0]] * number
    target = _target(match, now)
    return Change(target, shift=length) if target else None


def _clear_due(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, clear_due=True) if target else None


def _priority(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    level = priority_of(match.groupdict().get("p") or "high")
    return Change(target, priority=level) if target else None


def _lower(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, priority="low") if target else None


def _tag(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, add_tags=_tags(match["tags"])) if target else None


def _untag(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, remove_tags=_tags(match["tags"])) if target else None


def _tags(said: str) -> tuple[str, ...]:
    return distinct(tag.strip("#\"'") for tag in re.split(r",? and |, ?| ", said) if tag.strip("#\"'"))


def _readers(*rows: tuple[str, _Reader]) -> tuple[tuple[re.Pattern[str], _Reader], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), reader) for pattern, reader in rows)


_CHANGES = _readers(
    (rf"(?:rename|retitle|reword) {_X} (?:to|as|into) (?P<y>.+)", _rename),
    (rf"(?:rename|retitle|reword|edit) {_X}: (?P<y>.+)", _rename),
    (rf"(?:change|set|edit|update) the (?:title|name) of {_X} to (?P<y>.+)", _rename),
    (rf"(?:change|set|edit|update) {_X}['’]s (?:title|name) to (?P<y>.+)", _rename),
    (
        (
            rf"(?:set|change|add|edit|update) (?:a |the )?(?:note|description|details)s? (?:of|to|for|on)"
            rf" {_X}(?:: | to )(?P<y>.+)"
        ),
        _describe,
    ),
    (rf"(?:clear|remove|delete|drop|cancel|unset) (?:the |its |any )?{_DUE} (?:of|from|for|on) {_X}", _clear_due),
    (rf"(?:clear|remove|delete|drop) {_X}['’]s {_DUE}", _clear_due),
    (rf"unschedule {_X}", _clear_due),
    (rf"(?:no|without a) {_DUE} for {_X}", _clear_due),
    (rf"(?:set|change|move|make|update|put) (?:the |a )?{_DUE} (?:of|for|on) {_X} (?:to|as|:) (?P<y>.+)", _reschedule),
    (rf"(?:set|change|move|update) {_X}['’]s {_DUE} to (?P<y>.+)", _reschedule),
    (rf"(?:give|set) {_X} (?:a |the )?{_DUE} (?:of|to|for)? ?(?P<y>.+)", _reschedule),
    (rf"(?:make|set) {_X} due (?P<y>.+)", _reschedule),
    (
        (
            rf"(?:set|change|raise|lower|increase|decrease|make|update|put) (?:the )?priority (?:of|for|on)"
            rf" {_X} (?:to|as|:) (?P<p>{PRIORITY})(?: priority)?"
        ),
        _priority,
    ),
    (rf"(?:set|change|raise|lower|make|update) {_X}['’]s priority (?:to )?(?P<p>{PRIORITY})", _priority),
    (
        (
            rf"(?:set|change|raise|lower|make|mark|put|give|bump|flag) {_X} (?:to |as |at |a |with"
            rf" )*(?P<p>{PRIORITY})(?: priority| importance)?"
        ),
        _priority,
    ),
    (rf"(?:prioriti[sz]e|star|raise the priority of|increase the priority of) {_X}", _priority),
    (rf"(?:deprioriti[sz]e|lower the priority of|decrease the priority of) {_X}", _lower),
    (rf"(?:tag|label) {_X} (?:with|as) (?:the )?(?:tags? )?{_TAGS}", _tag),
    (rf"(?:tag|label) {_X} (?P<tags>#[\w-]+(?: #[\w-]+)*)", _tag),
    (rf"add (?:the |a )?(?:tags?|labels?) {_TAGS} to {_X}", _tag),
    (rf"add (?P<tags>#[\w-]+(?:(?:,| and|) #[\w-]+)*) to {_X}", _tag),
    (rf"(?:remove|delete|drop|take off|clear) (?:the )?(?:tags?|labels?) {_TAGS} (?:from|of|off) {_X}", _untag),
    (rf"(?:remove|delete|drop) (?P<tags>#[\w-]+(?:(?:,| and|) #[\w-]+)*) (?:from|of|off) {_X}", _untag),
    (rf"(?:remove|delete|drop) (?:the )?(?P<tags>[\w-]+) (?:tag|label) (?:from|of|off) {_X}", _untag),
    (rf"(?:untag|unlabel) {_X} (?:from |as |with )?(?P<tags>#?[\w-]+)", _untag),
    (
        (
            rf"(?:postpone|delay|push(?: back)?|move|defer|put off|shift|snooze) {_X} (?:back )?by (?P<n>an?"
            rf"|one|two|three|\d{{1,3}}) (?P<unit>hour|day|week)s?"
        ),
        _postpone,
    ),
    (
        (
            rf"(?:reschedule|move|postpone|push(?: back)?|delay|shift|defer|put off|snooze|bring forward"
            rf"|schedule) {_X} (?:back )?(?:to|until|till|for|by) (?P<y>.+)"
        ),
        _reschedule,
    ),
    (
        rf"(?:reschedule|move|postpone|push(?: back)?|delay|shift|defer|put off|snooze|bring forward) {_X}",
        _reschedule_loosely,
    ),
    (rf"(?:reschedule|postpone|delay|defer|put off|snooze) {_X}", _when_asked),
    (rf"(?:set|make|put) {_X} (?:for|to|on|at) (?P<y>.+)", _reschedule),
    (rf"(?:change|update|edit|turn) {_X} (?:to|into) (?P<y>.+)", _change_to),
)
_STATEMENTS = _readers(
    (rf"{_X} (?:has|should have|needs) no {_DUE}", _clear_due),
    (rf"{_X} (?:is|should be|are) (?:now )?due (?P<y>.+)", _reschedule),
    (
        (
            rf"{_X} (?:is|are|has|should be) (?:now |a |very )?(?P<p>urgent|important|(?:high|low|normal"
            rf"|top)(?= priority))(?: priority)?"
        ),
        _priority,
    ),
)
