"""The npm client of AG-UI, `@ag-ui/client`, as a process that a test tells what to say."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.node import npm_packages
from tests.support.services import Service, clean_environment
from tests.support.tokens import user_token

RUN_SECONDS: Final = 60
_LINE_BYTES: Final = 1 << 24
_FOLDER: Final = Path(__file__).parents[1] / "integration" / "agui"


def installed_client(cache: pytest.Cache) -> Path:
    """Install the client's packages, pinned and hashed, below pytest's cache; returns where."""
    return npm_packages(_FOLDER, cache)


@dataclass(frozen=True)
class ClientRun:
    """What the client made of one run."""

    events: list[dict[str, Any]]
    outcome: str | None
    """`success`, `interrupt` or `cancelled`; None where the run did not come to an end."""
    result: Any
    failure: dict[str, Any] | None
    """What the client threw: status and payload of a refusal, or a breach of the protocol."""
    location: str | None
    """The run, as the answer's Content-Location names it."""
    messages: list[dict[str, Any]]
    """The thread, as the client would show it."""
    interrupts: list[dict[str, Any]]
    warnings: list[str]
    """What the client found wrong with the events, or stripped from them."""

    @property
    def run_id(self) -> str:
        """The service's own id of the run."""
        assert self.location is not None
        return self.location.rpartition("/")[2]


class AgUiClient:
    """One thread of one user."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def run(self, say: str | None = None, **command: Any) -> ClientRun:
        """Carry out one run, as far as it comes; `command` is described in client.mjs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if say is not None:
            command["say"] = say
        self._process.stdin.write(f"{json.dumps(command)}\n".encode())
        line = await asyncio.wait_for(self._process.stdout.readline(), RUN_SECONDS)
        assert line, "the client has ended"
        report = json.loads(line)
        return ClientRun(**{"result": None, **report})

    async def said(self, say: str | None, **command: Any) -> ClientRun:
        """Carry out a run that must come to an end without a word of complaint; None says nothing."""
        run = await self.run(say, **command)
        assert (run.failure, run.warnings) == (None, [])
        return run


@asynccontextmanager
async def agui_client(folder: Path, service: Service, user_id: str, thread_id: str) -> AsyncIterator[AgUiClient]:
    """Start a client in the folder where it is installed."""
    process = await asyncio.create_subprocess_exec(
        *("node", _FOLDER / "client.mjs", f"{service.base_url}/api/{user_id}/agui", user_token(user_id), thread_id),
        cwd=folder,
        stdin=PIPE,
        stdout=PIPE,
        limit=_LINE_BYTES,
        env=clean_environment(),
    )
    try:
        yield AgUiClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
