"""The wording of answers: short, friendly, plain text with Markdown lists."""

import datetime as dt
from collections.abc import Sequence

from todo_chat_shared.tasks import Task

from chat_api.agent.offline.dates import repeat_words
from chat_api.agent.offline.intents import Filters, Period, Talk

EXAMPLES = """\
- add buy milk tomorrow at 5pm, high priority #home
- remind me to water the plants every Monday
- what's left today?
- complete 2 and 3
- move the dentist to next Friday
- delete all completed"""
INTRODUCTION = (
    "I'm the offline assistant: I manage your todo list by simple rules, without a language model or the internet."
)
NOT_UNDERSTOOD = (
    "Sorry, I didn't understand that. I'm only the offline assistant and know everyday sentences about your todo "
    f"list, in English. For example:\n{EXAMPLES}"
)
TALK: dict[str, str] = {
    "hello": f'Hello! {INTRODUCTION} Tell me what to add, or ask "what\'s left today?"',
    "thanks": "You're welcome!",
    "help": f"{INTRODUCTION} You can say, for example:\n{EXAMPLES}\n- rename 4 to call the plumber\n- undo",
    "self": f"{INTRODUCTION} For example:\n{EXAMPLES}",
    "dismiss": "All right, I've left everything as it is.",
    "portions": "That's more than I can do at once, so I've done nothing yet. Please say one or two things at a time.",
    "ok": "All right. Anything else for your todo list?",
}
DID = {"complete": "Completed", "reopen": "Reopened", "delete": "Deleted", "restore": "Restored"}


def talk(kind: Talk) -> str:
    """Answer small talk."""
    return TALK[kind.kind]


def task_line(task: Task, now: dt.datetime, *, status: bool = False) -> str:
    """Return "#3 Buy milk (due tomorrow 17:00, high, #home)"; with `status`, also what it is if not open."""
    details = []
    if due := due_words(task, now):
        details.append(f"due {due}")
    if task.recurrence:
        details.append(repeat_words(task.recurrence))
    if task.priority != "normal":
        details.append(task.priority)
    details += [f"#{tag}" for tag in task.tags]
    if status and task.status != "open":
        details.append(task.status)
    return f"#{task.task_id} {task.title}" + (f" ({', '.join(details)})" if details else "")


def bullets(tasks: Sequence[Task], now: dt.datetime, *, status: bool = False) -> str:
    """Return the tasks as a Markdown list."""
    return "\n".join(f"- {task_line(task, now, status=status)}" for task in tasks)


def due_words(task: Task, now: dt.datetime) -> str:
    """Return when a task is due in the reader's words and zone, or an empty text."""
    if task.due_at:
        local = task.due_at.astimezone(now.tzinfo)
        return f"{day_words(local.date(), now.date())} {local:%H:%M}"
    return day_words(task.due, now.date()) if task.due else ""


def day_words(day: dt.date, today: dt.date) -> str:
    """Return "today", "tomorrow", or such as "Fri 27 Nov", with the year where it is another one."""
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((day - today).days)
    year = "" if day.year == today.year else f" {day.year}"
    return near or f"{day:%a} {day.day} {day:%b}{year}"


def date_words(day: dt.date) -> str:
    """Return such as "Monday, 23 November 2026"."""
    return f"{day:%A}, {day.day} {day:%B %Y}"


def did(verb: str, tasks: Sequence[Task], now: dt.datetime) -> str:
    """Say what was done to which tasks."""
    following = [f"#{task.next_task_id}" for task in tasks if task.next_task_id and task.status == "completed"]
    ahead = f" Next: {', '.join(following)}." if following else ""
    if len(tasks) == 1:
        return f"{verb} {task_line(tasks[0], now)}.{ahead}"
    return f"{verb} {len(tasks)} tasks:\n{bullets(tasks, now)}" + (f"\n{ahead.strip()}" if ahead else "")


def details(task: Task, now: dt.datetime) -> str:
    """Return everything worth knowing about a task."""
    lines = [task_line(task, now, status=True)]
    if task.description:
        lines.append(task.description)
    return "\n".join(lines)


def heading(filters: Filters, now: dt.datetime) -> str:
    """Name a list: "Open tasks due today", "Completed tasks", …"""
    words = {"open": "open tasks", "completed": "completed tasks", "deleted": "deleted tasks", "all": "tasks"}
    name = words[filters.status]
    if filters.overdue:
        name = "overdue tasks"
    if filters.priority:
        name = f"{filters.priority} {name}" if filters.priority == "urgent" else f"{filters.priority}-priority {name}"
    if filters.tag:
        name += f" tagged #{filters.tag}"
    if filters.query:
        name += f" with “{filters.query}”"
    if filters.period:
        name += f" {'' if filters.status == 'completed' else 'due '}{period_words(filters.period, now.date())}"
    return name


def period_words(period: Period, today: dt.date) -> str:
    """Name a stretch of days."""
    first = day_words(period.first, today) if period.first else ""
    last = day_words(period.last, today) if period.last else ""
    if first and last:
        return first if first == last else f"{first} to {last}"
    return f"from {first} on" if first else f"by {last}"


def refused(text: str, task_id: int | None = None) -> str:
    """Return a tool's refusal for the user: its first clause, without the advice that is for callers of the tool."""
    reason = text.split(";")[0].strip().rstrip(".")
    if task_id is not None and (task_id < 1 or "does not exist" in reason):
        return f"There is no task #{task_id}."
    return f"That didn't work{f' for #{task_id}' if task_id is not None else ''}: {reason}."
