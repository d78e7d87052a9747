"""Questions about the list.

A sentence asks for a list where, apart from a period, a tag and a priority, it has only words that speak of lists.
So "what's due today?" does, and "what's the weather today?" does not.
"""

import datetime as dt
import re
from dataclasses import replace

from chat_api.agent.offline.dates import find_period
from chat_api.agent.offline.grammar.words import PRIORITY, TAG, priority_of, tokens, unquoted, words_of
from chat_api.agent.offline.intents import Filters, Find, ListStatus, Period

_STATUS: dict[str, ListStatus] = {
    **dict.fromkeys(
        ("completed", "complete", "done", "finished", "finish", "ticked", "accomplished", "closed"), "completed"
    ),
    **dict.fromkeys(("deleted", "delete", "removed", "remove", "trash", "bin", "trashed", "binned"), "deleted"),
    **dict.fromkeys(("open", "pending", "outstanding", "unfinished", "incomplete", "active", "undone"), "open"),
}
_SIGNALS = words_of(
    """
        list lists show display task tasks todo todos todolist dos due overdue late left remaining anything
        outstanding pending plate agenda reminders upcoming next completed finished everything deleted items
        missed entries
        """
)
_ASKING = words_of(
    """
    what whats which list show display see view any anything how many count did have is are
    """
)
_FILLERS = words_of(
    """
        a about an all am any and are at be been can current currently did do does during else every everything
        first for from get give go got has have i id im in is it ive let like look made many me mine more my
        need needs now of on one ones or other our out over past please see should so still tell that the their
        them there these they this those thing things to today up us view want was were what whats when which
        will with would yet you your already far how full whole most tick ticked off mark marked stuff
        recently ever rest check checked lately not complete done priority priorities tagged tag read
        doing supposed between
        """
)
NAMING = words_of(
    """
        a all and any are at been checked due every everything for from have i in is items late left list marked
        missed my not of off on open or our outstanding overdue past pending priority remaining reminders tagged
        tag tasks task that the them these those ticked to todo todos were which with yet ones entries
        """
)
"""Words that leave no doubt which tasks are meant. "The other ones" and "the first tasks" name some, not all."""
_SEARCH = re.compile(
    r"(?:find|search(?: for)?|look (?:for|up)|where(?:['’]s| is)|(?:do i have|is there|are there|have"
    r" i(?: got)?|show(?: me)?|list|find)"
    r" (?:anything|something|any tasks?|any to-?dos?|a task|all tasks|(?:all )?(?:my )?tasks|everything)"
    r" (?:about|for|with|containing|mentioning|called|named|matching|regarding|that (?:mentions?|contains?)))"
    r"(?: (?:my|the) (?:tasks|list|to-?dos) for)? (?P<query>.+)",
    re.IGNORECASE,
)
_KIND_OF = re.compile(
    r"(?:show|list|display|find)(?: me)?(?: all)?(?: my| the)? (?P<query>.+?) (?:tasks|to-?dos|items)", re.IGNORECASE
)
_ON_LIST = re.compile(r"is (?:there )?(?P<query>.+) on (?:my|the) (?:to-?do )?list", re.IGNORECASE)
_LEADING = re.compile(
    (
        r"(?:(?:the|my|a|an|any|tasks?|all) )*(?:(?:tasks?|to-?dos?|items?) )?(?:(?:about|with|for|called"
        r"|named|containing|matching) )?"
    ),
    re.IGNORECASE,
)
_TRAILING = re.compile(r" (?:tasks?|to-?dos?|items?|in my list|on my list|in my tasks)$", re.IGNORECASE)
_TAGGED = re.compile(
    r"(?:that are |which are )?(?:\btagged(?: with| as)?|\blabell?ed(?: with| as)?|\bwith (?:the"
    r" )?(?:tag|label)|\btag(?:ged)?:?)"
    r" #?[\"'“]?(?P<tag>[^\W_][\w-]{0,49})[\"'”]?",
    re.IGNORECASE,
)
_PRIORITY = re.compile(rf"\b(?P<level>{PRIORITY})(?:[ -]priority)?\b(?! to\b)", re.IGNORECASE)
_SORTED = re.compile(
    r"[ ,]*(?:sorted |ordered |in order )?(?:by|of) (?P<sort>priority|due date|due|date|deadline)\b", re.IGNORECASE
)
_LEFT = frozenset({"left", "remaining", "todo", "need", "should", "remains"})


def read_listing(text: str, now: dt.datetime) -> Find | None:
    """Return the list that a sentence asks for, or None."""
    searched = _search(text, now)
    if searched:
        return searched
    words = tokens(text)
    if not words:
        return None
    filters = filters_of(text, now, "open")
    if filters is None:
        kind = _KIND_OF.fullmatch(text.strip(" ?.!"))
        return Find(Filters(query=_query(kind["query"]))) if kind and _query(kind["query"]) else None
    narrowed = filters.period or filters.tag or filters.priority or filters.overdue
    asks = words[0] in _ASKING or text.rstrip().endswith("?")
    if not (_SIGNALS.intersection(words) or (asks and (narrowed or _to_do(words) or _STATUS.keys() & set(words)))):
        return None
    left = bool(_LEFT.intersection(words)) or _to_do(words)
    if left and filters.period and filters.period.first == filters.period.last == now.date():
        # What was due before today is left today as well.
        filters = replace(filters, period=Period(last=now.date()))
    return Find(filters, count="many" in words or "count" in words, left=left)


def filters_of(
    text: str, now: dt.datetime, status: ListStatus, known: frozenset[str] = _FILLERS | _SIGNALS
) -> Filters | None:
    """Return the filters of a text that has nothing but words about lists, or None.

    Args:
        text: A sentence, or the object of a command such as "all completed tasks".
        now: The clock.
        status: The status where the text names none.
        known: The words that speak of lists, beside those that name a status.
    """
    by = _SORTED.search(text)
    if by:
        text = f"{text[: by.start()]} {text[by.end() :]}"
    tag = TAG.search(text) or _TAGGED.search(text)
    if tag:
        text = f"{text[: tag.start()]} {text[tag.end() :]}"
    overdue = re.search(r"\b(?:overdue|past due|late|missed)\b", text, re.IGNORECASE) is not None
    level = _PRIORITY.search(text)
    if level:
        text = f"{text[: level.start()]} {text[level.end() :]}"
    text = " ".join(text.replace(" work on", "").split())
    found = None if re.search(r"\bnext\W*$", text) else find_period(text, now)
    if found:
        text = found.rest
    words = tokens(text)
    if any(word not in known and word not in _STATUS for word in words):
        return None
    return Filters(
        status=_status(words, status),
        period=found.period if found and not overdue else None,
        overdue=overdue,
        sort=None if not by else "priority" if by["sort"].lower() == "priority" else "due",
        priority=priority_of(level["level"]) if level else None,
        tag=(tag.groupdict().get("tag") or tag[1]) if tag else None,
    )


def _status(words: list[str], default: ListStatus) -> ListStatus:
    pairs = zip(["", *words], words, strict=False)
    for before, word in pairs:
        if word in _STATUS and before == "not":
            return "open"
    named = [_STATUS[word] for word in words if word in _STATUS]
    if named:
        return named[0]
    if "ticked" in words or "checked" in words:
        return "completed"
    everything = default == "open" and {"all", "everything", "every"}.intersection(words)
    return "all" if everything and _ASKING.intersection(words) else default


def _to_do(words: list[str]) -> bool:
    return "do" in words and bool({"to", "should", "must"}.intersection(words))


def _search(text: str, now: dt.datetime) -> Find | None:
    text = text.strip(" ?.!")
    match = _SEARCH.fullmatch(text) or _ON_LIST.fullmatch(text)
    if not match:
        return None
    query = _query(match["query"])
    found = find_period(query, now)
    if found and not found.rest:
        return None
    if not query or (set(tokens(query)) <= _FILLERS | _SIGNALS | set(_STATUS)) or filters_of(text, now, "open"):
        return None
    return Find(Filters(query=query))


def _query(said: str) -> str:
    said = unquoted(said.strip(" ?.!"))
    match = _LEADING.match(said)
    said = said[match.end() :] if match and match.end() < len(said) else said
    return unquoted(_TRAILING.sub("", said))[:200].strip()
