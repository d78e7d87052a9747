"""The services as real processes, started as an operator starts them."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx

from tests.support.tokens import SECRET

READY_SECONDS: Final = 60
"""Longest time a service may take until its /readyz answers 200, on a machine busy with other tests."""
STOP_SECONDS: Final = 40
"""Longest time from SIGTERM to the end; chat-api gives what is under way 25 s."""
_PORT_TRIES: Final = 5
_LOG_TAIL_CHARS: Final = 4000
_BIN: Final = Path(sys.executable).parent


class ServiceError(AssertionError):
    """A service did not do what it was started for; the text ends with the end of its log."""


class Service:
    """One process of a service. It keeps its port over restarts."""

    def __init__(
        self, program: str, environment: Mapping[str, str], log: Path, command: Sequence[str] | None = None
    ) -> None:
        self.program: Final = program
        self.environment: Final = dict(environment)
        self.command: Final = (str(_BIN / program), "serve") if command is None else tuple(command)
        self.port = 0
        self._log: Final = log
        self._process: Process | None = None

    @property
    def base_url(self) -> str:
        """Address without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def mcp_url(self) -> str:
        """Address of the MCP endpoint."""
        return f"{self.base_url}/mcp"

    @property
    def pid(self) -> int:
        """Process id of the present process."""
        return self._running.pid

    @property
    def is_running(self) -> bool:
        """Whether there is a process, be it frozen."""
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> str:
        """All that the service has written so far, over all its restarts."""
        return self._log.read_text(errors="replace")

    async def start(self) -> None:
        """Start on a free port, or on the one it had before, and wait until it is ready."""
        if self.port:
            await self._start()
            return
        # Between finding a free port and listening on it, somebody else may take it: then try another.
        for attempt in range(_PORT_TRIES):
            self.port = free_port()
            try:
                await self._start()
            except ServiceError:
                if attempt + 1 == _PORT_TRIES or "address already in use" not in self.log.lower():
                    raise
            else:
                return

    async def restart(self) -> None:
        """Start again on the same port, after `kill` or `stop`."""
        await self._start()

    async def kill(self) -> None:
        """End the process as a power cut does (SIGKILL)."""
        process = self._running
        process.kill()
        await process.wait()
        self._process = None

    async def stop(self) -> int:
        """Ask the process to end (SIGTERM) and return its exit code."""
        process = self._running
        process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            raise self._error(f"is still running {STOP_SECONDS} s after SIGTERM") from None
        self._process = None
        return code

    async def close(self) -> None:
        """Make sure that no process is left."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._process = None

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise self._error("is not running")
        return self._process

    async def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self.environment, "PORT": str(self.port)},
            )
        try:
            await self._wait_until_ready(self._process)
        except ServiceError:
            await self.close()
            raise

    async def _wait_until_ready(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        last = "no answer yet"
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            while loop.time() < deadline:
                if process.returncode is not None:
                    raise self._error(f"ended with exit code {process.returncode} while starting")
                try:
                    response = await client.get(f"{self.base_url}/readyz")
                except httpx.TransportError as error:
                    last = repr(error)
                else:
                    if response.status_code == httpx.codes.OK:
                        return
                    last = f"{response.status_code} {response.text}"
                await asyncio.sleep(0.05)
        # Where it stands still is in its log then (PYTHONFAULTHANDLER).
        process.send_signal(signal.SIGABRT)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        raise self._error(f"is not ready after {READY_SECONDS} s ({last})")

    def _error(self, what: str) -> ServiceError:
        return ServiceError(f"{self.program} {what}; the end of its log:\n{self.log[-_LOG_TAIL_CHARS:]}")


def free_port() -> int:
    """Return a port on which nothing listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(**variables: str) -> dict[str, str]:
    """Return an environment that holds `variables` and, of this process's own, what any program needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **variables}


async def run_command(program: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run a console script to its end; returns its exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        _BIN / program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(**variables),
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), READY_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ServiceError(f"{program} {' '.join(arguments)} has not ended") from None
    return process.returncode or 0, output.decode(), errors.decode()


async def migrate(program: str, database_url: str) -> None:
    """Bring a database up to date as an operator does."""
    code, output, errors = await run_command(program, "migrate", DATABASE_URL=database_url)
    if code != 0:
        raise ServiceError(f"{program} migrate ended with exit code {code}:\n{output}{errors}")


@asynccontextmanager
async def running_todo_server(database_url: str, **env: str) -> AsyncIterator[Service]:
    """Run mcp-todo-server on the database, which is migrated first where `serve` does not do so by itself."""
    async with running("mcp-todo-server", database_url, env) as service:
        yield service


@asynccontextmanager
async def running_chat_api(database_url: str, mcp_url: str, **env: str) -> AsyncIterator[Service]:
    """Run chat-api on the database, with the offline model unless `env` names another."""
    variables = {"MCP_SERVER_URL": mcp_url, "MODEL_PROVIDER": "offline", **env}
    async with running("chat-api", database_url, variables) as service:
        yield service


@asynccontextmanager
async def running(
    program: str, database_url: str, env: Mapping[str, str], command: Sequence[str] | None = None
) -> AsyncIterator[Service]:
    """Run a service on the database; `command` stands in for its `serve`."""
    if database_url.startswith("postgresql"):
        await migrate(program, database_url)
    variables = {"BETTER_AUTH_SECRET": SECRET, "DATABASE_URL": database_url, "HOST": "127.0.0.1", **env}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / f"{program}.log"
        log.touch()
        service = Service(program, clean_environment(**variables), log, command)
        try:
            await service.start()
            yield service
        finally:
            await service.close()
