"""The test build of mcp-todo-server as a process, and the conformance suite's verdict on it."""

import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.mcp_packages import McpPackages, packages
from tests.support.services import Service, running
from tests.support.tokens import mcp_token

__all__ = ["packages"]

ROOT: Final = Path(__file__).parents[3]
BUILD: Final = (sys.executable, "-m", "tests.integration.conformance.server", "serve")
SUITE_USER: Final = "conformance"
FAULTS: Final = frozenset({"FAILURE", "WARNING"})
"""What a check can come to that is not as it should be; the suite warns where a SHOULD is not kept."""
_SUMMARY: Final = re.compile(r"^[✓✗] (\S+): \d+ passed, \d+ failed$", re.MULTILINE)
_EXTENSION: Final = re.compile(r"^  [✓✗] (\S+) \(extension\)$", re.MULTILINE)
_EXPECTED: Final = re.compile(r"^  - ([\w-]+):([\w-]+) # \S.*$")


@asynccontextmanager
async def running_test_build(database_url: str, *, fixtures: bool) -> AsyncIterator[Service]:
    """Run the real program behind a token of its own, with the suite's fixtures or with nothing but the todo tools."""
    variables = {
        "PYTHONPATH": str(ROOT),
        "CONFORMANCE_TOKEN": mcp_token(SUITE_USER),
        "CONFORMANCE_FIXTURES": "yes" if fixtures else "",
    }
    async with running("mcp-todo-server", database_url, variables, command=BUILD) as service:
        yield service


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the suite makes of one server by the requirements of one revision."""

    checks: dict[str, list[dict[str, Any]]]
    """Every check of every scenario that was run, by scenario; extensions of the protocol left out."""

    def faults(self, scenario: str) -> dict[str, str]:
        """Return the checks of a scenario that found something wrong, each with what it says."""
        return {
            check["id"]: str(check.get("errorMessage") or check.get("details"))
            for check in self.checks[scenario]
            if check["status"] in FAULTS
        }


async def verdict(packages: McpPackages, url: str, revision: str) -> Verdict:
    """Let the suite run all that a revision requires of a server, at that revision's wire version."""
    with tempfile.TemporaryDirectory() as folder:
        _, output, errors = await packages.run(
            *("conformance", "server", "--url", url, "--requirements", revision, "--output-dir", folder)
        )
        scenarios = set(_SUMMARY.findall(output)) - set(_EXTENSION.findall(output))
        assert scenarios, f"the suite came to no verdict:\n{output[-2000:]}{errors[-2000:]}"
        return Verdict({scenario: _checks(Path(folder), scenario) for scenario in sorted(scenarios)})


def expected_failures() -> dict[str, set[str]]:
    """Return the checks that are known to find fault with revision 2025-11-25, by scenario; each line says why."""
    lines = (Path(__file__).parent / "expected-failures.yml").read_text().splitlines()
    entries = [line for line in lines if line.lstrip().startswith("-")]
    expected: dict[str, set[str]] = {}
    for line in entries:
        entry = _EXPECTED.match(line)
        assert entry is not None, f"not an entry with a reason: {line}"
        expected.setdefault(entry[1], set()).add(entry[2])
    return expected


def _checks(folder: Path, scenario: str) -> list[dict[str, Any]]:
    [results] = folder.glob(f"server-{scenario}-2[0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T*")
    checks: list[dict[str, Any]] = json.loads((results / "checks.json").read_text())
    return checks
