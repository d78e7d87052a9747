"""Answers to the assistant's own questions: "the second one", "3", "the blue one", "both", "all of them"."""

import datetime as dt
import re
from dataclasses import replace

from chat_api.agent.offline import replies
from chat_api.agent.offline.actions import ask
from chat_api.agent.offline.context import Reply
from chat_api.agent.offline.dates import find_when
from chat_api.agent.offline.grammar.additions import drafts_of
from chat_api.agent.offline.grammar.targets import read_target
from chat_api.agent.offline.grammar.words import polite, unquoted
from chat_api.agent.offline.intents import (
    Act,
    Add,
    Change,
    Draft,
    Every,
    Filters,
    Incomplete,
    Intent,
    Look,
    Named,
    Numbers,
    Question,
    Shown,
    Talk,
    Unknown,
    Words,
)
from chat_api.agent.offline.targets import matching, pick

_ANSWER_CHARS = 300
_AGREED = frozenset({"yes", "yep", "yeah", "sure", "ok", "okay"})
_LEAD = re.compile(r"(?:(?:move|change|make|set) it )?(?:to|for|until|till) ", re.IGNORECASE)


def answer_to(
    said: str, intents: tuple[Intent, ...], question: Question, now: dt.datetime
) -> tuple[Intent, ...] | Reply | None:
    """Return what a message asks for as the answer to a question, the question again, or None where it is none.

    Args:
        said: The message.
        intents: What it means by itself.
        question: What was asked.
        now: The clock.
    """
    if intents == (Talk("dismiss"),):
        return Reply(replies.TALK["dismiss"])
    text = polite(" ".join(said.split()))
    if text.lower() in _AGREED:
        return ask(question)
    if not text or len(text) > _ANSWER_CHARS:
        return None
    target = read_target(text, now, "open")
    chosen: list[int] = []
    for named in target:
        ids = _choose(named, question, exact="#" in text)
        if ids is None:
            # "The green one" is an answer, only not one that fits.
            return ask(question) if intents == (Unknown(),) and text.lower().endswith(" one") else None
        if not ids or (isinstance(named, Words) and len(ids) > 1):
            return ask(_narrowed(question, ids)) if _is_answer(intents) else None
        chosen.extend(number for number in ids if number not in chosen)
    if not chosen:
        return None
    command = replace(question.intent, target=(Numbers(tuple(chosen)), *question.intent.target))
    return (command, *question.rest)


def completed_by(
    said: str, intents: tuple[Intent, ...], incomplete: Incomplete, now: dt.datetime
) -> tuple[Intent, ...] | None:
    """Return the command that a message completes, or None where it is a command of its own."""
    text = polite(" ".join(said.split()))
    if isinstance(incomplete.intent, Change):
        return _changed_by(text, intents, incomplete.intent, now)
    if not _is_answer(intents):
        return None
    match incomplete.intent:
        case None:
            drafts = drafts_of(text, now) if len(text) <= _ANSWER_CHARS else ()
            return (Add(drafts),) if drafts else None
        case Act() as command:
            target = read_target(text, now, "open") if len(text) <= _ANSWER_CHARS else ()
            return (replace(command, target=target),) if target else None


def _changed_by(text: str, intents: tuple[Intent, ...], command: Change, now: dt.datetime) -> tuple[Intent, ...] | None:
    if command.title is not None:
        # "Buy bread" would be a task of its own, were it not for the question.
        named = _is_answer(intents) or intents == (Add((Draft(text),)),)
        return (replace(command, title=unquoted(_LEAD.sub("", text, count=1))),) if named and text else None
    said = _LEAD.sub("", text, count=1)
    found = next((when for lead in ("", "on ", "at ") if (when := find_when(lead + said, now)) and not when.rest), None)
    return (replace(command, when=found.when),) if found else None


def _is_answer(intents: tuple[Intent, ...]) -> bool:
    """Say whether a message has no meaning of its own beyond naming tasks."""
    return len(intents) == 1 and isinstance(intents[0], Unknown | Look)


def _choose(named: Named, question: Question, *, exact: bool) -> list[int] | None:
    """Return the candidates that a name means, none where it names no candidate, None where it is no answer."""
    candidates = question.candidates
    match named:
        case Numbers(ids):
            if all(number in candidates for number in ids):
                return list(ids)
            # "2" for the second of two is how people answer; "#2" is a task's number and nothing else.
            places = not exact and all(1 <= number <= len(candidates) for number in ids)
            return [candidates[number - 1] for number in ids] if places else []
        case Shown():
            return pick(named, candidates)
        case Every(filters):
            return list(candidates) if filters == Filters() else None
        case Words(text):
            return [candidates[place] for place in matching(text, question.titles)] or None


def _narrowed(question: Question, ids: list[int]) -> Question:
    if not ids:
        return question
    titles = dict(zip(question.candidates, question.titles, strict=True))
    return replace(question, candidates=tuple(ids), titles=tuple(titles[number] for number in ids))
