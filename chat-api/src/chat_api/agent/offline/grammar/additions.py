"""Tasks to be added: which words are titles, where one task ends and the next begins."""

import datetime as dt
import re
from dataclasses import replace

from chat_api.agent.offline.dates import FoundRepeat, find_repeat, find_when
from chat_api.agent.offline.grammar.words import (
    PRIORITY,
    TAG,
    distinct,
    priority_of,
    quotations,
    tokens,
    unquoted,
    words_of,
)
from chat_api.agent.offline.intents import Add, Draft, Incomplete, Intent, When

MOST_DRAFTS = 50
WHAT_TITLE = "What should I add? For example: add buy milk tomorrow at 5pm"

_LIST = r"(?:(?:my |the |our )?(?:to-?do ?|task ?|shopping ?)?(?:list|to-?dos|tasks))"
_NOUN = (
    r"(?:(?:an? |the |another |some |these |this |two |three |four |five |several |new |following |more "
    r"|to-?do )*(?:tasks?|to-?dos?|items?|reminders?|entry|things?)\b(?: (?:to|called|named|titled|saying"
    r"|for me to|that says|for(?! the \d))\b)?:?|the following:)"
)
_WHEN = r"(?:for|on|by|at|due|today|tonight|tomorrow)\b"
_TRIGGERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        (
            rf"(?:add|create|make|record|jot down|write down|note down|enter|put|insert|schedule|set up"
            rf"|set)(?: me)? {_NOUN}(?: to {_LIST}:?)?(?: |$)"
        ),
        rf"(?:add|put|include) to {_LIST}:? ?",
        r"(?:add|jot down|write down|note down|note to self|note)\b:? ?",
        r"(?:new|another) (?:task|to-?do|item|reminder)s?\b:? ?",
        r"(?:task|to-?do|reminder)s?(?:: ?| [-–] )",
        r"to-?do (?!lists?\b|items?\b|tasks?\b)(?=\w)",
        r"remind me(?: again)?(?: (?:to|about|(?:that )?i (?:need|have) to|(?:that )?i have(?= an?\b)|of))?\b:? ?",
        (
            r"(?:i )?(?:do not|don['’]?t|must not|mustn['’]?t|should not|shouldn['’]?t|can['’]?t|cannot)"
            r" (?:let me )?forget(?: (?:to|about))?\b:? ?"
        ),
        (
            r"(?:i (?:really )?(?:have|need|ought|want) to|i['’]ve (?:got|gotta) to|i gotta|i must|i should"
            r"(?: really| probably)?|i got to"
            r"|we (?:have|need) to|i need|remember(?: (?:to|about))?)\b:? "
        ),
    )
)
_PUT = re.compile(
    rf"(?:put|place|schedule) (?P<title>.+) (?:on|in|into|to) {_LIST}(?P<when> {_WHEN}.*)?", re.IGNORECASE
)
_SCHEDULE = re.compile(r"(?:schedule|book in|plan) (?P<title>.+)", re.IGNORECASE)
_TO_LIST = re.compile(
    rf" (?:to|on|onto|in|into) {_LIST}(?=$| {_WHEN})|(?: as (?:a |an )?(?:new )?(?:task|to-?do)s?)$", re.IGNORECASE
)
_BARE = re.compile(
    r"(?:buy|call|phone|ring|email|text|pay|book|pick up|collect|order|water|clean|wash|feed|return|visit|renew"
    r"|submit|post|fix|repair|vacuum|mow|iron|go to) \S",
    re.IGNORECASE,
)
_VERBS = words_of(
    """
    answer apply ask attend bake book bring buy call cancel change charge check clean collect complete
    contact cook create cut delete do draft email empty feed file fill find finish fix follow get give
    go hang help hoover invite iron learn make meet mend mow order organise organize pack paint pay
    phone pick plan plant post practise prepare print read remove renew repair reply replace return
    review ring run sell send set sign sort start study submit sweep take talk tell text tidy turn
    update vacuum visit walk wash watch water wrap write
    """
)
_TO_TASKS = words_of("cancel change complete delete do find get give make remove set sort talk tell turn update")
"""Verbs that may be meant for the list itself, so that a date after them makes no errand."""
_ABOUT_TASKS = words_of("it list lists task tasks them todo todos")
_EXTRA = r"[ ,]*(?:and |with |as |at |- )?\(?"
_PRIORITIES = (
    re.compile(rf"{_EXTRA}\b(?:an? )?(?P<level>{PRIORITY})[ -]prio(?:rity)?\b\)?", re.IGNORECASE),
    re.compile(rf"{_EXTRA}\bpriority:? (?P<level>{PRIORITY})\b\)?", re.IGNORECASE),
    re.compile(r"(?:^|[ ,]*[-–(,:] ?|\bas |\bit['’]s |\bthat['’]s )\b(?P<level>urgent|important)\b\)?$", re.IGNORECASE),
    re.compile(r" (?P<level>urgent)(?:ly)?$|^(?P<first>urgent|important)(?::|ly\b|,) ?", re.IGNORECASE),
    re.compile(rf"^(?:an? )?(?P<level>{PRIORITY}) (?=(?:task|to-?do|item|reminder)s?\b)", re.IGNORECASE),
    re.compile(r"(?:^| )!(?P<level>low|normal|high|urgent)\b", re.IGNORECASE),
)
_TAGGED = re.compile(
    r"[ ,]*(?:and )?(?:\btagged(?: with| as)?|\bwith (?:the )?tags?|(?<=and )tags?|(?<=, )tags?|^tags(?= )"
    r"|\btag it(?: as| with)?|\btags?:)"
    r" (?P<tags>#?[^\W_][\w-]{0,49}(?:(?:,? and |, )#?[^\W_][\w-]{0,49}){0,5})$",
    re.IGNORECASE,
)
_COMMAS = re.compile(r" ?[,;] ?(?:and )?| ?\n+ ?")
_AND = re.compile(r" (?:and(?: also)?(?: to)?|&|then|and then) ", re.IGNORECASE)
_BULLET = re.compile(r"^(?:[-*•]|\d{1,2}[.)]) ")


def read_addition(text: str, now: dt.datetime) -> Intent | None:
    """Return the tasks that a sentence asks to add, or None where it asks for something else."""
    body = _body(text)
    if body is None:
        return _dated(text, now) or _repeated(text, now)
    drafts = drafts_of(_TO_LIST.sub("", body.strip(" .!")).strip(), now)
    if len(drafts) > MOST_DRAFTS:
        return Incomplete(f"That's more than {MOST_DRAFTS} tasks at once. Please add them in smaller portions.")
    return Add(drafts) if drafts else Incomplete(WHAT_TITLE)


def _dated(text: str, now: dt.datetime) -> Intent | None:
    """Read "tomorrow: feed the cat", "on Friday I need to feed the cat" and "cook dinner at 7pm"."""
    found = find_when(text, now)
    body = _body(found.rest) if found and found.rest and text.endswith(found.rest) else None
    if found and not body and _starts_with_verb(text) and not text.endswith("?"):
        words = tokens(found.rest)
        body = None if words[0] in _TO_TASKS or _ABOUT_TASKS.intersection(words) else text
    drafts = drafts_of(body.strip(" .!"), now) if body else ()
    if not (found and drafts) or len(drafts) > MOST_DRAFTS:
        return None
    return Add(tuple(replace(draft, when=draft.when or found.when) for draft in drafts))


def _repeated(text: str, now: dt.datetime) -> Intent | None:
    """Read "every Monday water the plants"."""
    repeat = find_repeat(text, now.date())
    if not repeat or not _starts_with_verb(repeat.rest) or text.endswith("?"):
        return None
    words = tokens(repeat.rest)
    return None if words[0] in _TO_TASKS or _ABOUT_TASKS.intersection(words) else Add(drafts_of(text, now))


def _body(text: str) -> str | None:
    if match := _PUT.fullmatch(text):
        return match["title"] + (match["when"] or "")
    for trigger in _TRIGGERS:
        if match := trigger.match(text):
            return text[match.end() :]
    if match := _SCHEDULE.fullmatch(text):
        return match["title"] if find_when(text, now=_ANY_DAY) else None
    return text if _BARE.match(text) and not text.rstrip().endswith("?") else None


_ANY_DAY = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
"""Whether a text holds a date does not depend on the clock."""


def drafts_of(body: str, now: dt.datetime) -> tuple[Draft, ...]:
    """Return the tasks that a text names which is known to be nothing but titles."""
    quoted = quotations(body)
    if quoted:
        around = _without(body, quoted)
        shared = _draft(f"x {around}", now)
        extra = tokens(shared.title if shared else "")[1:]
        if not set(extra) - {"and", "a", "task", "called", "for", "to", "the", "with", "as", "tasks"}:
            titles = [(match[1] or match[2]).strip() for match in quoted]
            return tuple(replace(shared or Draft(""), title=title) for title in titles if title)
    pieces = _split(body, now)
    drafts = [draft for piece in pieces if (draft := _draft(piece, now))]
    if len(drafts) > 1 and not all(_starts_with_verb(piece) for piece in pieces):
        drafts = _share(drafts)
    if not drafts and len(pieces) == 1 and body:
        return ()
    return tuple(drafts)


def _share(drafts: list[Draft]) -> list[Draft]:
    """Give what was said at the end of a list of things ("milk and bread tomorrow") to all of them."""
    last = drafts[-1]
    plain = all(draft.when is None and draft.priority is None and not draft.tags for draft in drafts[:-1])
    if not plain:
        first = drafts[0]
        return [replace(draft, when=draft.when or first.when) for draft in drafts] if _opens(drafts) else drafts
    return [replace(last, title=draft.title) for draft in drafts]


def _opens(drafts: list[Draft]) -> bool:
    return drafts[0].when is not None and all(draft.when is None for draft in drafts[1:])


def _split(body: str, now: dt.datetime) -> list[str]:
    """Return the titles with what belongs to each.

    Commas divide things ("milk, eggs and bread") and commands ("call Bob, pay rent"), but not what follows a verb
    ("buy milk, eggs and bread" is one errand). "and" alone divides only where a verb follows on both sides.
    """
    pieces = [_BULLET.sub("", piece.strip()) for piece in _COMMAS.split(body) if tokens(piece)]
    if len(pieces) > 1:
        meaning = [piece for piece in pieces if not _is_extra(piece, now)]
        verbs = [_starts_with_verb(piece) for piece in meaning]
        if (len(meaning) < 2 and len(pieces) == 2) or (verbs and verbs[0] and not all(verbs)):
            return _split_and(body) if len(meaning) < 2 else [body]
        if len(meaning) < len(pieces):
            pieces = _attach(pieces, now)
    if pieces and all(_starts_with_verb(piece) for piece in pieces):
        return [part for piece in pieces for part in _split_and(piece)]
    if len(pieces) > 1:
        *before, last = pieces
        return [*before, *(part for part in _AND.split(last) if tokens(part))]
    return pieces or [body]


def _attach(pieces: list[str], now: dt.datetime) -> list[str]:
    """Join pieces that are only a date, priority or tag to the piece before them."""
    joined: list[str] = []
    for piece in pieces:
        if joined and _is_extra(piece, now):
            joined[-1] = f"{joined[-1]}, {piece}"
        else:
            joined.append(piece)
    return joined


def _split_and(piece: str) -> list[str]:
    parts = [part for part in _AND.split(piece) if tokens(part)]
    return parts if len(parts) > 1 and all(_starts_with_verb(part) for part in parts) else [piece]


def _starts_with_verb(piece: str) -> bool:
    words = tokens(piece)
    return len(words) > 1 and words[0] in _VERBS


def _is_extra(piece: str, now: dt.datetime) -> bool:
    return _draft(piece, now) is None


def _draft(piece: str, now: dt.datetime) -> Draft | None:
    """Return the task of one piece, or None where nothing is left for a title."""
    tags = list(TAG.findall(piece))
    piece = TAG.sub("", piece)
    piece = " ".join(piece.split())
    if match := _TAGGED.search(piece):
        tags += [tag.lstrip("#") for tag in re.split(r",? and |, ", match["tags"])]
        piece = piece[: match.start()]
    priority = None
    for pattern in _PRIORITIES:
        if match := pattern.search(piece):
            groups = match.groupdict()
            priority = priority_of(groups.get("level") or groups["first"])
            piece = f"{piece[: match.start()]} {piece[match.end() :]}"
            break
    piece = " ".join(piece.split())
    repeat = find_repeat(piece, now.date())
    found = find_when(repeat.rest if repeat else piece, now)
    if repeat and repeat.names_day and found and found.when.due_at and _on(repeat.first, found.when.due_at) <= now:
        # At nine every weekday, said at ten: today's is over.
        repeat = find_repeat(piece, now.date() + dt.timedelta(days=1)) or repeat
    title = found.rest if found else repeat.rest if repeat else piece
    if match := _TAGGED.search(title):
        tags += [tag.lstrip("#") for tag in re.split(r",? and |, ", match["tags"])]
        title = title[: match.start()]
    if priority:
        title = re.sub(r"^(?:(?:task|to-?do|item)s?:?(?: to)? |:? )", "", title, flags=re.IGNORECASE)
    title = re.sub(r"^(?:to|that i (?:need|have) to|about) ", "", title, flags=re.IGNORECASE).strip(" ,;:-–")
    title = re.sub(r"[ ,]+(?:with|due|and|tagged|as)$", "", title, flags=re.IGNORECASE)
    title = unquoted(title)
    if not title:
        return None
    when = found.when if found else None
    if repeat is None:
        return Draft(title, when, priority, distinct(tags))
    return Draft(title, _first(repeat, when), priority, distinct(tags), repeat.rule)


def _first(repeat: FoundRepeat, when: When | None) -> When:
    """Return when a task that comes back is due for the first time."""
    if when is None:
        return When(due=repeat.first)
    if when.due_at is None or when.day_named or not repeat.names_day:
        return when
    # "Every Monday at 9": the time was said, and the rule says the day.
    return When(due_at=_on(repeat.first, when.due_at))


def _on(day: dt.date, instant: dt.datetime) -> dt.datetime:
    """Return the same time of another day; one that a change of clocks skips moves past the gap."""
    return dt.datetime.combine(day, instant.time(), instant.tzinfo).astimezone(dt.UTC).astimezone(instant.tzinfo)


def _without(body: str, quoted: list[re.Match[str]]) -> str:
    for match in reversed(quoted):
        body = f"{body[: match.start()]} {body[match.end() :]}"
    return " ".join(body.split())
