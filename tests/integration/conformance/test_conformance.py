"""MCP's official conformance suite against the real program.

By the requirements of each revision: once with the fixtures that the suite looks for, once with the todo tools alone.
"""

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from tests.integration.conformance.conftest import expected_failures, running_test_build, verdict
from tests.support.databases import sqlite_database
from tests.support.mcp_packages import McpPackages
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

REVISIONS = pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
NEED_NO_FIXTURE: Final = {
    "2025-11-25": {
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
    },
    "2026-07-28": {
        "tools-list",
        "resources-list",
        "prompts-list",
        "sep-2164-resource-not-found",
        "dns-rebinding-protection",
        "caching",
        "http-header-validation",
    },
}
"""Scenarios that ask for nothing but what every server has."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def build(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The program with the suite's fixtures."""
    async with running_test_build(sqlite_database(tmp_path_factory.mktemp("build")), fixtures=True) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def todo_tools(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The program as it is."""
    async with running_test_build(sqlite_database(tmp_path_factory.mktemp("todo")), fixtures=False) as service:
        yield service


@REVISIONS
async def test_every_scenario_that_applies_passes(
    build: Service, packages: McpPackages, subtests: pytest.Subtests, revision: str
) -> None:
    expected = expected_failures() if revision == "2025-11-25" else {}
    found = await verdict(packages, build.mcp_url, revision)
    for scenario in found.checks:
        with subtests.test(scenario):
            faults = found.faults(scenario)
            assert set(faults) == expected.get(scenario, set()), faults
    assert expected.keys() <= found.checks.keys()


@REVISIONS
async def test_the_todo_tools_alone_pass_what_needs_no_fixture(
    todo_tools: Service, packages: McpPackages, subtests: pytest.Subtests, revision: str
) -> None:
    found = await verdict(packages, todo_tools.mcp_url, revision)
    for scenario in NEED_NO_FIXTURE[revision]:
        with subtests.test(scenario):
            assert found.faults(scenario) == {}
            assert any(check["status"] == "SUCCESS" for check in found.checks[scenario])
