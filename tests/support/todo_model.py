"""A todo list in plain Python: what the todo server has to do, without a database, keys or pages."""

import copy
import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from todo_chat_shared.tasks import Priority, Task, TaskStatus

PRIORITIES: Final = ("urgent", "high", "normal", "low")
BATCH_ORDER: Final = ("restore", "reopen", "add", "update", "complete", "delete")
DAY: Final = dt.timedelta(days=1)
NEVER: Final = dt.datetime.max.replace(tzinfo=dt.UTC)

Arguments = dict[str, Any]


class No(Exception):
    """A change is refused; the text is part of what the tool has to say."""


@dataclass
class Item:
    """One task. The fields below `completed_at` are not shown to anybody."""

    task_id: int
    title: str
    created_at: dt.datetime
    updated_at: dt.datetime
    description: str | None = None
    status: TaskStatus = "open"
    priority: Priority = "normal"
    tags: list[str] = field(default_factory=list)
    due: dt.date | None = None
    due_at: dt.datetime | None = None
    recurrence: str | None = None
    next_task_id: int | None = None
    version: int = 1
    completed_at: dt.datetime | None = None
    zone: str = "UTC"
    """Where `due_at` has its time of day."""
    start: tuple[dt.date, dt.time] = (dt.date.min, dt.time.min)
    """Local day and time of the series' first occurrence."""
    number: int = 1
    """Place in a series that is counted."""
    next_version: int = 0
    """Version of the next task as completing or reopening this one left it."""
    place: float = field(default=math.inf, compare=False)
    """In the user's own order. Tasks in the same place, such as those never moved, stand in the order of their
    numbers; one that follows another takes its place."""

    @property
    def shown(self) -> Task:
        """The task as a tool answers with it."""
        fields = {name: getattr(self, name) for name in Task.model_fields}
        return Task.model_validate(fields | {"next_task_id": self.next_task_id if self.completed_at else None})

    @property
    def content(self) -> dict[str, Any]:
        """What undoing brings back: all that is shown but the traces of the changes."""
        return self.shown.model_dump(exclude={"version", "updated_at"})

    def day_in(self, zone: ZoneInfo) -> dt.date:
        """The day on which the task is due."""
        if self.due is not None:
            return self.due
        assert self.due_at is not None
        return self.due_at.astimezone(zone).date()


@dataclass
class TodoModel:
    """One user's list."""

    now: dt.datetime
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    items: dict[int, Item] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)
    """Versions before the call under way, the last that its caller can know."""

    @property
    def order(self) -> list[int]:
        """The user's own order."""
        return sorted(self.items, key=lambda task_id: (self.items[task_id].place, task_id))

    def change(self, act: Callable[..., Any], **arguments: Any) -> Any:
        """Make a call's change, or none at all where it is refused."""
        self.known = {}
        return self._attempt(act, **arguments)

    def _attempt(self, act: Callable[..., Any], **arguments: Any) -> Any:
        before = copy.deepcopy(self.items)
        try:
            return act(**arguments)
        except No:
            self.items = before
            raise

    def add_task(
        self, title: str, due: str | None = None, due_at: str | None = None, recurrence: str | None = None, **more: Any
    ) -> Task:
        """Add a task at the end."""
        if recurrence and not (due or due_at):
            raise No("a task that repeats is due")
        item = Item(len(self.items) + 1, title, self.now, self.now)
        self._describe(item, more)
        self._set_due(item, due, due_at)
        if recurrence:
            item.recurrence = recurrence
            self._begin(item)
        self.items[item.task_id] = item
        return item.shown

    def update_task(self, task_id: int, expected_version: int | None = None, **given: Any) -> Task:
        """Change what is given."""
        item = self._changeable(task_id)
        if expected_version not in (None, self.known[task_id]):
            raise No(f"task {task_id} is at version {self.known[task_id]}")
        before, order = copy.deepcopy(item), self.order
        self._describe(item, given)
        if given.get("due") == "":
            item.due = None
        if given.get("due_at") == "":
            item.due_at = None
        if given.get("due") or given.get("due_at"):
            self._set_due(item, given.get("due"), given.get("due_at"))
        if (rule := given.get("recurrence")) is not None:
            item.recurrence = rule or None
        moved = (item.due, item.due_at) != (before.due, before.due_at)
        if not moved:
            item.zone = before.zone
        if item.recurrence:
            if item.due is None and item.due_at is None:
                raise No("a task that repeats is due")
            if item.recurrence != before.recurrence:
                item.number = 1
            if moved or item.recurrence != before.recurrence:
                self._begin(item)
        if (target := given.get("before")) is not None:
            self._move(task_id, target)
        if item != before or self.order != order:
            self._changed(item)
        return item.shown

    def complete_task(self, task_id: int) -> Task:
        """Tick off a task, and let its next follow."""
        item = self._changeable(task_id)
        if item.status == "open":
            item.status, item.completed_at = "completed", self.now
            self._changed(item)
            if item.recurrence:
                self._follow_up(item)
        return item.shown

    def reopen_task(self, task_id: int) -> Task:
        """Undo that."""
        item = self._changeable(task_id)
        if item.status == "completed":
            item.status, item.completed_at = "open", None
            self._changed(item)
            follower = self._read(item.next_task_id)
            if follower and follower.status == "open" and follower.version == item.next_version:
                follower.status = "deleted"
                self._changed(follower)
                item.next_version = follower.version
        return item.shown

    def delete_task(self, task_id: int) -> Task:
        """Put a task away."""
        item = self._existing(task_id)
        if item.status != "deleted":
            item.status = "deleted"
            self._changed(item)
        return item.shown

    def restore_task(self, task_id: int) -> Task:
        """Undo that."""
        item = self._existing(task_id)
        if item.status == "deleted":
            item.status = "completed" if item.completed_at else "open"
            self._changed(item)
        return item.shown

    def batch_tasks(self, **lists: list[Any]) -> dict[str, list[Task | No]]:
        """Do each thing by itself, in the order of the kinds."""
        outcomes: dict[str, list[Task | No]] = {}
        for action in BATCH_ORDER:
            for given in lists.get(action, []):
                arguments = given if isinstance(given, dict) else {"task_id": given}
                try:
                    outcome = self._attempt(getattr(self, f"{action}_task"), **arguments)
                except No as refusal:
                    outcome = refusal
                outcomes.setdefault(action, []).append(outcome)
        if all(isinstance(outcome, No) for items in outcomes.values() for outcome in items):
            raise No("nothing was done")
        return outcomes

    def listed(self, sort: str = "created", **which: Any) -> list[Task]:
        """Return all tasks of a list, in its order."""
        keys: dict[str, Callable[[Item], Any]] = {
            "created": lambda item: item.task_id,
            "newest": lambda item: -item.task_id,
            "due": lambda item: (self._due_until(item), item.task_id),
            "priority": lambda item: (PRIORITIES.index(item.priority), item.task_id),
            "updated": lambda item: (-item.updated_at.timestamp(), -item.task_id),
            "manual": lambda item: self.order.index(item.task_id),
        }
        return [item.shown for item in sorted(self.items.values(), key=keys[sort]) if self._is_in(item, **which)]

    def _is_in(
        self,
        item: Item,
        status: str = "open",
        query: str = "",
        tag: str | None = None,
        priority: str | None = None,
        due_before: str | None = None,
        due_after: str | None = None,
        overdue: bool = False,
    ) -> bool:
        has_due = item.due is not None or item.due_at is not None
        late = has_due and self._due_until(item) < self.now
        words = f"{item.title} {item.description or ''}".lower().split()
        return (
            (status == "all" or item.status == ("open" if overdue else status) or (overdue and item.status == "open"))
            and (not overdue or (late and item.status == "open"))
            and all(any(word.startswith(asked) for word in words) for asked in query.lower().split())
            and (tag is None or tag.lower() in [known.lower() for known in item.tags])
            and priority in (None, item.priority)
            and (due_before is None or (has_due and item.day_in(self.zone) < dt.date.fromisoformat(due_before)))
            and (due_after is None or (has_due and item.day_in(self.zone) > dt.date.fromisoformat(due_after)))
        )

    def _due_until(self, item: Item) -> dt.datetime:
        if item.due is not None:
            return (
                dt.datetime.combine(item.due + DAY, dt.time(), self.zone).astimezone(dt.UTC) - dt.timedelta.resolution
            )
        return item.due_at or NEVER

    def _existing(self, task_id: int) -> Item:
        item = self._read(task_id)
        if item is None:
            raise No(f"task_id {task_id} does not exist")
        return item

    def _read(self, task_id: int | None) -> Item | None:
        item = self.items.get(task_id or 0)
        if item is not None:
            self.known.setdefault(item.task_id, item.version)
        return item

    def _changeable(self, task_id: int) -> Item:
        if self._existing(task_id).status == "deleted":
            raise No(f"task {task_id} is deleted")
        return self.items[task_id]

    def _changed(self, item: Item) -> None:
        item.version += 1
        item.updated_at = self.now

    def _describe(self, item: Item, given: Arguments) -> None:
        item.title = given.get("title", item.title)
        item.description = given.get("description", item.description) or None
        item.priority = given.get("priority", item.priority)
        if "tags" in given:
            first_written: dict[str, str] = {}
            for tag in given["tags"]:
                first_written.setdefault(tag.lower(), tag)
            item.tags = list(first_written.values())

    def _set_due(self, item: Item, due: str | None, due_at: str | None) -> None:
        if item.due_at is None or not due_at:
            item.zone = self.zone.key
        item.due = dt.date.fromisoformat(due) if due else None
        item.due_at = dt.datetime.fromisoformat(due_at) if due_at else None

    def _begin(self, item: Item) -> None:
        if item.due_at is None:
            assert item.due is not None
            item.start = item.due, dt.time.min
        else:
            local = item.due_at.astimezone(ZoneInfo(item.zone))
            item.start = local.date(), local.time()

    def _move(self, task_id: int, target: int) -> None:
        if target == task_id:
            raise No("before must be the number of another task")
        if target and target not in self.items:
            raise No(f"before {target} does not exist")
        order = self.order
        order.remove(task_id)
        order.insert(order.index(target) if target else len(order), task_id)
        beyond = order[order.index(target) + 1 :] if target else []
        for place, number in enumerate(order):
            # What comes after the target, and was never moved, goes on coming after whatever is added to the rest.
            if number not in beyond or self.items[number].place < math.inf:
                self.items[number].place = place

    def _follow_up(self, item: Item) -> None:
        follower = self._read(item.next_task_id)
        if follower and (follower.status != "deleted" or follower.version != item.next_version):
            return
        found = self._next_day(item)
        if found is None:
            item.next_task_id = None
            return
        day, number = found
        if follower is None:
            follower = Item(len(self.items) + 1, item.title, self.now, self.now)
            self.items[follower.task_id] = follower
            item.next_task_id = follower.task_id
        else:
            follower.status = "open"
            self._changed(follower)
        for name in ("title", "description", "priority", "recurrence", "start", "zone", "place"):
            setattr(follower, name, getattr(item, name))
        follower.tags, follower.number = list(item.tags), number
        if item.due_at is None:
            follower.due, follower.due_at = day, None
        else:
            there = dt.datetime.combine(day, item.start[1], ZoneInfo(item.zone))
            follower.due, follower.due_at = None, there.astimezone(dt.UTC)
        item.next_version = follower.version

    def _next_day(self, item: Item) -> tuple[dt.date, int] | None:
        zone = ZoneInfo(item.zone) if item.due_at else self.zone
        parts = dict(part.split("=") for part in (item.recurrence or "").split(";"))
        interval, first, own = int(parts.get("INTERVAL", 1)), item.start[0], item.day_in(zone)
        number, step, today = item.number, 0, self.now.astimezone(zone).date()
        if item.due_at and dt.datetime.combine(today, item.start[1], zone).astimezone(dt.UTC) > self.now:
            today -= DAY
        while True:
            step += 1
            day = _nth(parts["FREQ"], first, step * interval)
            if day > own:
                if "COUNT" in parts and number >= int(parts["COUNT"]):
                    return None
                number += 1
                if day > today:
                    return day, number


def _nth(frequency: str, first: dt.date, distance: int) -> dt.date:
    if frequency != "MONTHLY":
        return first + distance * DAY * (7 if frequency == "WEEKLY" else 1)
    months = first.year * 12 + first.month - 1 + distance
    last = (dt.date((months + 1) // 12, (months + 1) % 12 + 1, 1) - DAY).day
    return dt.date(months // 12, months % 12 + 1, min(first.day, last))
