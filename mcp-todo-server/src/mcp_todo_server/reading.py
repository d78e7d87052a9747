"""What every read beside the tools has in common: the scope that it needs, and how it is told that it failed."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp import MCPError
from mcp.server.mcpserver.exceptions import ResourceError
from mcp.types import INTERNAL_ERROR, INVALID_REQUEST
from todo_chat_shared.tokens import SCOPE_READ

from mcp_todo_server.tasks.calls import CALL_SECONDS, TEMPORARILY_UNAVAILABLE, Caller

logger = logging.getLogger(__name__)


@asynccontextmanager
async def reading(caller: Caller, what: str) -> AsyncIterator[None]:
    """Let `caller` read `what`, within `CALL_SECONDS`.

    Raises:
        MCPError: The caller's token lacks the scope; or the read failed, for a reason that may pass. What the
            read itself raises as one, or as a `ResourceError`, is its own answer.
    """
    if SCOPE_READ not in caller.scopes:
        raise MCPError(INVALID_REQUEST, f"the access token lacks the scope {SCOPE_READ}, which {what} needs")
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except (MCPError, ResourceError):
        raise
    except Exception as error:
        logger.exception("%s failed", what)
        raise MCPError(INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE) from error
