"""Messages that say what the model shall do with them, and the model that does it.

The model keeps nothing that an answer depends on but counters, so a run may be taken over by anyone at any point:
what to answer is read from the request. Asked the same thing again, it answers in other words: each answer ends
in a number of its own, so that whatever is done or shown twice can be told apart.
"""

import asyncio
import dataclasses
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.support.openai_stub import Call, Calls, Cut, Fail, Raw, Reply, Say

ModelFault = Literal["429", "500", "timeout", "cut", "malformed"]
MODEL_FAULTS: Final[tuple[ModelFault, ...]] = ("429", "500", "timeout", "cut", "malformed")
CallIds = Literal["own", "repeated", "empty"]
_MARK: Final = "plan:"
_AT_ONCE: Final = {"retry-after-ms": "1"}
_OWNER: Final = re.compile(r"owner-[0-9a-z-]+-end")


@dataclass(frozen=True)
class Step:
    """One call. `add` makes a task, `update` and `delete` change one of the same run, the others are refused."""

    kind: Literal["add", "update", "delete", "unknown", "nonsense"]
    title: str


@dataclass(frozen=True)
class Round:
    """One model response that calls tools."""

    steps: tuple[Step, ...]
    say: str = ""
    ids: CallIds = "own"


@dataclass(frozen=True)
class Plan:
    """What one message makes of its run."""

    name: str
    """Unique. It holds its owner's mark, so that a text in the wrong hands is recognised."""
    rounds: tuple[Round, ...]
    answer: str
    """The final words; the model puts a number after them."""
    pause_seconds: float = 0.0
    """Between two words."""
    faults: tuple[tuple[int, ModelFault], ...] = ()
    """Round, where the number of rounds stands for the final words, and what the model does there first; one
    fault for each time that it is asked, until they are used up."""

    @property
    def message(self) -> str:
        """The text that the user sends."""
        return f"{_MARK}{json.dumps(dataclasses.asdict(self), separators=(',', ':'))}"

    @property
    def titles(self) -> list[str]:
        """Titles of the tasks that it makes; the model puts a number after each."""
        return [step.title for planned in self.rounds for step in planned.steps if step.kind == "add"]


def owner_mark(user_id: str) -> str:
    """Return the text that stands in everything that a user says."""
    return f"owner-{user_id}-end"


def read_plan(message: str) -> Plan | None:
    """Return the plan that a message holds."""
    if not message.startswith(_MARK):
        return None
    body = json.loads(message.removeprefix(_MARK))
    rounds = tuple(
        Round(tuple(Step(**step) for step in planned["steps"]), planned["say"], planned["ids"])
        for planned in body["rounds"]
    )
    faults = tuple((place, kind) for place, kind in body["faults"])
    return Plan(body["name"], rounds, body["answer"], body["pause_seconds"], faults)


class PlannedModel:
    """Answers as the plan in the request's last message says, and looks at what it is sent."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        """Faults that it has committed, by kind."""
        self.violations: list[str] = []
        """What a request should never hold."""
        self.furthest: dict[str, int] = {}
        """By plan, the furthest round that it was asked for."""
        self._asked: Counter[tuple[str, int]] = Counter()

    def answer(self, body: dict[str, Any]) -> Reply:
        """Answer one request."""
        items: list[dict[str, Any]] = body["input"]
        self._inspect(items)
        place = max(i for i, item in enumerate(items) if item.get("role") == "user" and read_plan(_text(item)))
        plan = read_plan(_text(items[place]))
        if plan is None:
            raise AssertionError("a message without a plan reached the model")
        made = items[place + 1 :]
        number = _rounds_done(plan, made)
        if number < self.furthest.get(plan.name, 0):
            self.violations.append(f"{plan.name}: round {number} was asked for again although a later one was reached")
        self.furthest[plan.name] = max(number, self.furthest.get(plan.name, 0))
        self._asked[plan.name, number] += 1
        asked = self._asked[plan.name, number]
        faults = [kind for where, kind in plan.faults if where == number]
        reply = _planned(plan, number, asked, made)
        if number < len(plan.rounds):
            self.faults.update(_oddities(plan.rounds[number]))
        if asked > len(faults):
            return reply
        self.faults[f"model: {faults[asked - 1]}"] += 1
        return _faulty(faults[asked - 1], reply, plan)

    def forget(self) -> None:
        """Drop what was kept of plans that are over."""
        self.furthest.clear()
        self._asked.clear()
        self.violations.clear()

    def _inspect(self, items: list[dict[str, Any]]) -> None:
        calls = Counter(item["call_id"] for item in items if item.get("type") == "function_call")
        outputs = Counter(item["call_id"] for item in items if item.get("type") == "function_call_output")
        owners = set(_OWNER.findall(json.dumps(items)))
        if calls != outputs:
            self.violations.append(f"the model was sent calls {dict(calls)} with outputs {dict(outputs)}")
        if any(count > 1 for count in calls.values()):
            self.violations.append(f"the model was sent a call id twice: {dict(calls)}")
        if len(owners) != 1:
            self.violations.append(f"the model was sent texts of {sorted(owners)} in one request")


def _oddities(planned: Round) -> list[str]:
    """Return what is wrong with a response that is otherwise in order."""
    odd = [f"model: {step.kind} call" for step in planned.steps if step.kind in {"unknown", "nonsense"}]
    return odd if planned.ids == "own" else [*odd, f"model: {planned.ids} call ids"]


def _text(item: dict[str, Any]) -> str:
    content = item["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _rounds_done(plan: Plan, made: list[dict[str, Any]]) -> int:
    calls = sum(item.get("type") == "function_call" for item in made)
    for number, planned in enumerate(plan.rounds):
        if calls == 0:
            return number
        calls -= len(planned.steps)
    return len(plan.rounds)


def _planned(plan: Plan, number: int, asked: int, made: list[dict[str, Any]]) -> Say | Calls:
    if number == len(plan.rounds):
        return Say(f"{plan.answer} #{asked}", pause_seconds=plan.pause_seconds)
    planned = plan.rounds[number]
    ids = {"own": None, "repeated": "call_1", "empty": ""}[planned.ids]
    calls = [dataclasses.replace(_call(step, asked, _tasks(made)), call_id=ids) for step in planned.steps]
    return Calls(tuple(calls), planned.say, pause_seconds=plan.pause_seconds)


def _call(step: Step, asked: int, tasks: dict[str, int]) -> Call:
    match step.kind:
        case "add":
            return Call("add_task", {"title": f"{step.title}#{asked}"})
        case "unknown":
            return Call("explode_tasks", {"title": step.title})
        case "nonsense":
            return Call("add_task", '{"title": ')
    # Where the task was not made (its call was void, or denied), a number that no task has.
    task_id = tasks.get(step.title, 10**9)
    if step.kind == "update":
        return Call("update_task", {"task_id": task_id, "description": f"changed by answer {asked}"})
    return Call("delete_task", {"task_id": task_id})


def _tasks(made: list[dict[str, Any]]) -> dict[str, int]:
    """Return the numbers of the tasks that the run has made, by planned title."""
    tasks: dict[str, int] = {}
    for item in made:
        if item.get("type") != "function_call_output":
            continue
        try:
            result = json.loads(item["output"])
        except ValueError:
            continue
        if isinstance(result, dict) and "task_id" in result:
            tasks[result["title"].rpartition("#")[0]] = result["task_id"]
    return tasks


def _faulty(kind: ModelFault, reply: Say | Calls, plan: Plan) -> Reply:
    match kind:
        case "429" | "500":
            return Fail(int(kind), headers=_AT_ONCE)
        case "timeout":
            # Nobody ever sets it.
            return dataclasses.replace(reply, hold=asyncio.Event())
        case "cut":
            return Cut(reply, after_chunks=len(plan.name) % 3)
        case "malformed":
            return Raw('data: {"type": "response.created"\n\n', "text/event-stream")
