"""The todo server's figures on PostgreSQL, in one run: its tools, a bare Starlette endpoint, and `fastmcp`.

All three answer from the same tables with the same driver, under the same HTTP server and event loop. The todo server
and `fastmcp` speak MCP (2026-07-28, JSON answers) and check an HS256 token, the bare endpoints do neither. They are
measured in alternating rounds; CPU time is the server process's own. Long lists are measured in turns with short ones.

`ROUNDS` and `CALLS` in the environment make a run shorter.
"""

import asyncio
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from mcp_todo_server import schema
from mcp_todo_server.tasks.schemas import TaskSort

from tests.bench.common import cpu_seconds, percentile, run
from tests.bench.todo_load import Connection, Contestant, load, mcp_call, plain_call
from tests.bench.todo_tasks import COMMON, COMMON_TAG, RARE, RARE_TAG, fill
from tests.support.databases import postgres_database
from tests.support.services import clean_environment, free_port, running_todo_server
from tests.support.tokens import SECRET, mcp_token

FASTMCP: Final = "4.1.2"
ROUNDS: Final = int(os.environ.get("ROUNDS", "6"))
CALLS: Final = int(os.environ.get("CALLS", "500"))
"""Calls in a round."""
CLIENTS: Final = (1, 16, 64)
TASKS: Final = 1000
"""Tasks that each contestant's user has at the beginning."""
PAGE: Final = 25
SHORT: Final = 100
LONG: Final = int(os.environ.get("LONG", "100000"))
SORTS: Final[tuple[TaskSort, ...]] = ("created", "newest", "due", "priority", "updated", "manual")
FILTERS: Final[dict[str, dict[str, Any]]] = {
    "": {},
    "every status": {"status": "all"},
    "a word in every second task": {"query": COMMON},
    "a tag of every second task": {"tag": COMMON_TAG},
    "a priority of most tasks": {"priority": "normal"},
    "a word in one of 5,000": {"query": RARE},
    "a tag of one of 5,000": {"tag": RARE_TAG},
}
_ROOT: Final = Path(__file__).parents[2]
_ENVIRONMENT: Final = _ROOT / ".venv" / "bench-fastmcp"


def fastmcp_python() -> Path:
    """Return the interpreter of an environment with `fastmcp`, of which the services need nothing; it is made once."""
    python = _ENVIRONMENT / "bin" / "python"
    packages = [f"fastmcp=={FASTMCP}", "psycopg[binary]"]
    if not (_ENVIRONMENT / FASTMCP).exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", _ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", *packages], check=True)
        (_ENVIRONMENT / FASTMCP).touch()
    return python


@asynccontextmanager
async def process(name: str, call: Any, python: Path, module: str, *arguments: str) -> AsyncIterator[Contestant]:
    """Run a contestant's module of this folder for as long as the context lasts."""
    port = free_port()
    running = await asyncio.create_subprocess_exec(
        python, "-m", f"tests.bench.{module}", str(port), *arguments, cwd=_ROOT, env=clean_environment()
    )
    try:
        yield await Contestant(name, port, running.pid, call).wait()
    finally:
        running.kill()
        await running.wait()


@asynccontextmanager
async def todo_server(url: str, user: str) -> AsyncIterator[Contestant]:
    """Run the todo server on a database."""
    async with running_todo_server(url, CALLS_PER_MINUTE="1000000000") as service:
        yield Contestant("todo server", service.port, service.pid, mcp_call(mcp_token(user)))


async def compare(server_url: str) -> None:
    """Compare CPU time per call, and the time that calls take with many clients."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(postgres_database(server_url))
        await schema.migrate(url)
        for user in ("ours", "bare", "fast"):
            await fill(url, user, TASKS)
        python, token = fastmcp_python(), mcp_token("fast")
        bare = process("bare Starlette", plain_call, Path(sys.executable), "todo_bare", url, "bare")
        fast = process(f"fastmcp {FASTMCP}", mcp_call(token), python, "todo_fastmcp", url, "fast", SECRET)
        contestants = [
            await stack.enter_async_context(todo_server(url, "ours")),
            await stack.enter_async_context(bare),
            await stack.enter_async_context(fast),
        ]
        for tool in ("list_tasks", "add_task"):
            await cpu(tool, contestants)
            for clients in CLIENTS:
                await latency(tool, contestants, clients)


def requests(contestant: Contestant, tool: str, count: int) -> list[bytes]:
    """Return so many calls of a tool."""
    if tool == "list_tasks":
        return [contestant.request(tool, {"limit": PAGE})] * count
    return [contestant.request(tool, {"title": f"Buy oat milk and {number} rolls"}) for number in range(count)]


async def cpu(tool: str, contestants: Sequence[Contestant]) -> None:
    """Print CPU time per call, one client at a time."""
    spent: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for round_number, contestant in itertools.product(range(ROUNDS + 1), contestants):
        calls = requests(contestant, tool, CALLS)
        before = cpu_seconds(contestant.pid)
        await load(contestant, 1, calls)
        if round_number:  # the first warms up
            spent[contestant.name].append((cpu_seconds(contestant.pid) - before) / CALLS * 1000)
    ours, *others = spent.values()
    print(f"\n{tool}: CPU time per call, median of {ROUNDS} rounds of {CALLS} calls", flush=True)
    print(f"  {contestants[0].name:16} {statistics.median(ours):6.2f} ms", flush=True)
    for contestant, other in zip(contestants[1:], others, strict=True):
        ratios = [mine / theirs for mine, theirs in zip(ours, other, strict=True)]
        print(
            f"  {contestant.name:16} {statistics.median(other):6.2f} ms; todo server against it "
            f"{statistics.median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f})",
            flush=True,
        )


async def latency(tool: str, contestants: Sequence[Contestant], clients: int) -> None:
    """Print how long calls take with so many clients at once."""
    took: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for _, contestant in itertools.product(range(ROUNDS), contestants):
        took[contestant.name] += await load(contestant, clients, requests(contestant, tool, CALLS))
    figures = (
        f"{name} p50 {percentile(values, 0.5):.1f} ms, p99 {percentile(values, 0.99):.1f} ms"
        for name, values in took.items()
    )
    print(f"  {clients} clients: {'; '.join(figures)}", flush=True)


async def long_lists(server_url: str) -> None:
    """Compare the first page, and the one after it, of a long list with that of a short one."""
    with postgres_database(server_url) as url:
        await schema.migrate(url)
        for user, count in (("short", SHORT), ("long", LONG)):
            await fill(url, user, count)
        async with todo_server(url, "short") as short, todo_server(url, "long") as long:
            print(f"\nlist_tasks, page of {PAGE}: {LONG:,} tasks against {SHORT}, median time of a call", flush=True)
            for name, arguments in FILTERS.items():
                times = [await page_times((short, long), {**arguments, "sort": sort}) for sort in SORTS]
                ratios = [
                    f"{sort} {statistics.median(many) / statistics.median(few):.2f}"
                    for sort, (few, many) in zip(SORTS, times, strict=True)
                ]
                print(f"  {name or 'open tasks':28} {', '.join(ratios)}", flush=True)
            await long_cpu(short, long)


async def page_times(contestants: Sequence[Contestant], arguments: dict[str, Any]) -> list[list[float]]:
    """Return how long calls of each take, in turns, in milliseconds."""
    connections = [Connection(contestant) for contestant in contestants]
    calls = [contestant.request("list_tasks", {"limit": PAGE, **arguments}) for contestant in contestants]
    times: list[list[float]] = [[] for _ in contestants]
    sides = list(zip(connections, calls, times, strict=True))
    for turn, (connection, call, took) in itertools.product(range(CALLS // 5), sides):
        began = time.perf_counter()
        await connection.call(call)
        if turn > CALLS // 50:  # the first warm up
            took.append((time.perf_counter() - began) * 1000)
    for connection in connections:
        connection.close()
    return times


async def long_cpu(short: Contestant, long: Contestant) -> None:
    """Print how the CPU time of a page compares."""
    spent: list[list[float]] = [[], []]
    for _, (contestant, values) in itertools.product(range(ROUNDS), zip((short, long), spent, strict=True)):
        before = cpu_seconds(contestant.pid)
        await load(contestant, 1, requests(contestant, "list_tasks", CALLS))
        values.append(cpu_seconds(contestant.pid) - before)
    ratio = statistics.median(spent[1]) / statistics.median(spent[0])
    print(f"  {'CPU time, open tasks':28} {ratio:.2f}", flush=True)


if __name__ == "__main__":
    run(compare, long_lists)
