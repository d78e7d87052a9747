"""A real browser, which some tests need."""

import os
import shutil
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, async_playwright

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_START_MS: Final = 120_000
"""Longest time that it may take to start, on a machine busy with other tests."""


def require_browser() -> str:
    """Return the path of the system's Chromium.

    Without one the test is skipped by name, or fails where REQUIRE_BROWSER=1 promises one.
    """
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    message = f"needs a browser: there is no {' and no '.join(_NAMES)}"
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(f"{message} (REQUIRE_BROWSER=1)", pytrace=False)
    pytest.skip(message)


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Run the system's Chromium without a window."""
    path = require_browser()
    # Chromium's own sandbox does not start for root, as which containers often run.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments, timeout=_START_MS)
        try:
            yield browser
        finally:
            await browser.close()


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG file in pixels."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height
