"""Time to the first words: chat-api's stream against the bare Agents SDK's, in turns, in one run.

What chat-api does before: HTTP, JWT, admission, and the words' commit, since nothing is shown that is not stored.
"""

import json
import statistics
import time
from asyncio.subprocess import Process
from typing import Final

import httpx

from tests.bench.common import UNLIMITED, USER, client_of, percentile, program, run, stub_environment
from tests.support.databases import postgres_database
from tests.support.services import free_port, running_chat_api, running_todo_server
from tests.support.tokens import mcp_token

ROUNDS: Final = 20
TURNS: Final = 10
WARM_UP: Final = 20


async def floor_times(process: Process, turns: int) -> list[float]:
    """Take turns on the bare SDK; returns the milliseconds until each one's first words."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"words {turns}\n".encode())
    times: list[float] = json.loads(await process.stdout.readline())
    return times


async def chat_time(client: httpx.AsyncClient) -> float:
    """Take a turn at chat-api; returns the milliseconds until its first words."""
    began = time.perf_counter()
    first_words = 0.0
    async with client.stream(
        "POST", f"/api/{USER}/chat", json={"message": "say hello"}, headers={"Accept": "text/event-stream"}
    ) as answer:
        async for line in answer.aiter_lines():
            if "TEXT_MESSAGE_CONTENT" in line and not first_words:
                first_words = (time.perf_counter() - began) * 1000
    assert first_words, answer.status_code
    return first_words


async def first_words(server_url: str) -> None:
    """Compare, and print a line."""
    port = free_port()
    model_url = f"http://127.0.0.1:{port}/v1"
    with postgres_database(server_url) as todo_url, postgres_database(server_url) as chat_url:
        async with (
            program("stub.py", str(port)),
            running_todo_server(todo_url, **UNLIMITED) as todo,
            running_chat_api(chat_url, todo.mcp_url, **stub_environment(model_url)) as chat,
            program("floor.py", "responses", model_url, todo.mcp_url, mcp_token("floor"), INSTRUCTIONS="-") as floor,
            client_of(chat) as client,
        ):
            await floor_times(floor, WARM_UP)
            for _ in range(WARM_UP):
                await chat_time(client)
            bare: list[float] = []
            ours: list[float] = []
            for _ in range(ROUNDS):
                bare += await floor_times(floor, TURNS)
                ours += [await chat_time(client) for _ in range(TURNS)]
    print(
        f"first words      floor {statistics.median(bare):.1f} ms (p95 {percentile(bare, 0.95):.1f})   "
        f"chat-api {statistics.median(ours):.1f} ms (p95 {percentile(ours, 0.95):.1f})   "
        f"added: median {statistics.median(ours) - statistics.median(bare):.1f} ms, "
        f"p95 {percentile(ours, 0.95) - percentile(bare, 0.95):.1f} ms",
        flush=True,
    )


if __name__ == "__main__":
    run(first_words)
