"""Runs a schedule: the talks and the faults at the same time, then everything is mended and looked at."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import psycopg

from tests.faults import checks
from tests.faults.clients import Client, StuckError
from tests.faults.deliveries import Delivery
from tests.faults.plans import Plan, owner_mark
from tests.faults.records import Records, open_runs, read_records, torn_runs, waiting_runs
from tests.faults.schedule import Schedule
from tests.faults.world import World

REST_SECONDS: Final = 25
"""Longest time in which every run has to come to its end once everything is mended."""
_LOOK_SECONDS: Final = 0.15


async def run_schedule(world: World, schedule: Schedule, counts: Counter[str]) -> list[str]:
    """Run a schedule and return what it has broken."""
    clients = {user: Client(user, world.replicas, counts) for user in schedule.users}
    found: list[str] = []
    watch = asyncio.create_task(_watch(world, schedule.users, found))
    faults = [fault.inject(world, counts) for fault in schedule.faults]
    talks = [clients[talk.user_id].talk(talk.deliveries) for talk in schedule.talks]
    results = await asyncio.gather(*faults, *talks, return_exceptions=True)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    if broken := [result for result in results if isinstance(result, Exception)]:
        raise ExceptionGroup("a schedule did not come to its end", broken)
    counts.update(world.model.faults)
    world.model.faults.clear()
    return found + await examine(world, list(clients.values()))


async def examine(world: World, clients: Sequence[Client]) -> list[str]:
    """Wait for everything to come to rest, and check it all."""
    users = [client.user_id for client in clients]
    found = [text for client in clients for text in client.violations]
    found += await _rest(world, clients)
    if found:
        return found
    await _probe(clients, await read_records(world, users), found)
    found += await _rest(world, clients)
    records = await read_records(world, users)
    found += checks.admissions(clients, records)
    found += checks.effects(records)
    found += [f"{run} at rest: status and messages do not agree" for run in await torn_runs(world, users)]
    try:
        for client in clients:
            found += await checks.transcripts(client, records)
            found += await checks.streams(client, records)
        found += await checks.borders(clients, records)
    except StuckError as stuck:
        found.append(str(stuck))
    found += world.model.violations
    world.model.forget()
    world.stub.requests.clear()
    world.stub.headers.clear()
    world.stub.closed_early.clear()
    return found


async def _rest(world: World, clients: Sequence[Client]) -> list[str]:
    users = [client.user_id for client in clients]
    of = {client.user_id: client for client in clients}
    deadline = time.monotonic() + REST_SECONDS
    while True:
        for user_id, run_id in await waiting_runs(world, users):
            await of[user_id].decide(await of[user_id].get(f"runs/{run_id}"), approve=False)
        still_open = await open_runs(world, users)
        if not still_open:
            return []
        if time.monotonic() > deadline:
            return [f"not at rest after {REST_SECONDS} s: {run}" for run in still_open]
        await asyncio.sleep(_LOOK_SECONDS)


async def _probe(clients: Sequence[Client], records: Records, found: list[str]) -> None:
    """See that every conversation takes its next message."""
    for client in clients:
        for conversation in sorted({run.conversation_id for run in records.runs if run.user_id == client.user_id}):
            plan = Plan(f"{owner_mark(client.user_id)}/{conversation}/next", (), "still here")
            answer = await client.probe(Delivery(plan, conversation % 2, f"{plan.name}/key"), conversation)
            if not answer.startswith("still here"):
                found.append(f"conversation {conversation} of {client.user_id} takes no message: {answer}")


async def _watch(world: World, users: Sequence[str], found: list[str]) -> None:
    """Look all the time whether messages and status agree, as any other reader would see them."""
    while True:
        # PostgreSQL itself is among what breaks.
        with suppress(psycopg.OperationalError):
            found += [f"{run}: status and messages do not agree" for run in await torn_runs(world, users)]
        await asyncio.sleep(_LOOK_SECONDS)
