"""Intents carried out: calls through the replay, then the words that tell what came of them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from todo_chat_shared.tasks import Task, UserDay

from chat_api.agent.offline import replies
from chat_api.agent.offline.context import Context, Reply
from chat_api.agent.offline.conversation import UNREADABLE, Refusal
from chat_api.agent.offline.grammar.words import TAG
from chat_api.agent.offline.grammar.zones import zone_named
from chat_api.agent.offline.intents import Act, Add, Change, Draft, Filters, Find, Look, Question, SetZone, When
from chat_api.agent.offline.lists import completed_within, list_arguments, within
from chat_api.agent.offline.replay import Replay, Request
from chat_api.agent.offline.targets import Resolved, resolve

SHOWN_MOST = 50
"""How many tasks an answer lists."""
_INVERSE = {
    "add_task": "delete_task",
    "complete_task": "reopen_task",
    "reopen_task": "complete_task",
    "delete_task": "restore_task",
    "restore_task": "delete_task",
}
_UNDONE = {
    "delete_task": "Deleted",
    "reopen_task": "Reopened",
    "complete_task": "Completed",
    "restore_task": "Restored",
}


def add(intent: Add, replay: Replay, now: dt.datetime) -> Reply:
    """Add tasks."""
    outcomes = replay.tasks([Request("add_task", _fields_of(draft)) for draft in intent.drafts])
    return _done("Added", outcomes, [None] * len(outcomes), [], now)


def find(intent: Find, replay: Replay, now: dt.datetime) -> Reply:
    """List tasks. Where a search or "what's left" finds nothing, it looks further."""
    filters = intent.filters
    page = replay.page(**list_arguments(filters, SHOWN_MOST))
    if isinstance(page, Refusal):
        return Reply(replies.refused(page.text))
    preface = ""
    for wider in [] if page.tasks else _wider(intent):
        preface = f"There are no {replies.heading(intent.filters, now)}. "
        filters = wider
        page = replay.page(**list_arguments(filters, SHOWN_MOST))
        if isinstance(page, Refusal):
            return Reply(replies.refused(page.text))
        if page.tasks:
            break
    tasks = [task for task in page.tasks if filters.status != "all" or filters.query or task.status != "deleted"]
    days = completed_within(filters)
    if days:
        zone = now.tzinfo
        tasks = [
            task for task in tasks if task.completed_at and within(task.completed_at.astimezone(zone).date(), days)
        ]
    name = replies.heading(filters, now)
    if not tasks:
        return Reply(preface.strip() or f"There are no {name}.")
    more = page.next_cursor is not None
    if intent.count:
        one = name.replace("tasks", "task", 1) if len(tasks) == 1 and not more else name
        count = f"more than {len(tasks)}" if more else str(len(tasks))
        return Reply(f"You have {count} {one}:\n{replies.bullets(tasks, now, status=True)}", tuple(tasks))
    text = f"{preface}{name[0].upper()}{name[1:]}:\n{replies.bullets(tasks, now, status=filters.status == 'all')}"
    if more:
        text += f"\nThere are more; these are the first {len(page.tasks)}. Narrow it down, for example by a tag."
    return Reply(text, tuple(tasks))


def look(intent: Look, replay: Replay, context: Context, now: dt.datetime) -> Reply:
    """Show tasks in full."""
    found = resolve(intent, replay, context.seen)
    if found.question:
        return ask(found.question)
    outcomes = replay.tasks([Request("get_task", {"task_id": number}) for number in found.ids])
    tasks = tuple(task for task in outcomes if isinstance(task, Task))
    notes = _refusals(outcomes, found.ids) + found.notes
    return Reply("\n\n".join([*(replies.details(task, now) for task in tasks), *notes]), tasks)


def act(intent: Act, replay: Replay, context: Context, now: dt.datetime) -> Reply:
    """Complete, reopen, delete or restore."""
    found = resolve(intent, replay, context.seen)
    if found.question:
        return ask(found.question)
    outcomes = replay.tasks([Request(f"{intent.verb}_task", {"task_id": number}) for number in found.ids])
    return _done(replies.DID[intent.verb], outcomes, found.ids, found.notes, now)


def change(intent: Change, replay: Replay, context: Context, now: dt.datetime) -> Reply:
    """Change fields. What depends on a task's present state reads that first."""
    found = resolve(intent, replay, context.seen)
    if found.question:
        return ask(found.question)
    dated = intent.when and not _settled(intent.when)
    if intent.shift or intent.add_tags or intent.remove_tags or intent.recurrence or intent.clear_due or dated:
        _read(found, replay)
    requests, ids = [], []
    for number in found.ids:
        arguments = _update(intent, found.known.get(number), now)
        if isinstance(arguments, str):
            found.notes.append(arguments)
        else:
            requests.append(Request("update_task", {"task_id": number, **arguments}))
            ids.append(number)
    return _done("Updated", replay.tasks(requests), ids, found.notes, now)


def set_zone(intent: SetZone, replay: Replay) -> Reply:
    """Change the user's time zone."""
    name = zone_named(intent.said)
    if name is None:
        unknown = f"I don't know the time zone “{intent.said}”. " if intent.said else ""
        return Reply(
            f"{unknown}Name it by a large city in it or by its full name, for example: my time zone is Europe/Berlin"
        )
    [outcome] = replay.call(Request("set_timezone", {"timezone": name}))
    if not isinstance(outcome, UserDay):
        return Reply(replies.refused(outcome.text if isinstance(outcome, Refusal) else UNREADABLE))
    return Reply(f"Your time zone is {outcome.timezone} now; there it is {replies.date_words(outcome.today)}.")


def undo(replay: Replay, context: Context, now: dt.datetime) -> Reply:
    """Take back the last changes of status, and additions."""
    if not context.changes:
        return Reply("There is nothing that I could undo.")
    if any(call.name not in _INVERSE for call in context.changes):
        return Reply("I can't take back a change inside a task. Tell me what it should be instead.")
    requests, ids = [], []
    # The last comes first: what was completed and then deleted has to be restored before it can be reopened.
    for call in reversed(context.changes):
        if isinstance(call.outcome, Task):
            requests.append(Request(_INVERSE[call.name], {"task_id": call.outcome.task_id}))
            ids.append(call.outcome.task_id)
    outcomes = replay.tasks(requests)
    replied: list[Reply] = []
    for name in dict.fromkeys(request.name for request in requests):
        mine = [place for place, request in enumerate(requests) if request.name == name]
        done = _done(_UNDONE[name], [outcomes[place] for place in mine], [ids[place] for place in mine], [], now)
        replied.append(done)
    return Reply("\n".join(reply.text for reply in replied), tuple(task for reply in replied for task in reply.shown))


def ask(question: Question) -> Reply:
    """Ask which of several tasks is meant."""
    offered = "\n".join(
        f"- #{number} {title}" for number, title in zip(question.candidates, question.titles, strict=True)
    )
    return Reply(f"Which one do you mean?\n{offered}", question=question)


def _wider(intent: Find) -> list[Filters]:
    """Return where to look next: a word that is in no title may be a tag, or in a task that is no longer open."""
    filters = intent.filters
    if not filters.query:
        return [replace(filters, period=None)] if intent.left and filters.period else []
    tag = [replace(filters, query=None, tag=filters.query)] if TAG.fullmatch(f"#{filters.query}") else []
    return [*tag, replace(filters, status="all")]


def _done(
    verb: str,
    outcomes: Sequence[Task | Refusal],
    ids: Sequence[int | None],
    notes: Sequence[str],
    now: dt.datetime,
) -> Reply:
    tasks = tuple(task for task in outcomes if isinstance(task, Task))
    lines = [replies.did(verb, tasks, now)] if tasks else []
    lines += [*_refusals(outcomes, ids), *notes]
    return Reply("\n".join(lines) or "There was nothing to do.", tasks)


def _refusals(outcomes: Sequence[Task | Refusal], ids: Sequence[int | None]) -> list[str]:
    return [
        replies.refused(outcome.text, number)
        for outcome, number in zip(outcomes, ids, strict=True)
        if isinstance(outcome, Refusal)
    ]


def _read(found: Resolved, replay: Replay) -> None:
    unknown = [number for number in found.ids if number not in found.known]
    outcomes = replay.tasks([Request("get_task", {"task_id": number}) for number in unknown])
    for number, outcome in zip(unknown, outcomes, strict=True):
        if isinstance(outcome, Task):
            found.known[number] = outcome
        else:
            found.ids.remove(number)
            found.notes.append(replies.refused(outcome.text, number))


def _fields_of(draft: Draft) -> dict[str, Any]:
    fields: dict[str, Any] = {"title": draft.title}
    if draft.when:
        fields.update(_due(draft.when))
    if draft.priority:
        fields["priority"] = draft.priority
    if draft.tags:
        fields["tags"] = list(draft.tags)
    if draft.recurrence:
        fields["recurrence"] = draft.recurrence
    return fields


def _due(when: When) -> dict[str, str]:
    if when.due_at:
        # The zone beside the offset, so that what repeats keeps its time of day when the clocks change.
        zone = f"[{when.due_at.tzinfo.key}]" if isinstance(when.due_at.tzinfo, ZoneInfo) else ""
        return {"due_at": f"{when.due_at.isoformat()}{zone}"}
    return {"due": when.due.isoformat()} if when.due else {}


def _update(intent: Change, task: Task | None, now: dt.datetime) -> dict[str, Any] | str:
    """Return the arguments of the update, or words that say why there is none."""
    arguments: dict[str, Any] = {}
    if intent.title:
        arguments["title"] = intent.title
    if intent.description:
        arguments["description"] = intent.description
    if intent.when:
        arguments.update(_due(_completed(intent.when, task, now)))
    if intent.priority:
        arguments["priority"] = intent.priority
    if intent.clear_tags:
        arguments["tags"] = []
    if intent.clear_due:
        arguments.update(due="", due_at="")
        if task and task.recurrence:
            arguments["recurrence"] = ""
    if intent.recurrence is not None:
        arguments["recurrence"] = intent.recurrence
        if intent.first and task and not (task.due or task.due_at):
            arguments["due"] = intent.first.isoformat()
    if intent.shift and task:
        later = _later(task, intent.shift, now)
        if later is None:
            return (
                f"#{task.task_id} {task.title} has no {'time' if task.due else 'date'} to count from. Say, for"
                f" example: move #{task.task_id} to Friday{' at 5pm' if task.due else ''}."
            )
        arguments.update(_due(later))
    if (intent.add_tags or intent.remove_tags) and task:
        removed = {tag.casefold() for tag in intent.remove_tags}
        present = {tag.casefold() for tag in task.tags}
        if removed and not removed & present:
            return f"#{task.task_id} {task.title} has no such tag."
        kept = [tag for tag in task.tags if tag.casefold() not in removed]
        arguments["tags"] = kept + [tag for tag in intent.add_tags if tag.casefold() not in present]
    return arguments


def _settled(when: When) -> bool:
    """Say whether both a day and a time of day were said."""
    return when.due_at is not None and when.day_named


def _completed(when: When, task: Task | None, now: dt.datetime) -> When:
    """Take what was not said from the task: "move it to 4pm" keeps the day, "move it to Friday" the time of day."""
    if task is None or _settled(when):
        return when
    before = task.due_at.astimezone(now.tzinfo) if task.due_at else None
    time = when.due_at.time() if when.due_at else before.time() if before else None
    day = when.due or (before.date() if before else task.due)
    if day is None or time is None:
        return when
    return When(due_at=dt.datetime.combine(day, time, now.tzinfo).astimezone(dt.UTC).astimezone(now.tzinfo))


def _later(task: Task, shift: dt.timedelta, now: dt.datetime) -> When | None:
    try:
        if task.due_at:
            # By the clock on the wall: a day later is the same hour, also where clocks change in between.
            wall = task.due_at.astimezone(now.tzinfo) + shift
            return When(due_at=wall.astimezone(dt.UTC).astimezone(now.tzinfo))
        if task.due and not shift % dt.timedelta(days=1):
            return When(due=task.due + shift)
    except OverflowError:
        return None
    return None
