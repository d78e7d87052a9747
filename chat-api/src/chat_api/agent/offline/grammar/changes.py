"""Commands that change tasks: their title, date, priority, tags, and by way of `statuses` their status."""

import datetime as dt
import re
from collections.abc import Callable, Sequence

from chat_api.agent.offline.dates import find_repeat, find_when
from chat_api.agent.offline.grammar.statuses import COMMANDS, FACTS, read_act
from chat_api.agent.offline.grammar.targets import read_target
from chat_api.agent.offline.grammar.words import PRIORITY, distinct, priority_of, unquoted
from chat_api.agent.offline.intents import Change, Incomplete, Intent, Target

_DUE = r"(?:due[ -]?(?:date|time)?|deadline|date)"
_TAGS = r"(?P<tags>[\"'#]?[^\W_][\w-]{0,49}[\"']?(?:(?:,? and |, ?| )#?[^\W_][\w-]{0,49}){0,9})"
_X = r"(?P<x>.+?)"
_REPEAT = r"(?:repeat|recur|come back)"
_LATER = frozenset({"postpone", "delay", "push", "push back", "defer", "put off", "snooze"})
_COUNTS: dict[str, float] = {
    "half an": 0.5,
    "a": 1,
    "an": 1,
    "a couple of": 2,
    **{word: number for number, word in enumerate(["one", "two", "three", "four", "five", "six"], start=1)},
}
_UNITS = {
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
    "w": dt.timedelta(weeks=1),
}

_Reader = Callable[[re.Match[str], dt.datetime], Intent | None]


def read_command(text: str, now: dt.datetime) -> Intent | None:
    """Return the change that a command asks for ("move 3 to Friday"), or None."""
    return _field_change(_CHANGES, text, now) or read_act(COMMANDS, text, now)


def read_statement(text: str, now: dt.datetime) -> Intent | None:
    """Return the change that a statement amounts to ("milk is done", "3 is due on Friday"), or None."""
    return _field_change(_STATEMENTS, text, now) or read_act(FACTS, text, now)


def _field_change(table: Sequence[tuple[re.Pattern[str], _Reader]], text: str, now: dt.datetime) -> Intent | None:
    for pattern, reader in table:
        match = pattern.fullmatch(text)
        intent = reader(match, now) if match else None
        if intent:
            return intent
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


def _title_asked(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Incomplete("What should it be called?", Change(target, title="")) if target else None


def _shift(match: re.Match[str], now: dt.datetime) -> Intent | None:
    """Read "push X back by a week", "move X an hour later", "bring X forward two days"."""
    verb, way, end = (str(match[name] or "").strip().lower() for name in ("verb", "way", "end"))
    plain = verb not in _LATER and not (way or end or match["by"])
    if plain or re.search(r" (?:in|to|until|till)$", match["x"]):
        return None
    number = _COUNTS.get(match["n"].lower()) or int(match["n"])
    length = _UNITS[match["unit"].lower()[0]] * number
    early = verb == "bring forward" or way in {"forward", "up"} or end in {"earlier", "sooner"}
    target = _target(match, now)
    return Change(target, shift=-length if early else length) if target else None


def _clear_due(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, clear_due=True) if target else None


def _repeat(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target, found = _target(match, now), find_repeat(match["y"].strip(), now.date())
    if not (target and found) or found.rest:
        return None
    return Change(target, recurrence=found.rule, first=found.first)


def _repeat_no_more(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, recurrence="") if target else None


def _priority(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    level = priority_of(match.groupdict().get("p") or "high")
    return Change(target, priority=level) if target else None


def _normal(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, priority="normal") if target else None


def _lower(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, priority="low") if target else None


def _tag(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, add_tags=_tags(match["tags"])) if target else None


def _untag(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, remove_tags=_tags(match["tags"])) if target else None


def _clear_tags(match: re.Match[str], now: dt.datetime) -> Intent | None:
    target = _target(match, now)
    return Change(target, clear_tags=True) if target else None


def _tags(said: str) -> tuple[str, ...]:
    return distinct(tag.strip("#\"'") for tag in re.split(r",? and |, ?| ", said) if tag.strip("#\"'"))


def _readers(*rows: tuple[str, _Reader]) -> tuple[tuple[re.Pattern[str], _Reader], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), reader) for pattern, reader in rows)


_CHANGES = _readers(
    (rf"(?:rename|retitle|reword) {_X} (?:to|as|into) (?P<y>.+)", _rename),
    (rf"(?:rename|retitle|reword|edit|update) {_X}: (?P<y>.+)", _rename),
    (r"(?:rename|retitle|reword) (?P<x>it|that|this|#?\d+|task #?\d+) (?P<y>.+)", _rename),
    (r"call (?P<x>it|that one|this one|#\d+|task #?\d+) (?!a (?:day|night)$)(?P<y>.+?)(?: instead)?", _rename),
    (rf"(?:rename|retitle|reword) {_X}", _title_asked),
    (rf"(?:change|set|edit|update) the (?:title|name) of {_X} to (?P<y>.+)", _rename),
    (rf"(?:change|set|edit|update) {_X}['’]s (?:title|name) to (?P<y>.+)", _rename),
    (
        (
            rf"(?:set|change|add|edit|update) (?:a |the )?(?:note|description|details)s? (?:of|to|for|on)"
            rf" {_X}(?:: | to )(?P<y>.+)"
        ),
        _describe,
    ),
    (rf"add (?:a |the )?note (?P<y>[\"“'‘].+[\"”'’]) to {_X}", _describe),
    (rf"(?:clear|remove|delete|drop|cancel|unset) (?:the |its |any )?{_DUE} (?:of|from|for|on) {_X}", _clear_due),
    (rf"(?:clear|remove|delete|drop) {_X}['’]s {_DUE}", _clear_due),
    (rf"unschedule {_X}", _clear_due),
    (rf"(?:no|without a) {_DUE} for {_X}", _clear_due),
    (rf"(?:set|change|move|make|update|put) (?:the |a )?{_DUE} (?:of|for|on) {_X} (?:to|as|:) (?P<y>.+)", _reschedule),
    (rf"(?:set|change|move|update) {_X}(?:['’]s)? {_DUE} to (?P<y>.+)", _reschedule),
    (rf"(?:give|set) {_X} (?:a |the )?{_DUE} (?:of|to|for)? ?(?P<y>.+)", _reschedule),
    (rf"(?:make|set) {_X} due (?P<y>.+)", _reschedule),
    (rf"(?:make|let|have|set) {_X} (?:to )?{_REPEAT} (?P<y>.+)", _repeat),
    (rf"{_REPEAT} {_X} (?P<y>(?:every|each|on the) .+|\w+ly)", _repeat),
    (rf"(?:stop|end) (?:repeating|the recurrence of|the repetition of) {_X}", _repeat_no_more),
    (
        (
            rf"(?:set|change|raise|lower|increase|decrease|make|update|put) (?:the )?priority (?:of|for|on)"
            rf" {_X} (?:to|as|:) (?P<p>{PRIORITY})(?: priority)?"
        ),
        _priority,
    ),
    (rf"(?:set|give) (?:a |the )?priority (?P<p>{PRIORITY}) (?:of|for|on|to) {_X}", _priority),
    (rf"(?:set|give) (?:a )?(?P<p>{PRIORITY}) priority (?:of|for|on|to) {_X}", _priority),
    (rf"(?:set|change|raise|lower|make|update) {_X}(?:['’]s)? priority (?:to )?(?P<p>{PRIORITY})", _priority),
    (rf"(?:clear|remove|reset|drop) (?:the )?priority (?:of|from|on|for) {_X}", _normal),
    (
        (
            rf"(?:set|change|raise|lower|make|mark|put|give|bump|flag) {_X} (?:to |as |at |a |with"
            rf" )*(?P<p>{PRIORITY})(?: priority| prio| importance)?"
        ),
        _priority,
    ),
    (rf"(?:prioriti[sz]e|star|(?:raise|increase) (?:the )?priority of) {_X}", _priority),
    (rf"(?:deprioriti[sz]e|(?:lower|decrease) (?:the )?priority of) {_X}", _lower),
    (rf"(?:tag|label) {_X} (?:with|as) (?:the )?(?:tags? )?{_TAGS}", _tag),
    (rf"(?:tag|label) {_X} (?P<tags>#[\w-]+(?: #[\w-]+)*)", _tag),
    (rf"(?:tag|label) (?P<x>it|that|this|them|#?\d+|task #?\d+) {_TAGS}", _tag),
    (rf"add the (?P<tags>[\w-]+) (?:tag|label) to {_X}", _tag),
    (rf"(?:remove|delete|drop|take off|clear) (?:all|all the|the) (?:tags|labels) (?:from|of|off) {_X}", _clear_tags),
    (rf"add (?:the |a )?(?:tags?|labels?) {_TAGS} to {_X}", _tag),
    (rf"add (?P<tags>#[\w-]+(?:(?:,| and|) #[\w-]+)*) to {_X}", _tag),
    (rf"(?:remove|delete|drop|take off|clear) (?:the )?(?:tags?|labels?) {_TAGS} (?:from|of|off) {_X}", _untag),
    (rf"(?:remove|delete|drop) (?P<tags>#[\w-]+(?:(?:,| and|) #[\w-]+)*) (?:from|of|off) {_X}", _untag),
    (rf"(?:remove|delete|drop) (?:the )?(?P<tags>[\w-]+) (?:tag|label) (?:from|of|off) {_X}", _untag),
    (rf"(?:untag|unlabel) {_X} (?:from |as |with )?(?P<tags>#?[\w-]+)", _untag),
    (
        (
            rf"(?P<verb>postpone|delay|push(?: back)?|move|defer|put off|shift|snooze|bring(?: forward)?|pull)"
            rf" {_X}(?P<way> back| forward| up)?(?P<by> by| for)? (?P<n>half an|an?|a couple of|one|two|three|four"
            rf"|five|six|\d{{1,3}}) (?P<unit>minute|min|hour|day|week)s?(?P<end> later| earlier| sooner)?"
        ),
        _shift,
    ),
    (rf"(?:bring|pull|move) {_X} forward to (?P<y>.+)", _reschedule),
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
    (
        rf"{_X} (?:should not|shouldn['’]?t|must not|does not|doesn['’]?t) {_REPEAT}(?: any ?more| any longer| again)?",
        _repeat_no_more,
    ),
    (rf"{_X} (?:should |must )?(?:{_REPEAT}s?|comes back) (?P<y>.+)", _repeat),
    (rf"{_X} (?:has|should have|needs) no {_DUE}", _clear_due),
    (rf"{_X} (?:is|should be|are) (?:now )?due (?P<y>.+)", _reschedule),
    (rf"the {_DUE} (?:of|for) {_X} is (?:now )?(?P<y>.+)", _reschedule),
    (
        (
            rf"{_X} (?:is not|isn['’]?t|is no longer) (?:so |that |an? )?(?:urgent|important|high priority)"
            rf"(?: any ?more| now)?"
        ),
        _normal,
    ),
    (
        (
            rf"{_X} (?:is|are|has|should be) (?:now |a |very )?(?P<p>urgent|important|(?:high|low|normal"
            rf"|top)(?= priority))(?: priority)?"
        ),
        _priority,
    ),
)
