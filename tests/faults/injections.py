"""Faults of machines and networks: each breaks something of the world, and mends it before it returns."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from tests.faults.proxies import ANYTHING, COMMIT, TOOL_CALL, Proxy
from tests.faults.world import World, start_again

Target = Literal["a", "b", "todo"]
CATCH_SECONDS: Final = 3.0
"""How long a trap waits for something to pass."""


@dataclass(frozen=True)
class Fault:
    """One fault of a schedule."""

    kind: str
    """One of `FAULTS`."""
    target: Target
    at: float
    """Seconds after the schedule's beginning."""
    seconds: float
    """How long it lasts, where it is not over at once."""
    skip: int = 0
    """How many occasions pass first, where it waits for one."""

    async def inject(self, world: World, counts: Counter[str]) -> None:
        """Wait for its time, let it happen, and count it where it did."""
        await asyncio.sleep(self.at)
        if await FAULTS[self.kind](world, self):
            counts[f"machine: {self.kind}"] += 1


async def _kill(world: World, fault: Fault) -> bool:
    if fault.target == "todo":
        async with world.todo_disturbed:
            await world.todo.kill()
            await asyncio.sleep(fault.seconds)
            await start_again(world.todo)
        return True
    replica = world.replica(fault.target)
    async with replica.disturbed:
        await replica.kill()
        await asyncio.sleep(fault.seconds)
        await start_again(replica.service)
    return True


async def _stop(world: World, fault: Fault) -> bool:
    replica = world.replica(fault.target)
    async with replica.disturbed:
        replica.stop()
        await asyncio.sleep(fault.seconds)
        replica.wake()
    return True


async def _restart_postgres(world: World, fault: Fault) -> bool:
    async with world.postgres_disturbed:
        await world.postgres.restart(fault.seconds)
    return True


async def _cut(proxy: Proxy) -> bool:
    return await proxy.cut() > 0


async def _freeze_database(world: World, fault: Fault) -> bool:
    proxy = _database(world, fault)
    proxy.freeze()
    await asyncio.sleep(fault.seconds)
    proxy.thaw()
    return True


async def _lose_commit(world: World, fault: Fault) -> bool:
    return await _lose(_database(world, fault), COMMIT, fault.skip)


async def _lose_database_answer(world: World, fault: Fault) -> bool:
    return await _lose(_database(world, fault), ANYTHING, fault.skip)


async def _lose_outcome(world: World, fault: Fault) -> bool:
    return await _lose(world.replica(fault.target).todo, TOOL_CALL, fault.skip)


async def _delay_call(world: World, fault: Fault) -> bool:
    """Hold a call on its way to the todo server longer than anybody waits for it."""
    catch = world.replica(fault.target).todo.catch(TOOL_CALL, "request", skip=fault.skip)
    try:
        await asyncio.wait_for(catch.caught.wait(), CATCH_SECONDS)
    except TimeoutError:
        return False
    finally:
        world.replica(fault.target).todo.forget(catch)
    await asyncio.sleep(fault.seconds)
    catch.pass_on()
    return True


async def _lose(proxy: Proxy, match: bytes, skip: int) -> bool:
    catch = proxy.catch(match, "answer", skip=skip)
    try:
        await asyncio.wait_for(catch.caught.wait(), CATCH_SECONDS)
    except TimeoutError:
        return False
    finally:
        proxy.forget(catch)
    catch.drop()
    return True


def _database(world: World, fault: Fault) -> Proxy:
    return world.todo_database if fault.target == "todo" else world.replica(fault.target).database


FAULTS: Final[dict[str, Callable[[World, Fault], Awaitable[bool]]]] = {
    "process killed": _kill,
    "process stopped": _stop,
    "PostgreSQL restarted": _restart_postgres,
    "database connections cut": lambda world, fault: _cut(_database(world, fault)),
    "database connections frozen": _freeze_database,
    "commit's answer lost": _lose_commit,
    "database's answer lost": _lose_database_answer,
    "todo connections cut": lambda world, fault: _cut(world.replica(fault.target).todo),
    "call's answer lost": _lose_outcome,
    "call delayed": _delay_call,
    "client connections cut": lambda world, fault: _cut(world.replica(fault.target).front),
}
"""What can happen, by name."""
