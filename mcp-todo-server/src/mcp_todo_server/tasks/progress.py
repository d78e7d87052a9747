"""How far a long call is, told to its client while the work goes on (MCP 2026-07-28, basic/utilities/progress)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp.server.mcpserver import Context

from mcp_todo_server.tasks.batch import Reached, unheard

EVERY_ITEMS: Final = 10
"""Items from one notification to the next; the last item is always told."""
LAST_WORDS_SECONDS: Final = 4
"""Longest time for which an answer waits until its client has taken the notifications before it; on a busy machine that
may take a while."""


@asynccontextmanager
async def progress(context: Context[Any, Any] | None) -> AsyncIterator[Reached]:
    """What is told in here reaches the call's client, as long as it asked for that and the transport can carry it.

    Sending is left to a task of its own: a client that reads slowly must not hold up a transaction.
    """
    if context is None:
        yield unheard
        return
    told: asyncio.Queue[tuple[int, int] | None] = asyncio.Queue()

    async def send() -> None:
        while (news := await told.get()) is not None:
            await context.report_progress(*news)

    def reached(done: int, total: int) -> None:
        if done % EVERY_ITEMS == 0 or done == total:
            told.put_nowait((done, total))

    sender = asyncio.create_task(send())
    try:
        yield reached
        told.put_nowait(None)
        await asyncio.wait({sender}, timeout=LAST_WORDS_SECONDS)
    finally:
        sender.cancel()
        await asyncio.wait({sender})
