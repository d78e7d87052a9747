"""CPU time per turn: chat-api with HTTP, JWT and PostgreSQL against the bare Agents SDK, in one run.

A turn is a message, a model response with one tool call, the call, and a final response. The model is a stub that
answers at once. Both sides take turns in alternating rounds, each turn in a conversation of its own; the figures
are the processes' own CPU time, so that a busy machine changes them little.
"""

import asyncio
import datetime as dt
import os
import statistics
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from chat_api.agent.instructions import instructions
from chat_api.agent.turn import Turn

from tests.support.databases import postgres_container, postgres_database
from tests.support.services import Service, clean_environment, free_port, running_chat_api, running_todo_server
from tests.support.tokens import mcp_token, user_token

ROUNDS: Final = 6
TURNS: Final = 100
WARM_UP: Final = 30
_HERE: Final = Path(__file__).parent
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@asynccontextmanager
async def program(script: str, *arguments: str, **environment: str) -> AsyncIterator[Process]:
    """Run a script of this folder for as long as the context lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, _HERE / script, *arguments, stdin=PIPE, stdout=PIPE, env=clean_environment(**environment)
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def floor_round(process: Process, turns: int) -> float:
    """Take turns on the bare SDK; returns CPU milliseconds per turn."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{turns}\n".encode())
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
    variables = {
        "OPENAI_BASE_URL": model_url,
        "OPENAI_API": wire,
        "OPENAI_MODEL": "stub",
        "MODEL_PROVIDER": "openai",
        "OPENAI_API_KEY": "none",
    }
    headers = {"Authorization": f"Bearer {user_token('bench')}"}
    with postgres_database(server_url) as todo_url, postgres_database(server_url) as chat_url:
        async with (
            program("stub.py", str(port)),
            running_todo_server(todo_url) as todo,
            running_chat_api(chat_url, todo.mcp_url, **variables) as chat,
            program("floor.py", wire, model_url, todo.mcp_url, mcp_token("floor"), INSTRUCTIONS=rules) as floor,
            httpx.AsyncClient(base_url=chat.base_url, headers=headers, timeout=60) as client,
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


def main() -> None:
    """Compare on both wires."""
    try:
        with postgres_container() as server_url:
            print(f"CPU time per turn, median of {ROUNDS} rounds of {TURNS} turns:", flush=True)
            for wire in ("chat_completions", "responses"):
                asyncio.run(compare(wire, server_url))
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        sys.exit(f"error: {missing}")


if __name__ == "__main__":
    main()
