"""The mutations: which service each is for, the scenario that needs what it takes away, and what shows its absence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.faults.scenarios import SCENARIOS, play
from tests.faults.world import World
from tests.support.services import Service

_NAME: Final = "FAULTS_MUTATION"
_PATH: Final = "PYTHONPATH"
_FOLDER: Final = Path(__file__).parent / "mutations"


@dataclass(frozen=True)
class Mutation:
    """One mechanism taken away."""

    name: str
    """As `mutations/sitecustomize.py` knows it."""
    of: Literal["chat", "todo"]
    scenario: str
    shows: str
    """Pattern of the violation that it has to cause."""


MUTATIONS: Final = (
    Mutation("no effect key", "chat", "late call", r": 2 tasks"),
    Mutation("no row lock", "chat", "append under way", r": 0 tasks|on no record"),
    Mutation("no journal", "chat", "lost answer", r"on no record"),
    Mutation("two commits", "chat", "every commit", r"do not agree"),
    Mutation("no settling", "chat", "late call of a cancelled run", r"stopped.*: 1 tasks"),
    Mutation("keys purged early", "todo", "late call", r": 2 tasks"),
)


async def unseen(world: World) -> list[str]:
    """Run every mutation in its scenario; returns those whose violation did not come, with what came instead."""
    missed = []
    mutated: list[Service] = []
    for mutation in MUTATIONS:
        _make_whole(mutated)
        before, mutated = mutated, world.services(mutation.of)
        for service in mutated:
            service.environment.update({_NAME: mutation.name, _PATH: str(_FOLDER)})
        await world.restart([*mutated, *(service for service in before if service not in mutated)])
        found = await play(world, SCENARIOS[mutation.scenario])
        seen = next((text for text in found if re.search(mutation.shows, text)), None)
        if seen is None:
            missed.append(f"mutation {mutation.name}: not seen in {mutation.scenario!r}; found {found}")
        else:
            print(f"mutation {mutation.name}: seen by {seen}", flush=True)
    _make_whole(mutated)
    await world.restart(mutated)
    return missed


def _make_whole(services: Sequence[Service]) -> None:
    for service in services:
        del service.environment[_NAME], service.environment[_PATH]
