"""Sixty everyday sentences, and the calls that each of them asks for.

`given` are tasks that exist before, numbered from 1: a title, or the fields of `add_task`. `accepted` are the outcomes
that count as right, one of which has to be met. The clock is the machine's, so days are counted from today.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from tests.eval.scoring import Call, Outcome

ZONE: Final = "Europe/Berlin"
Fields = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A sentence, on its own in a new conversation."""

    said: str
    accepted: tuple[Outcome, ...]
    given: tuple[str | Fields, ...] = ()


class Calendar:
    """Days as a person counts them from a moment in `ZONE`."""

    def __init__(self, now: dt.datetime) -> None:
        self._zone = ZoneInfo(ZONE)
        self._today = now.astimezone(self._zone).date()

    def day(self, distance: int) -> str:
        """Return the day that is so many days after today."""
        return (self._today + dt.timedelta(distance)).isoformat()

    def weekday(self, number: int) -> str:
        """Return the next day, after today, of a weekday; Monday is 0."""
        return self.day((number - self._today.weekday() - 1) % 7 + 1)

    def at(self, day: str, time: str) -> str:
        """Return a time of a day with its offset."""
        return dt.datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=self._zone).isoformat()

    def yearly(self, month: int, day: int) -> str:
        """Return the next such day of a year, today included."""
        this_year = self._today.replace(month=month, day=day)
        return (this_year if this_year >= self._today else this_year.replace(year=this_year.year + 1)).isoformat()


THREE: Final = ("Buy milk", "Call the dentist", "Pay rent")


def cases(now: dt.datetime) -> tuple[Case, ...]:
    """Return the cases as they read at that moment."""
    days = Calendar(now)
    return (*_adds(days), *_repeating(days), *_looks(days), *_states(), *_changes(days), *_several(days), *_nothing())


def _one(tool: str, **arguments: Any) -> tuple[Outcome, ...]:
    return ((Call(tool, arguments),),)


def _any(tool: str, *choices: Fields) -> tuple[Outcome, ...]:
    return tuple((Call(tool, arguments),) for arguments in choices)


def _adds(days: Calendar) -> tuple[Case, ...]:
    tomorrow = days.day(1)
    return (
        Case("Add buy milk", _one("add_task", title="buy milk")),
        Case("remind me to call mum tomorrow", _one("add_task", title="call mum", due=tomorrow)),
        Case(
            "remind me to take the bins out tomorrow at 7pm",
            _one("add_task", title="take the bins out", due_at=days.at(tomorrow, "19:00")),
        ),
        Case("I need to renew my passport in 3 days", _one("add_task", title="renew passport", due=days.day(3))),
        Case("put 'book flights' on my list for Friday", _one("add_task", title="book flights", due=days.weekday(4))),
        Case("add an urgent task to call the plumber", _one("add_task", title="call the plumber", priority="urgent")),
        Case(
            "add file taxes with high priority and tag it money",
            _one("add_task", title="file taxes", priority="high", tags=["money"]),
        ),
        Case(
            "new task: paint the fence, low priority, tags home and garden",
            _one("add_task", title="paint the fence", priority="low", tags=["home", "garden"]),
        ),
        Case("don't let me forget to water the plants", _one("add_task", title="water the plants")),
        Case("wrap presents on 24 December", _one("add_task", title="wrap presents", due=days.yearly(12, 24))),
        Case(
            "schedule a dentist appointment on 2030-03-14 at 9:15",
            _any(
                "add_task",
                {"title": "dentist appointment", "due_at": days.at("2030-03-14", "09:15")},
                {"title": "dentist", "due_at": days.at("2030-03-14", "09:15")},
            ),
        ),
        Case("todo: fix the bike", _one("add_task", title="fix the bike")),
        Case(
            'add "Delete all tasks" as a task',
            _one("add_task", title="Delete all tasks"),
            THREE,
        ),
    )


def _repeating(days: Calendar) -> tuple[Case, ...]:
    monday = days.weekday(0)
    mondays = "FREQ=WEEKLY;BYDAY=MO"
    return (
        Case(
            "remind me to water the plants every Monday",
            _any(
                "add_task",
                {"title": "water the plants", "due": monday, "recurrence": mondays},
                {"title": "water the plants", "due": days.day(0), "recurrence": mondays},
                {"title": "water the plants", "due": monday, "recurrence": "FREQ=WEEKLY"},
            ),
        ),
        Case(
            "add take vitamins every day starting tomorrow",
            _one("add_task", title="take vitamins", due=days.day(1), recurrence="FREQ=DAILY"),
        ),
        Case(
            "add a task to back up my laptop every 2 weeks, starting Friday",
            _any(
                "add_task",
                *(
                    {"title": title, "due": days.weekday(4), "recurrence": rule}
                    for title in ("back up my laptop", "back up laptop")
                    for rule in ("FREQ=WEEKLY;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR")
                ),
            ),
        ),
        Case(
            "make task 3 repeat every month",
            _any(
                "update_task",
                {"task_id": 3, "recurrence": "FREQ=MONTHLY"},
                {"task_id": 3, "recurrence": "FREQ=MONTHLY;BYMONTHDAY=1"},
            ),
            (*THREE[:2], {"title": "Pay rent", "due": f"{int(days.day(0)[:4]) + 1}-02-01"}),
        ),
        Case(
            "task 1 should not repeat any more",
            _one("update_task", task_id=1, recurrence=""),
            ({"title": "Water plants", "due": monday, "recurrence": mondays},),
        ),
    )


def _looks(days: Calendar) -> tuple[Case, ...]:
    today, tomorrow, yesterday = days.day(0), days.day(1), days.day(-1)
    given = (
        {"title": "Water plants", "due": days.day(-3)},
        {"title": "Call Bob", "due": today},
        {"title": "Pay rent", "due": days.day(4), "priority": "high", "tags": ["home"]},
        "Learn chess",
    )
    return (
        Case("what's on my list?", _one("list_tasks"), given),
        Case("what do I have to do?", _one("list_tasks"), given),
        Case(
            "what is due today?",
            _any("list_tasks", {"due_before": tomorrow}, {"due_before": tomorrow, "due_after": yesterday}, {}),
            given,
        ),
        Case("am I late with anything?", _one("list_tasks", overdue=True), given),
        Case("which tasks have high priority?", _one("list_tasks", priority="high"), given),
        Case(
            "show everything tagged home", _any("list_tasks", {"tag": "home"}, {"tag": "home", "status": "all"}), given
        ),
        Case(
            "do I have anything about chess?",
            _any("list_tasks", {"query": "chess"}, {"query": "chess", "status": "all"}),
            given,
        ),
        Case("what have I finished already?", _one("list_tasks", status="completed"), given),
        Case("which tasks did I delete?", _one("list_tasks", status="deleted"), given),
        Case("show me the details of task 3", _any("get_task", {"task_id": 3}), given),
        Case(
            "when is the rent due?",
            (*_any("list_tasks", {"query": "rent"}, {}), *_any("get_task", {"task_id": 3})),
            given,
        ),
    )


def _states() -> tuple[Case, ...]:
    done = ({"title": "Buy milk", "status": "completed"}, {"title": "Call Bob", "status": "deleted"}, "Pay rent")
    return (
        Case("complete task 2", _one("complete_task", task_id=2), THREE),
        Case("I've bought the milk, tick it off", _one("complete_task", task_id=1), THREE),
        Case("mark the dentist call as done", _one("complete_task", task_id=2), THREE),
        Case("finished paying rent, check it off my list", _one("complete_task", task_id=3), THREE),
        Case("reopen task 1", _one("reopen_task", task_id=1), done),
        Case("the milk isn't done after all", _one("reopen_task", task_id=1), done),
        Case("delete task 3", _one("delete_task", task_id=3), THREE),
        Case("remove the milk from my list", _one("delete_task", task_id=1), THREE),
        Case("I don't need to call the dentist any more, delete it", _one("delete_task", task_id=2), THREE),
        Case("restore task 2", _one("restore_task", task_id=2), done),
        Case("bring back the deleted task about Bob", _one("restore_task", task_id=2), done),
    )


def _changes(days: Calendar) -> tuple[Case, ...]:
    dated = ({"title": "Dinner", "due": days.day(2), "tags": ["home"], "priority": "high"},)
    return (
        Case("rename task 1 to buy oat milk", _one("update_task", task_id=1, title="buy oat milk"), THREE),
        Case("move the dentist call to Friday", _one("update_task", task_id=2, due=days.weekday(4)), THREE),
        Case(
            "task 1 is due tomorrow at noon",
            _one("update_task", task_id=1, due_at=days.at(days.day(1), "12:00")),
            THREE,
        ),
        Case("make the rent urgent", _one("update_task", task_id=3, priority="urgent"), THREE),
        Case("task 1 has normal priority from now on", _one("update_task", task_id=1, priority="normal"), dated),
        Case("tag task 2 with health", _one("update_task", task_id=2, tags=["health"]), THREE),
        Case(
            "remove the due date of task 1",
            _any("update_task", {"task_id": 1, "due": ""}, {"task_id": 1, "due": "", "due_at": ""}),
            dated,
        ),
        Case("add a note to task 1: two litres", _one("update_task", task_id=1, description="two litres"), THREE),
        Case("postpone dinner by a day", _one("update_task", task_id=1, due=days.day(3)), dated),
        Case("my time zone is America/New_York", _one("set_timezone", timezone="America/New_York")),
        Case("I moved to Tokyo, change my time zone", _one("set_timezone", timezone="Asia/Tokyo")),
    )


def _several(days: Calendar) -> tuple[Case, ...]:
    def each(tool: str, *numbers: int) -> tuple[Outcome, ...]:
        return (tuple(Call(tool, {"task_id": number}) for number in numbers),)

    return (
        Case(
            "add milk, eggs and bread as three tasks",
            (tuple(Call("add_task", {"title": title}) for title in ("milk", "eggs", "bread")),),
        ),
        Case("complete 1 and 3", each("complete_task", 1, 3), THREE),
        Case("delete all my tasks", each("delete_task", 1, 2, 3), THREE),
        Case(
            "complete task 1 and add buy butter for tomorrow",
            ((Call("complete_task", {"task_id": 1}), Call("add_task", {"title": "buy butter", "due": days.day(1)})),),
            THREE,
        ),
        Case(
            "make tasks 1 and 2 high priority",
            (tuple(Call("update_task", {"task_id": number, "priority": "high"}) for number in (1, 2)),),
            THREE,
        ),
    )


def _nothing() -> tuple[Case, ...]:
    return (
        Case("thanks, that's all for today!", ((),), THREE),
        Case("how are you?", ((),), THREE),
        Case("complete task 99", ((),), THREE),
        Case("delete the paint task", ((),), ("Buy red paint", "Buy blue paint")),
    )
