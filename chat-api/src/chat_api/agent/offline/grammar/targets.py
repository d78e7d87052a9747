"""Which tasks a command names: by number, by place, by reference, by kind, or by words of the title."""

import datetime as dt
import re

from chat_api.agent.offline.grammar import listings
from chat_api.agent.offline.grammar.words import phrases_of, tokens, unquoted
from chat_api.agent.offline.intents import Every, ListStatus, Named, Numbers, Shown, Target, Words

MOST_NUMBERS = 100
_ID_DIGITS = 18
_RANGE = re.compile(r"#?(\d{1,18}) ?(?:-|–|to|through|until) ?#?(\d{1,18})")
_JOINT = re.compile(r",? and |,? & | ?[,;] ?|\+| plus ")
_APART = re.compile(r"(?<=\d) (?=#?\d)")
_LABEL = re.compile(r"(?:the |my |also )?(?:(?:tasks?|to-?dos?|items?|numbers?|ids?|nos?\.?|nr\.?) |#)+", re.IGNORECASE)
_SPOKEN = {
    w: n for n, w in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=1)
}
_ORDINALS = {
    w: n
    for n, w in enumerate(
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
    )
}
_NTH = re.compile(r"(\d{1,3})(?:st|nd|rd|th)")
_IT = phrases_of(
    """
    it | that | this | that one | this one | that task | this task | the task | the one | that item |
    this item | the item | the same | same | the same one
    """
)
_THEM = phrases_of(
    """
    them | those | these | both | all of them | all of those | all of these | both of them | those tasks
    | these tasks | them all | those ones | all those | all these | all three | the two | the lot | each
    of them | every one | all of it | both tasks | both ones | those two | these two | those three | these three
    """
)
_NOTHING = frozenset({"a", "the", "my", "task", "tasks", "todo", "item", "one"})
_ALL = frozenset({"all", "everything", "every", "any"})
_COMMANDS = frozenset({"delete", "remove", "complete", "finish", "add", "list", "show"})
_NOUN = re.compile(r" (?:tasks?|ones?|to-?dos?|items?|entry|reminders?)$", re.IGNORECASE)
_FROM_LIST = re.compile(
    r" (?:from|off|on|in|to) (?:my |the )?(?:to-?do ?|task ?)?(?:list|tasks|to-?dos)$", re.IGNORECASE
)
_DETERMINER = re.compile(
    r"(?:(?:the|my|that|this|a|an|our) )?(?:(?:one|task|to-?do|item) (?:about|called|named|with|for|that says) )?",
    re.IGNORECASE,
)


def read_target(text: str, now: dt.datetime, status: ListStatus) -> Target:
    """Return the tasks that the text names; empty where it is empty.

    Args:
        text: What stands where a command has its object.
        now: The clock.
        status: In which status tasks are looked for where the text names a kind of tasks ("all overdue ones").
    """
    text = _FROM_LIST.sub("", text.strip(" .,!?;:")).strip()
    if not text:
        return ()
    whole = unquoted(text)
    if whole != text:
        return (Words(whole),) if tokens(whole) else ()
    named = _reference(text) or _numbers(text) or _kind(text, now, status)
    if named:
        return (named,)
    parts = [part for part in _JOINT.split(text) if part.strip()]
    read = [_reference(part) or _numbers(part) for part in parts]
    if len(parts) > 1 and any(isinstance(part, Numbers | Shown) for part in read):
        joined = tuple(one or Words(_bare(part)) for one, part in zip(read, parts, strict=True))
        return _merged(joined)
    bare = _bare(text)
    return (Words(bare),) if set(tokens(bare)) - _NOTHING else ()


def parts_of(text: str) -> list[str]:
    """Return the pieces of a title's words that "and" or commas join, at most ten."""
    return [_bare(part) for part in _JOINT.split(text) if tokens(part)][:10]


def _bare(text: str) -> str:
    text = text.strip()
    text = _NOUN.sub("", _DETERMINER.sub("", text, count=1))
    match = _LABEL.match(text)
    return unquoted(text[match.end() :] if match and match.end() < len(text) else text)


def _merged(named: Target) -> Target:
    """Join neighbours of one kind, so that "1, 2 and milk" is two tasks by number and one by words."""
    merged: list[Named] = []
    for one in named:
        last = merged[-1] if merged else None
        if isinstance(one, Numbers) and isinstance(last, Numbers):
            merged[-1] = Numbers((*last.ids, *one.ids))
        elif isinstance(one, Shown) and isinstance(last, Shown) and one.places and last.places:
            merged[-1] = Shown((*last.places, *one.places))
        else:
            merged.append(one)
    return tuple(merged)


def _numbers(text: str) -> Numbers | None:
    labelled = _LABEL.match(text)
    rest = _APART.sub(",", text[labelled.end() :] if labelled else text)
    ids: list[int] = []
    for part in _JOINT.split(rest):
        piece = _LABEL.sub("", part.strip(), count=1).lower()
        if match := _RANGE.fullmatch(piece):
            first, last = sorted((int(match[1]), int(match[2])))
            ids.extend(range(first, min(last, first + MOST_NUMBERS) + 1))
        elif piece.isascii() and piece.isdigit() and len(piece) <= _ID_DIGITS:
            ids.append(int(piece))
        elif labelled and piece in _SPOKEN:
            ids.append(_SPOKEN[piece])
        else:
            return None
    return Numbers(tuple(dict.fromkeys(ids))[:MOST_NUMBERS]) if ids else None


def _reference(text: str) -> Shown | None:
    said = " ".join(text.lower().strip(" .,!?").split())
    if said in _IT:
        return Shown()
    if said in _THEM:
        return Shown(every=True)
    said = _NOUN.sub("", f" {said}").strip().removeprefix("the ")
    for tail in (
        " i just added",
        " you just added",
        " i added",
        " you added",
        " you showed me",
        " on the list",
        " in the list",
        " of them",
        " of those",
    ):
        said = said.removesuffix(tail)
    said = _NOUN.sub("", f" {said}").strip()
    if said in {"last", "latest", "most recent", "previous", "bottom"} or (not said and text.endswith("added")):
        return Shown((-1,))
    if said in {"top", "former"}:
        return Shown((0,))
    if said == "latter":
        return Shown((-1,))
    if match := re.fullmatch(r"(first|last) (two|three|four|five|\d{1,2})", said):
        count = _SPOKEN.get(match[2]) or int(match[2])
        return Shown(tuple(range(count) if match[1] == "first" else range(-count, 0)))
    places: list[int] = []
    for part in _JOINT.split(said):
        word = _NOUN.sub("", f" {part.strip()}").strip().removeprefix("the ")
        if word in _ORDINALS:
            places.append(_ORDINALS[word])
        elif word == "last":
            places.append(-1)
        elif (match := _NTH.fullmatch(word)) and int(match[1]) >= 1:
            places.append(int(match[1]) - 1)
        else:
            return None
    return Shown(tuple(places)) if places else None


def _kind(text: str, now: dt.datetime, status: ListStatus) -> Every | None:
    words = tokens(text)
    plural = bool(words) and words[-1] in {"tasks", "todos", "items", "ones", "reminders"}
    plural = plural or (bool(words) and next((word for word in words if word not in {"the", "my"}), "") == "tasks")
    if not words or not (words[0] in _ALL or plural) or _COMMANDS.intersection(words):
        return None
    found = listings.filters_of(text, now, status, listings.NAMING)
    return Every(found) if found else None
