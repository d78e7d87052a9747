"""`make faults`: schedules of faults against real processes, and the mutations that must not go unseen.

`FAULTS_SCHEDULES` says how many schedules, `FAULTS_SEED` with which seed to begin: each next schedule has the next
one, so that `FAULTS_SCHEDULES=1` with its own seed repeats a single one. They run side by side in `FAULTS_LANES`
worlds, because a schedule mostly waits; `FAULTS_VERBOSE=1` prints a line for each of them.
"""

import asyncio
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.faults.engine import run_schedule
from tests.faults.mutants import unseen
from tests.faults.postgres import NoEngineError, running_postgres
from tests.faults.scenarios import SCENARIOS, play
from tests.faults.schedule import Schedule, draw
from tests.faults.world import World, running_world
from tests.support.services import ServiceError

DEFAULT_SCHEDULES: Final = 40
DEFAULT_LANES: Final = 2
_PROGRESS: Final = 20
"""Schedules after which a line says how it goes."""


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


@dataclass
class Tally:
    """What has happened so far, in all lanes."""

    seeds: Iterator[int]
    faults: Counter[str] = field(default_factory=Counter)
    schedules: int = 0
    violations: int = 0
    missed: int = 0
    """Mutations that went unseen."""
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return time.monotonic() - self.began


async def lane(tally: Tally, *, leads: bool) -> None:
    """Take schedules until none is left, in a world of this lane's own; the leading one runs everything else too."""
    async with running_postgres() as postgres, running_world(postgres) as world:
        if leads:
            await run_scenarios(world, tally)
            for text in await unseen(world):
                tally.missed += 1
                say(text)
        for seed in tally.seeds:
            await run_one(world, draw(seed), tally)


async def run_scenarios(world: World, tally: Tally) -> None:
    """Run the scenarios on services that are whole."""
    for name, scenario in SCENARIOS.items():
        found = await play(world, scenario)
        tally.violations += len(found)
        say(f"scenario {name}: {len(found)} violations")
        for text in found:
            say(f"  - {text}")


async def run_one(world: World, schedule: Schedule, tally: Tally) -> None:
    """Run a schedule and print what it has broken, with the line that runs it again."""
    began, since = time.monotonic(), time.time()
    try:
        found = await run_schedule(world, schedule, tally.faults)
    except Exception:
        found = [f"the suite could not go on:\n{traceback.format_exc()}"]
        await world.heal()
    tally.schedules += 1
    tally.violations += len(found)
    if found:
        say(f"VIOLATIONS in the schedule with seed {schedule.seed}:")
        for what in (*schedule.faults, *found):
            say(f"  - {what}")
        for line in world.complaints(since):
            say(f"      {line}")
        say(f"  repeat it with: FAULTS_SEED={schedule.seed} FAULTS_SCHEDULES=1 make faults")
    if os.environ.get("FAULTS_VERBOSE"):
        say(f"seed {schedule.seed}: {time.monotonic() - began:.1f} s")
    elif tally.schedules % _PROGRESS == 0:
        say(f"{tally.schedules} schedules, {tally.violations} violations, {tally.seconds:.0f} s")


async def run_suite(seed: int, schedules: int, lanes: int) -> bool:
    """Run everything; tells whether all is well."""
    tally = Tally(iter(range(seed, seed + schedules)))
    await asyncio.gather(*(lane(tally, leads=number == 0) for number in range(lanes)))
    for kind in sorted(tally.faults):
        say(f"  {tally.faults[kind]:6} × {kind}")
    say(
        f"schedules {tally.schedules}, faults {tally.faults.total()}, violations {tally.violations}, "
        f"mutations unseen {tally.missed}, seed {seed}, {tally.seconds:.0f} s"
    )
    return tally.violations == 0 and tally.missed == 0


def main() -> None:
    """Run the suite, and end with 1 where something was found."""
    seed = int(os.environ.get("FAULTS_SEED") or random.randrange(1_000_000))  # noqa: S311 - no secret
    schedules = int(os.environ.get("FAULTS_SCHEDULES") or DEFAULT_SCHEDULES)
    lanes = int(os.environ.get("FAULTS_LANES") or DEFAULT_LANES)
    say(f"fault suite: FAULTS_SEED={seed} FAULTS_SCHEDULES={schedules} FAULTS_LANES={lanes}")
    try:
        well = asyncio.run(run_suite(seed, schedules, lanes))
    except NoEngineError as missing:
        sys.exit(f"error: {missing}")
    except ServiceError as broken:
        sys.exit(f"error: {broken}")
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
