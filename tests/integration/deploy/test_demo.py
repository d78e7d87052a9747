"""The demo's launcher as `make demo` runs it, on free ports and in a data folder of its own."""

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from todo_chat_shared.tokens import TokenVerifier

from tests.support.services import clean_environment, free_port

LAUNCHER = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "demo.py"
READY_SECONDS = 60
END_SECONDS = 20


class Demo:
    """A started launcher: the leader of a process group, as make is in a terminal."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}/"
        self.printed = ""

    async def ready(self) -> None:
        """Read the first thing that it prints, which must be all of it."""
        assert self.process.stdout is not None
        chunk = await asyncio.wait_for(self.process.stdout.read(1 << 16), READY_SECONDS)
        self.printed = chunk.decode()

    def line(self, beginning: str) -> str:
        """Return the one printed line that begins so."""
        (found,) = [line for line in self.printed.splitlines() if line.startswith(beginning)]
        return found

    @property
    def token(self) -> str:
        return self.line("token: ").removeprefix("token: ")

    async def service_pids(self) -> list[int]:
        pgrep = await asyncio.create_subprocess_exec("pgrep", "-P", str(self.process.pid), stdout=PIPE)
        output, _ = await pgrep.communicate()
        return [int(pid) for pid in output.split()]

    async def both_started(self) -> None:
        """Return once both services are processes, which is well before they are ready."""
        while True:
            if len(await self.service_pids()) == 2:
                return
            await asyncio.sleep(0.02)

    async def end(self) -> tuple[int, str, str]:
        """Wait for its end; returns exit code, the rest of its output, and its errors."""
        output, errors = await asyncio.wait_for(self.process.communicate(), END_SECONDS)
        return self.process.returncode or 0, output.decode(), errors.decode()

    def nothing_is_left(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False


@asynccontextmanager
async def demo(folder: Path, **variables: str) -> AsyncIterator[Demo]:
    port, mcp_port = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, LAUNCHER, "--data", folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
        env=clean_environment(**{"PORT": str(port), "MCP_PORT": str(mcp_port), **variables}),
    )
    try:
        yield Demo(process, port)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        else:
            await process.wait()


async def run_line(line: str) -> dict[str, Any]:
    """Run a printed command as a shell that it is pasted into would."""
    process = await asyncio.create_subprocess_exec(*shlex.split(line), stdout=PIPE, stderr=PIPE)
    output, errors = await asyncio.wait_for(process.communicate(), END_SECONDS)
    assert process.returncode == 0, errors
    answer: dict[str, Any] = json.loads(output)
    return answer


async def test_the_ready_lines_come_in_one_write_and_the_printed_curl_adds_a_task(tmp_path: Path) -> None:
    async with demo(tmp_path / "demo") as running:
        await running.ready()

        assert running.printed.splitlines()[0] == f"Todo Chat is ready: {running.url}"
        assert running.line("user: ") == "user: demo"
        answer = await run_line(running.line("curl "))
        assert [call["tool_name"] for call in answer["tool_calls"]] == ["add_task"]
        assert "milk" in answer["tool_calls"][0]["result"]["title"]


async def test_ctrl_c_ends_everything_quietly_and_a_second_start_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    async with demo(folder) as first:
        await first.ready()
        said = await run_line(first.line("curl "))
        os.killpg(first.process.pid, signal.SIGINT)
        assert await first.end() == (0, "Todo Chat has stopped.\n", "")
        assert first.nothing_is_left()

    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    async with demo(folder) as second:
        await second.ready()
        async with httpx.AsyncClient(trust_env=False) as client:
            conversation = await client.get(
                f"{second.url}api/demo/conversations/{said['conversation_id']}",
                # The first start's token: the secret is kept.
                headers={"Authorization": f"Bearer {first.token}"},
            )
        assert conversation.status_code == httpx.codes.OK


async def test_sigterm_to_the_launcher_alone_ends_both_services(tmp_path: Path) -> None:
    async with demo(tmp_path / "demo") as running:
        await running.ready()
        assert len(await running.service_pids()) == 2

        running.process.terminate()

        assert (await running.end())[0] == 0
        assert running.nothing_is_left()


async def test_ctrl_c_while_starting_ends_it_quietly(tmp_path: Path) -> None:
    async with demo(tmp_path / "demo") as running:
        await asyncio.wait_for(running.both_started(), READY_SECONDS)
        os.killpg(running.process.pid, signal.SIGINT)

        code, _, errors = await running.end()

        assert (code, errors) == (0, "")
        assert running.nothing_is_left()


async def test_where_a_service_dies_the_demo_ends_and_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async with demo(tmp_path / "demo") as running:
        await running.ready()
        os.kill((await running.service_pids())[0], signal.SIGKILL)

        code, _, errors = await running.end()

        assert code == 1
        assert re.match(r"error: (chat-api|mcp-todo-server) ended with exit code -9; the end of ", errors)
        assert "Uvicorn running" in errors
        assert running.nothing_is_left()


async def test_the_page_gets_its_token_from_the_demo_and_only_at_a_loopback_address(tmp_path: Path) -> None:
    async with demo(tmp_path / "demo") as running, httpx.AsyncClient(trust_env=False) as client:
        await running.ready()

        page = await client.get(running.url)
        given = await client.get(f"{running.url}demo/token")
        refused = await client.get(f"{running.url}demo/token", headers={"Host": "rebound.example.org"})

        assert 'data-demo="yes"' in page.text
        assert "offline assistant" in page.text
        assert given.json()["user_id"] == "demo"
        conversations = await client.get(
            f"{running.url}api/demo/conversations",
            headers={"Authorization": f"Bearer {given.json()['token']}"},
        )
        assert conversations.status_code == httpx.codes.OK
        assert refused.status_code == httpx.codes.MISDIRECTED_REQUEST


async def test_a_given_secret_signs_and_a_deployments_settings_in_the_shell_are_left_aside(
    tmp_path: Path,
) -> None:
    secret = "given-by-the-environment-0123456789"
    async with demo(
        tmp_path / "demo",
        BETTER_AUTH_SECRET=secret,
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/production",
        HOST="192.0.2.1",
        ALLOWED_HOSTS="chat.example.org",
        AUTH_AUDIENCE="elsewhere",
    ) as running:
        await running.ready()

        identity = await TokenVerifier(secrets=[secret]).verify(running.token)

        assert identity.user_id == "demo"
        assert {file.name for file in (tmp_path / "demo").glob("*.db")} == {"chat.db", "todo.db"}
        assert not (tmp_path / "demo" / "secret").exists()


@pytest.mark.parametrize("names", [["PORT"], ["MCP_PORT"], ["PORT", "MCP_PORT"]])
async def test_each_busy_port_is_one_line_that_names_its_variable(tmp_path: Path, names: list[str]) -> None:
    with socket.socket() as one, socket.socket() as two:
        taken = {}
        for name, listener in zip(names, (one, two), strict=False):
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            taken[name] = str(listener.getsockname()[1])
        async with demo(tmp_path / "demo", **taken) as running:
            code, output, errors = await running.end()

    assert (code, output) == (1, "")
    lines = errors.splitlines()
    assert len(lines) == len(names)
    for name, line in zip(names, lines, strict=True):
        assert line.startswith(f"error: port {taken[name]} is in use; ")
        assert f"make demo {name}=" in line


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PORT": "http"}, "error: PORT must be a port from 1 to 65535, not 'http'"),
        ({"MCP_PORT": "65536"}, "error: MCP_PORT must be a port from 1 to 65535, not '65536'"),
        ({"PORT": "8123", "MCP_PORT": "8123"}, "error: PORT and MCP_PORT must differ; both are 8123"),
        ({"BETTER_AUTH_SECRET": "short"}, "error: BETTER_AUTH_SECRET must have at least 32 bytes; "),
    ],
)
async def test_a_wrong_value_is_one_line_that_names_the_variable(
    tmp_path: Path, variables: dict[str, str], expected: str
) -> None:
    async with demo(tmp_path / "demo", **variables) as running:
        code, output, errors = await running.end()

    assert (code, output) == (1, "")
    assert errors.startswith(expected)
    assert errors.count("\n") == 1
