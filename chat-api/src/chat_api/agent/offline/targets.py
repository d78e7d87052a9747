"""Which tasks a command means: numbers as they are, the rest looked up or taken from what was shown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from todo_chat_shared.tasks import Task, TaskPage

from chat_api.agent.offline.conversation import UNREADABLE, Refusal
from chat_api.agent.offline.grammar.targets import parts_of
from chat_api.agent.offline.grammar.words import stem, tokens
from chat_api.agent.offline.intents import (
    STATUS_BEFORE,
    Act,
    Change,
    Every,
    Look,
    Numbers,
    Question,
    Shown,
    Words,
)
from chat_api.agent.offline.lists import PAGE_MOST, list_arguments
from chat_api.agent.offline.replay import Replay, Request

_QUERY_CHARS = 50
_MOST_QUERIES = 20
Command = Look | Act | Change
_NOTHING_SHOWN = "I'm not sure which task you mean. Name it by its number or by words of its title, or ask for a list."


@dataclass(slots=True)
class Resolved:
    """Tasks found, and what there is to say about the rest."""

    ids: list[int] = field(default_factory=list)
    known: dict[int, Task] = field(default_factory=dict)
    """Those of them that were read on the way."""
    notes: list[str] = field(default_factory=list)
    question: Question | None = None

    def add(self, ids: Sequence[int]) -> None:
        """Add numbers, each once."""
        self.ids.extend(number for number in ids if number not in self.ids)


@dataclass(frozen=True, slots=True)
class Seen:
    """The tasks shown last, in their order."""

    ids: tuple[int, ...] = ()
    titles: tuple[str, ...] = ()


NOTHING_SEEN = Seen()


def resolve(command: Command, replay: Replay, seen: Seen) -> Resolved:
    """Return the tasks that a command means, or the question which of several it means.

    It takes at most two rounds: a look-up in the status that the command is about, then one in all.
    """
    found = Resolved()
    lookup = _LookUp(command, replay)
    for index, named in enumerate(command.target):
        match named:
            case Numbers(ids):
                found.add(ids)
            case Shown():
                _from_shown(named, command, seen, found)
            case Every(filters):
                _everything(replay, list_arguments(filters), found)
            case Words():
                lookup.settle(named, found)
        if found.question:
            asked = replace(
                found.question.intent,
                target=(*found.question.intent.target, Numbers(tuple(found.ids)), *command.target[index + 1 :]),
            )
            found.question = replace(found.question, intent=asked)
            return found
    return found


def matching(words: str, titles: Sequence[str]) -> list[int]:
    """Return the places of the titles that the words name: an equal title alone, else all that hold every word."""
    wanted = tokens(words)
    spoken = [tokens(title) for title in titles]
    equal = [place for place, title in enumerate(spoken) if title == wanted]
    if equal:
        return equal
    stems = [stem(word) for word in wanted if word not in {"the", "a", "an", "my", "to"}] or wanted
    holding = []
    for place, title in enumerate(spoken):
        own = {stem(word) for word in title}
        run_together = "".join(wanted) in "".join(title) and not "".join(wanted).isascii()
        if stems and (all(word in own for word in stems) or run_together):
            holding.append(place)
    return holding


class _LookUp:
    """Look-ups for all names of a command at once."""

    def __init__(self, command: Command, replay: Replay) -> None:
        self._command = command
        self._replay = replay
        self._names = [named.text for named in command.target if isinstance(named, Words)]
        status = STATUS_BEFORE[command.verb] if isinstance(command, Act) else "open"
        self._refusals: list[str] = []
        self._tasks = self._ask(status)
        self._others: list[Task] = []
        if any(not self._fits(name, self._tasks) for name in self._names):
            self._others = self._ask("all")

    def settle(self, named: Words, found: Resolved) -> None:
        """Add the task that a name means to `found`, or a note, or a question."""
        for name in self._pieces(named.text):
            fits = self._choose(name)
            if len(fits) == 1:
                found.add([fits[0].task_id])
                found.known[fits[0].task_id] = fits[0]
            elif fits and found.question is None:
                found.question = Question(
                    replace(self._command, target=()),
                    tuple(task.task_id for task in fits),
                    tuple(task.title for task in fits),
                )
            elif fits and found.question is not None:
                intent = found.question.intent
                waiting = replace(intent, target=(*intent.target, Words(name)))
                found.question = replace(found.question, intent=waiting)
            else:
                found.notes.append(self._refusals[0] if self._refusals else self._missing(name))

    def _ask(self, status: str) -> list[Task]:
        queries = list(dict.fromkeys(_query(part) for name in self._names for part in [name, *parts_of(name)]))
        requests = [
            Request("list_tasks", {"status": status, "query": query, "limit": PAGE_MOST}) for query in queries if query
        ]
        tasks: dict[int, Task] = {}
        for outcome in self._replay.call(*requests[:_MOST_QUERIES]):
            if isinstance(outcome, TaskPage):
                tasks.update((task.task_id, task) for task in outcome.tasks)
            else:
                self._refusals.append(outcome.text if isinstance(outcome, Refusal) else UNREADABLE)
        return list(tasks.values())

    def _pieces(self, name: str) -> list[str]:
        parts = parts_of(name)
        if len(parts) < 2 or self._choose(name):
            return [name]
        return parts if any(self._choose(part) for part in parts) else [name]

    def _choose(self, name: str) -> list[Task]:
        return self._fits(name, self._tasks) or [
            task for task in self._fits(name, self._others) if task.status in self._suitable()
        ]

    def _suitable(self) -> set[str]:
        match self._command:
            case Act(verb="delete") | Change():
                return {"open", "completed"}
            case Look():
                return {"open", "completed", "deleted"}
            case Act(verb=verb):
                return {STATUS_BEFORE[verb]}

    @staticmethod
    def _fits(name: str, tasks: Sequence[Task]) -> list[Task]:
        return [tasks[place] for place in matching(name, [task.title for task in tasks])]

    def _missing(self, name: str) -> str:
        others = self._fits(name, self._others)
        if others:
            task = others[0]
            already = "already " if task.status != "deleted" else ""
            return f"#{task.task_id} {task.title} is {already}{task.status}."
        return f"I found no task named “{name[:100]}”."


def _query(name: str) -> str:
    """Return what to search for: the stem of the longest word, since the server looks for a piece of text."""
    longest = max(re.findall(r"[^\W_]+", name), key=len, default="")
    # Folding could change letters that the server keeps, so the word stays as it was written.
    return longest[: len(stem(longest.casefold()))][:_QUERY_CHARS] if len(longest) > 3 else longest


def _from_shown(named: Shown, command: Command, seen: Seen, found: Resolved) -> None:
    chosen = pick(named, seen.ids)
    if chosen:
        found.add(chosen)
    elif not seen.ids:
        found.notes.append(_NOTHING_SHOWN)
    elif named.places:
        found.notes.append(
            f"I showed only {len(seen.ids)} task{'s' if len(seen.ids) > 1 else ''}; there is no such one."
        )
    else:
        found.question = Question(replace(command, target=()), seen.ids, seen.titles)


def pick(named: Shown, ids: Sequence[int]) -> list[int]:
    """Return the tasks at those places, or none where a place does not exist or "it" could be several."""
    if named.every or (not named.places and len(ids) == 1):
        return list(ids)
    if not all(-len(ids) <= place < len(ids) for place in named.places):
        return []
    return [ids[place] for place in named.places]


def _everything(replay: Replay, arguments: dict[str, object], found: Resolved) -> None:
    page = replay.page(**arguments)
    if isinstance(page, Refusal):
        found.notes.append(page.text)
        return
    hidden = arguments.get("status") == "all"
    tasks = [task for task in page.tasks if not (hidden and task.status == "deleted")]
    found.add([task.task_id for task in tasks])
    found.known.update((task.task_id, task) for task in tasks)
    if not tasks:
        found.notes.append("There are no such tasks.")
    if page.next_cursor:
        found.notes.append(f"There are more than {PAGE_MOST}; say it again for the next ones.")
