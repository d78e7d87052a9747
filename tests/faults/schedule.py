"""Schedules: who says what when, and what breaks meanwhile, drawn from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.faults.deliveries import Delivery
from tests.faults.injections import Fault, Target
from tests.faults.plans import MODEL_FAULTS, CallIds, ModelFault, Plan, Round, Step, owner_mark

_WORDS: Final = ["tea", "milk", "rent", "lamp", "tram", "desk", "snow", "kite", "moss", "fern", "ink", "oak"]
_WEIGHTS: Final = {
    "process killed": 4,
    "process stopped": 4,
    "PostgreSQL restarted": 2,
    "database connections cut": 4,
    "database connections frozen": 1,
    "commit's answer lost": 4,
    "database's answer lost": 4,
    "todo connections cut": 3,
    "call's answer lost": 4,
    "call delayed": 2,
    "client connections cut": 3,
}
_ONLY_REPLICAS: Final = frozenset(
    {"process stopped", "todo connections cut", "call's answer lost", "call delayed", "client connections cut"}
)
_SECONDS: Final = {
    "process killed": (0.0, 1.0),
    "process stopped": (0.2, 3.0),
    "PostgreSQL restarted": (0.0, 0.5),
    "database connections frozen": (0.5, 3.0),
    "call delayed": (0.5, 3.0),
}
_LAST_FAULT_AT: Final = 1.5


@dataclass(frozen=True)
class Talk:
    """One user's messages into one conversation, one after the other."""

    user_id: str
    deliveries: Sequence[Delivery]


@dataclass(frozen=True)
class Schedule:
    """Everything that is decided before it begins."""

    seed: int
    talks: Sequence[Talk]
    faults: Sequence[Fault]

    @property
    def users(self) -> list[str]:
        """Everybody in it."""
        return sorted({talk.user_id for talk in self.talks})


def draw(seed: int) -> Schedule:
    """Draw the schedule of a seed."""
    rng = Random(seed)  # noqa: S311 - no secret
    talks = []
    for user in range(2):
        user_id = f"s{seed}u{user}"
        for conversation in range(rng.choice((1, 1, 2))):
            name = f"{owner_mark(user_id)}/{conversation}"
            deliveries = [_delivery(rng, f"{name}/{number}", number) for number in range(rng.choice((2, 2, 3)))]
            talks.append(Talk(user_id, deliveries))
    faults = sorted((_fault(rng) for _ in range(rng.choice((1, 1, 2, 3)))), key=lambda fault: fault.at)
    return Schedule(seed, talks, faults)


def _fault(rng: Random) -> Fault:
    kind = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    target: Target = rng.choice(("a", "b") if kind in _ONLY_REPLICAS else ("a", "a", "b", "b", "todo"))
    seconds = rng.uniform(*_SECONDS.get(kind, (0, 0)))
    return Fault(kind, target, rng.uniform(0, _LAST_FAULT_AT), seconds, skip=rng.choice((0, 0, 1, 2, 3, 5, 8)))


def _delivery(rng: Random, name: str, number: int) -> Delivery:
    stream = rng.random() < 0.6
    # The first message of a conversation has a key, so that its sender always learns the conversation's number.
    keyed = number == 0 or rng.random() < 0.8
    twice = keyed and rng.random() < 0.25
    rival = _plan(rng, f"{name}-rival") if number > 0 and not twice and rng.random() < 0.3 else None
    return Delivery(
        plan=_plan(rng, name),
        replica=rng.randrange(2),
        key=f"{name}/key" if keyed else None,
        stream=stream,
        twice=twice,
        rival=rival,
        on_busy=rng.choice((None, "reject", "enqueue", "enqueue", "interrupt")) if number else None,
        hang_up_after=rng.uniform(0.02, 0.6) if rng.random() < 0.25 else None,
        cancel_after=rng.uniform(0.0, 0.6) if number and rng.random() < 0.25 else None,
        replaces=number > 0 and rival is None and not twice and rng.random() < 0.15,
        retry=rng.random() < 0.6,
        approve=rng.random() < 0.6,
    )


def _plan(rng: Random, name: str) -> Plan:
    rounds = [_round(rng, f"{name}/{number}") for number in range(rng.choice((0, 1, 1, 2, 2, 3)))]
    if rounds and rng.random() < 0.3:
        changed = rounds[0].steps[0].title
        rounds.append(Round((Step(rng.choice(("update", "delete")), changed),)))
    faults: list[tuple[int, ModelFault]] = []
    if rng.random() < 0.3:
        where, kind = rng.randrange(len(rounds) + 1), rng.choice(MODEL_FAULTS)
        # The client asks again twice by itself where the answer is an error.
        faults = [(where, kind)] * rng.choice((1, 3) if kind in {"429", "500"} else (1,))
    answer = " ".join(rng.choice(_WORDS) for _ in range(rng.randint(1, 8)))
    return Plan(name, tuple(rounds), answer, rng.choice((0.0, 0.0, 0.02, 0.05)), tuple(faults))


def _round(rng: Random, name: str) -> Round:
    steps = [Step("add", f"{name}/{number}") for number in range(rng.choice((1, 1, 2, 3)))]
    if rng.random() < 0.1:
        steps.append(Step(rng.choice(("unknown", "nonsense")), name))
    ids: CallIds = rng.choice(("own", "own", "repeated", "empty"))
    return Round(tuple(steps), " ".join(rng.choice(_WORDS) for _ in range(rng.choice((0, 0, 2, 5)))), ids)
