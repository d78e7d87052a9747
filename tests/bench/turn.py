"""CPU time per turn: chat-api with HTTP, JWT and PostgreSQL against the bare Agents SDK, in one run.

A turn is a message, a model response with one tool call, the call, and a final response. The model is a stub that
answers at once. Both sides take turns in alternating rounds, each turn in a conversation of its own; the figures
are the processes' own CPU time, so that a busy machine changes them little.
"""

import datetime as dt
import statistics
from asyncio.subprocess import Process
from typing import Final

import httpx
from chat_api.agent.instructions import instructions
from chat_api.agent.turn import Turn

from tests.bench.common import UNLIMITED, client_of, cpu_seconds, program, run, stub_environment
from tests.support.databases import postgres_database
from tests.support.services import Service, free_port, running_chat_api, running_todo_server
from tests.support.tokens import mcp_token

ROUNDS: Final = 6
TURNS: Final = 100
WARM_UP: Final = 30


async def floor_round(process: Process, turns: int) -> float:
    """Take turns on the bare SDK; returns CPU milliseconds per turn."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"turns {turns}\n".encode())
    return float(await process.stdout.readline()) / turns * 1000


async def chat_round(service: Service, client: httpx.AsyncClient, turns: int) -> float:
    """Take turns at chat-api; returns CPU milliseconds per turn."""
    before = cpu_seconds(service.pid)
    for _ in range(turns):
        answer = await client.post("/api/bench/chat", json={"message": "add a task to buy milk"})
        assert answer.json().get("response") == "Done.", f"{answer.text}\n{service.log}"
    return (cpu_seconds(service.pid) - before) / turns * 1000


async def compare(wire: str, server_url: str) -> None:
    """Compare both sides on one wire and print a line."""
    port = free_port()
    model_url = f"http://127.0.0.1:{port}/v1"
    rules = instructions(Turn("bench", "run", "", (), dt.datetime.now(dt.UTC)))
    with postgres_database(server_url) as todo_url, postgres_database(server_url) as chat_url:
        async with (
            program("stub.py", str(port)),
            running_todo_server(todo_url, **UNLIMITED) as todo,
            running_chat_api(chat_url, todo.mcp_url, **stub_environment(model_url, wire)) as chat,
            program("floor.py", wire, model_url, todo.mcp_url, mcp_token("floor"), INSTRUCTIONS=rules) as floor,
            client_of(chat) as client,
        ):
            await floor_round(floor, WARM_UP)
            await chat_round(chat, client, WARM_UP)
            floors, chats = [], []
            for _ in range(ROUNDS):
                floors.append(await floor_round(floor, TURNS))
                chats.append(await chat_round(chat, client, TURNS))
    ratios = [mine / bare for mine, bare in zip(chats, floors, strict=True)]
    print(
        f"{wire:17} floor {statistics.median(floors):6.2f} ms   chat-api {statistics.median(chats):6.2f} ms   "
        f"ratio {statistics.median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f})",
        flush=True,
    )


async def both(server_url: str) -> None:
    """Compare on both wires."""
    print(f"CPU time per turn, median of {ROUNDS} rounds of {TURNS} turns:", flush=True)
    for wire in ("chat_completions", "responses"):
        await compare(wire, server_url)


if __name__ == "__main__":
    run(both)
