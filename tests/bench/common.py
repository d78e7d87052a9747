"""What the benchmarks share: their processes, and how they are measured."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support.databases import postgres_container
from tests.support.services import Service, clean_environment
from tests.support.tokens import user_token

UNLIMITED: Final = {"RUNS_PER_MINUTE": "1000000", "CALLS_PER_MINUTE": "1000000"}
"""For both services: a benchmark's one user is as busy as many."""
USER: Final = "bench"
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


def stub_environment(model_url: str, wire: str = "responses") -> dict[str, str]:
    """Return the variables that point chat-api to a stub."""
    return {
        "OPENAI_BASE_URL": model_url,
        "OPENAI_API": wire,
        "OPENAI_MODEL": "stub",
        "MODEL_PROVIDER": "openai",
        "OPENAI_API_KEY": "none",
        **UNLIMITED,
    }


def client_of(service: Service) -> httpx.AsyncClient:
    """Open a client that speaks as the benchmarks' user, over as many connections as it needs."""
    return httpx.AsyncClient(
        base_url=service.base_url,
        headers={"Authorization": f"Bearer {user_token(USER)}"},
        timeout=120,
        limits=httpx.Limits(max_connections=None),
        trust_env=False,
    )


def percentile(values: list[float], part: float) -> float:
    """Return the value below which this part of the values lie."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def run(*benchmarks: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Run benchmarks on a PostgreSQL of their own; ends with one line where no engine answers."""
    try:
        with postgres_container() as server_url:
            for benchmark in benchmarks:
                asyncio.run(benchmark(server_url))
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        sys.exit(f"error: {missing}")
