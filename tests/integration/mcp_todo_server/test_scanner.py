"""Cisco's scanner for MCP servers, cisco-ai-mcp-scanner, reads all that a model is told and looks for attacks.

It brings a hundred packages, so it gets an environment of its own, and only where REQUIRE_SCANNER=1 asks for it.
"""

import asyncio
import os
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Final

import pytest

from tests.support.databases import sqlite_database
from tests.support.installed import installed_once, run_installer
from tests.support.services import clean_environment, running_todo_server
from tests.support.tokens import mcp_token

SECONDS: Final = 180
ROOT: Final = Path(__file__).parents[3]
REQUIREMENTS: Final = Path(__file__).parent / "scanner" / "requirements.lock"
SCANS: Final = (
    ("remote",),
    ("prompts",),
    ("resources", "--mime-types", "text/html,application/json"),
    ("instructions",),
)
"""What there is to scan; `remote` means the tools."""


@pytest.fixture(scope="module")
def scanner(request: pytest.FixtureRequest) -> Path:
    """The scanner's program, installed once in pytest's own cache."""
    if os.environ.get("REQUIRE_SCANNER") != "1":
        pytest.skip("needs REQUIRE_SCANNER=1, which lets it install cisco-ai-mcp-scanner")
    uv = shutil.which("uv", path=f"{os.environ['PATH']}{os.pathsep}{ROOT / '.uv' / 'bin'}")
    assert uv is not None, "there is no uv: make install brings one"
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("mcp-scanner")
    python = folder / "venv" / "bin" / "python"

    def install() -> None:
        run_installer(uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder / "venv", cwd=folder)
        sync = ("pip", "sync", "--quiet", "--require-hashes", "--python", python, REQUIREMENTS)
        run_installer(uv, *sync, cwd=folder)

    installed_once(folder, REQUIREMENTS.read_text(), install)
    return python.with_name("mcp-scanner")


async def scan(scanner: Path, url: str, token: str, *what: str) -> str:
    """Return the scanner's summary."""
    process = await asyncio.create_subprocess_exec(
        *(str(scanner), "--analyzers", "yara", "--format", "summary"),
        *(*what, "--server-url", url, "--bearer-token", token),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        # It would otherwise ask the network for the prices of models.
        env=clean_environment(LITELLM_LOCAL_MODEL_COST_MAP="True"),
    )
    output, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, errors.decode()
    return output.decode()


def count(summary: str, what: str) -> int:
    """Return the number that a summary gives under a heading."""
    found = re.search(rf"^{what}: (\d+)$", summary, re.MULTILINE | re.IGNORECASE)
    assert found is not None, summary
    return int(found[1])


async def test_the_scanner_finds_nothing(scanner: Path, tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with running_todo_server(sqlite_database(tmp_path)) as service:
        token = mcp_token("scanner")
        summaries = await asyncio.gather(*(scan(scanner, service.mcp_url, token, *what) for what in SCANS))
    for what, summary in zip(SCANS, summaries, strict=True):
        with subtests.test(what[0]):
            assert count(summary, "unsafe(?: [a-z]+)?") == 0, summary
            assert count(summary, "safe(?: [a-z]+)?") == count(summary, "(?:[a-z ]+ )?scanned") > 0, summary
