"""The real page in a real browser, on both services as processes.

The fixtures live as long as a test file, so its tests run in the module's event loop
(`pytestmark = pytest.mark.asyncio(loop_scope="module")`). They keep apart by their users.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.page.stage import Stage, running_stage
from tests.support.browser import running_browser
from tests.support.openai_stub import OpenAIStub, running_openai_stub

LONGEST_TEST: Final = dt.timedelta(minutes=2)
"""Longest time that a test takes, on a machine busy with other tests."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests of a file; each visit has a context of its own."""
    async with running_browser() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_stub() -> AsyncIterator[OpenAIStub]:
    """The stub behind `stub`."""
    async with running_openai_stub() as running:
        yield running


@pytest.fixture
def stub(module_stub: OpenAIStub) -> OpenAIStub:
    """The paid model's stand-in, with an empty script."""
    module_stub.script.clear()
    module_stub.requests.clear()
    module_stub.closed_early.clear()
    module_stub.answer = None
    return module_stub


@pytest_asyncio.fixture(loop_scope="module")
async def today() -> dt.date:
    """The day in UTC, the zone of users who named none. It is over after the test, not while that is under way."""
    now = dt.datetime.now(dt.UTC)
    midnight = dt.datetime.combine(now.date() + dt.timedelta(days=1), dt.time(), dt.UTC)
    if (left := midnight - now) <= LONGEST_TEST:
        await asyncio.sleep(left.total_seconds())
    return dt.datetime.now(dt.UTC).date()


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """What a file's chat-api is started with beside the usual settings; a fixture of the file's own replaces it."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    browser: Browser,
    module_stub: OpenAIStub,
    variables: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Stage]:
    """Both services and the browser for all tests of a file. Do not kill them: run your own with `running_stage`."""
    async with running_stage(browser, module_stub, tmp_path_factory.mktemp("page"), **variables) as running:
        yield running
