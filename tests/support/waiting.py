"""Waiting for what other tasks and processes bring about, where no event tells of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

WAIT_SECONDS: Final = 40
"""Longest time that a test waits for anything, on a machine busy with other tests."""
_PAUSE_SECONDS: Final = 0.01


async def until(look: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Look again and again until there is something, and return it. `look` may be a coroutine function."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        seen = look()
        found = await seen if isinstance(seen, Awaitable) else seen
        if found:
            return found
        assert asyncio.get_running_loop().time() < deadline, f"nothing came within {seconds} s"
        await asyncio.sleep(_PAUSE_SECONDS)
