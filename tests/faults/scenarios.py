"""Schedules with one exact moment each: every one needs a mechanism that a mutation takes away."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from tests.faults.clients import Client
from tests.faults.deliveries import Delivery
from tests.faults.engine import examine
from tests.faults.plans import Plan, Round, Step, owner_mark
from tests.faults.proxies import TOOL_CALL, Catch
from tests.faults.records import torn_runs
from tests.faults.world import LEASE_SECONDS, World

Scenario = Callable[[World, Client], Awaitable[list[str]]]
_MOMENT_SECONDS: Final = 15
"""Longest wait for the moment that a scenario is about."""
_SWEEP_SECONDS: Final = 5
"""In which a run whose lease has passed is found, on a machine that is busy with other lanes; with the lease less than
chat-api waits for a statement."""
_numbers: Final = itertools.count()


async def play(world: World, scenario: Scenario) -> list[str]:
    """Let a scenario happen to a user of its own and return what it has broken."""
    user_id = f"scenario{next(_numbers)}"
    client = Client(user_id, world.replicas, Counter())
    try:
        found = await scenario(world, client)
    except TimeoutError:
        found = [f"the moment that it is about did not come within {_MOMENT_SECONDS} s"]
    for replica in world.replicas:
        replica.wake()
    return found + await examine(world, [client])


async def lost_answer(world: World, client: Client) -> list[str]:
    """The todo server has made a task, and its answer gets lost."""
    catch = world.replicas[0].todo.catch(TOOL_CALL, "answer")
    async with _adding(client):
        await _reached(catch)
        catch.drop()
    return []


async def late_call(world: World, client: Client) -> list[str]:
    """The owner is stopped between journal and call; the call arrives after another replica has made it."""
    owner = world.replicas[0]
    catch = owner.todo.catch(TOOL_CALL, "request")
    async with _adding(client):
        await _reached(catch)
        owner.stop()
        await _ended(client)
        catch.pass_on()
        await _answered(catch)
        owner.wake()
    return []


async def late_call_of_a_cancelled_run(world: World, client: Client) -> list[str]:
    """A run is cancelled while a call is on its way; the call arrives when the run has long ended."""
    catch = world.replicas[0].todo.catch(TOOL_CALL, "request")
    async with _adding(client):
        await _reached(catch)
        run_id = (await client.items("conversations"))[0]["active_run_id"]
        await client.post(f"runs/{run_id}/cancel", {}, {200, 202})
        await _ended(client)
        catch.pass_on()
        await _answered(catch)
    run = await client.get(f"runs/{run_id}")
    return [] if run["status"] == "cancelled" else [f"run {run_id} was cancelled, and is {run['status']}"]


async def append_under_way(world: World, client: Client) -> list[str]:
    """The owner is stopped while its journal entry waits in the database, which writes it long after."""
    owner = world.replicas[0]
    async with _adding(client, pause_seconds=0.1):
        run_id = await _run_id(client)
        async with world.row_taken(client.user_id, run_id):
            await world.append_waits()
            owner.stop()
            # The lock that the entry holds keeps others from taking the run over; without it, the entry comes too late.
            await _taken_over(world, run_id)
        await _ended(client)
        owner.wake()
    return []


async def every_commit(world: World, client: Client) -> list[str]:
    """At each commit of a run, somebody else looks at the database before the run goes on."""
    database = world.replicas[0].database
    found: list[str] = []

    async def look() -> None:
        catch = database.catch(b"COMMIT", "answer")
        try:
            while True:
                await catch.caught.wait()
                torn = await torn_runs(world, [client.user_id])
                found.extend(f"{run}: status and messages do not agree" for run in torn)
                caught, catch = catch, database.catch(b"COMMIT", "answer")
                caught.pass_on()
        finally:
            database.forget(catch)
            catch.pass_on()

    looking = asyncio.create_task(look())
    try:
        async with _adding(client):
            await _ended(client)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    return found


SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.__name__.replace("_", " "): scenario
    for scenario in (lost_answer, late_call, late_call_of_a_cancelled_run, append_under_way, every_commit)
}


@asynccontextmanager
async def _adding(client: Client, pause_seconds: float = 0.0) -> AsyncIterator[None]:
    """Have a task made, while the context lasts, by a message to replica a."""
    name = f"{owner_mark(client.user_id)}/adds"
    added = Round((Step("add", f"{name}/task"),), "I will add it for you" if pause_seconds else "")
    plan = Plan(name, (added,), "done", pause_seconds)
    talk = asyncio.create_task(client.talk([Delivery(plan, 0, f"{name}/key")]))
    try:
        yield
        await talk
    finally:
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)


async def _reached(catch: Catch) -> None:
    async with asyncio.timeout(_MOMENT_SECONDS):
        await catch.caught.wait()


async def _answered(catch: Catch) -> None:
    async with asyncio.timeout(_MOMENT_SECONDS):
        await catch.answered.wait()


async def _run_id(client: Client) -> str:
    """Wait for the client's run to begin, and return its id."""
    async with asyncio.timeout(_MOMENT_SECONDS):
        while True:
            for conversation in await client.items("conversations"):
                if conversation["active_run_id"] is not None:
                    return str(conversation["active_run_id"])
            await asyncio.sleep(0.02)


async def _taken_over(world: World, run_id: str) -> None:
    """Wait until the run has another owner, no longer than that should take."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEASE_SECONDS + _SWEEP_SECONDS):
            while not await world.chat_rows("SELECT 1 FROM runs WHERE run_id = %s AND attempt > 1", run_id):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def _ended(client: Client) -> None:
    """Wait for the client's run to end."""
    async with asyncio.timeout(_MOMENT_SECONDS + LEASE_SECONDS):
        while True:
            last = [conversation["last_run"] for conversation in await client.items("conversations")]
            if last and last[0]["status"] in {"completed", "failed", "cancelled"}:
                return
            await asyncio.sleep(0.05)
