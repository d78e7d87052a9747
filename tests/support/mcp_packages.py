"""The npm programs and libraries that mcp-todo-server is tested with, as processes on a Node.js that is new enough."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.node import modern_node, npm_packages
from tests.support.services import clean_environment

MANIFESTS: Final = Path(__file__).parents[1] / "integration" / "mcp_todo_server" / "npm"
RUN_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class McpPackages:
    """An installation of the packages that `npm/package.json` names."""

    folder: Path
    path: str
    """PATH, with a Node.js in front that is new enough for all of them."""

    def program(self, name: str) -> str:
        """Return where one of the packages' programs is."""
        return str(self.folder / "node_modules" / ".bin" / name)

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment for one of the programs."""
        return clean_environment(**{"PATH": self.path, **variables})

    async def run(self, name: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Run a program to its end; returns its exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            self.program(name),
            *arguments,
            cwd=self.folder,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=self.environment(**variables),
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), RUN_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            pytest.fail(f"{name} {' '.join(arguments[:3])} has not ended after {RUN_SECONDS} s", pytrace=False)
        return process.returncode or 0, output.decode(), errors.decode()


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> McpPackages:
    """The packages, installed once in pytest's own cache."""
    cache = request.config.cache
    assert cache is not None
    return McpPackages(npm_packages(MANIFESTS, cache), modern_node(cache))
