"""Answers to the assistant's own questions: "the second one", "3", "the blue one", "both", "all of them"."""

import datetime as dt
from dataclasses import replace

from chat_api.agent.offline import replies
from chat_api.agent.offline.actions import ask
from chat_api.agent.offline.context import Reply
from chat_api.agent.offline.dates import find_when
from chat_api.agent.offline.grammar.additions import drafts_of
from chat_api.agent.offline.grammar.targets import read_target
from chat_api.agent.offline.grammar.words import polite
from chat_api.agent.offline.intents import (
    Act,
    Add,
    Change,
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
    if not text or len(text) > _ANSWER_CHARS:
        return None
    target = read_target(text, now, "open")
    chosen: list[int] = []
    for named in target:
        ids = _choose(named, question, exact="#" in text)
        if ids is None:
            return None
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
    if not _is_answer(intents):
        return None
    text = polite(" ".join(said.split()))
    match incomplete.intent:
        case None:
            drafts = drafts_of(text, now) if len(text) <= _ANSWER_CHARS else ()
            return (Add(drafts),) if drafts else None
        case Act() as command:
            target = read_target(text, now, "open") if len(text) <= _ANSWER_CHARS else ()
            return (replace(command, target=target),) if target else None
        case Change() as command:
            found = next(
                (when for lead in ("", "on ", "at ") if (when := find_when(lead + text, now)) and not when.rest), None
            )
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
