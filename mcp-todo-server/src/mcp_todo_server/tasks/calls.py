"""How a call of a tool is answered.

An outcome is definite or unknown, and the two are never confused. What is refused for good is a result with
`is_error`, for the model to read. What may yet succeed (the database does not answer, a defect) is a protocol
error, so that a caller sends the same call again (where it has an effect key, or only reads) rather than showing
it to a model as an answer.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp import MCPError
from mcp.server.mcpserver import Context
from mcp.types import INTERNAL_ERROR, CallToolResult, InputRequiredResult, TextContent
from pydantic import BaseModel
from todo_chat_shared.tasks import Task
from todo_chat_shared.tokens import SCOPE_READ, SCOPE_WRITE

from mcp_todo_server.effects.service import VOID, EffectKeyError, VoidedError, asks_to_settle
from mcp_todo_server.tasks.arguments import parse
from mcp_todo_server.tasks.confirmation import can_ask, confirm
from mcp_todo_server.tasks.errors import InvalidArgumentsError, TaskError
from mcp_todo_server.tasks.progress import progress
from mcp_todo_server.tasks.schemas import Arguments
from mcp_todo_server.tasks.service import TaskService
from mcp_todo_server.users.service import TokenTimes

CALL_SECONDS: Final = 6
"""Longest time for the work of a call; the waits for a pool connection and for SQLite's lock end before it."""
LONG_CALL_SECONDS: Final = 12
"""The same for a call that may have to write every task of its user, a hundred thousand or so: longer than one
statement may take (`database.STATEMENT_SECONDS`), and less than the 15 s that chat-api waits for an answer."""
TEMPORARILY_UNAVAILABLE: Final = "temporarily unavailable; send the same call again"
OUTCOME_UNKNOWN: Final = "temporarily unavailable; it may have been done: check with list_tasks first"
"""Said where a repeat could do the same a second time, since the call has no effect key."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what their token lets them do."""

    user_id: str
    scopes: frozenset[str]
    token: TokenTimes | None = None
    """None for the local user of standard input and output, who has none."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What is published of a tool, and what its method of `TaskService` needs."""

    method: Callable[..., Awaitable[str]]
    """The work, as a method of `TaskService`; its name is the tool's."""
    title: str
    description: str
    arguments: type[Arguments]
    answer: type[BaseModel] = Task
    reads_only: bool = False
    destructive: bool = False
    idempotent: bool = True
    deletes: Callable[[Any], Sequence[int]] | None = None
    """Tells from the arguments which tasks a call deletes: where its client can be asked, a person is asked first."""
    reports_progress: bool = False
    """The method takes, after the effect key, what is to hear how far it is."""
    seconds: float = CALL_SECONDS
    """Longest time for the work of a call; one that takes longer is ended, and its caller cannot know the outcome."""
    meta: Mapping[str, Any] | None = None
    """The tool's `_meta`, as it is published."""

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.method.__name__

    @property
    def scope(self) -> str:
        """The scope that a call's token needs."""
        return SCOPE_READ if self.reads_only else SCOPE_WRITE


async def answer(
    spec: ToolSpec,
    service: TaskService,
    caller: Caller,
    arguments: dict[str, Any],
    effect_key: Any = None,
    settle: Any = None,
    context: Context[Any, Any] | None = None,
) -> CallToolResult | InputRequiredResult:
    """Call a tool for `caller`, or settle such a call; without `context` nobody is asked or told how far it is.

    Raises:
        MCPError: The outcome is unknown, or nothing happened that a repeat could not mend.
    """
    if spec.scope not in caller.scopes:
        # Definite, and every client shows it to the person who can do something about it; a protocol error
        # would read as a fault of the connection, to be tried again.
        return _refusal(f"the access token lacks the scope {spec.scope}, which {spec.name} needs")
    try:
        if asks_to_settle(settle):
            payload = await _settle(spec, service, caller.user_id, arguments, effect_key)
        else:
            checked = parse(spec.arguments, spec.name, arguments)
            question = await _question(spec, service, caller.user_id, checked, effect_key, context)
            if question is not None:
                return question
            payload = await _perform(spec, service, caller.user_id, checked, effect_key, context)
    except (TaskError, EffectKeyError) as error:
        return _refusal(str(error))
    except Exception as error:
        logger.exception("%s failed", spec.name)
        repeatable = spec.reads_only or effect_key is not None
        raise MCPError(INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE if repeatable else OUTCOME_UNKNOWN) from error
    return CallToolResult(content=[TextContent(type="text", text=payload)], structured_content=json.loads(payload))


async def _question(
    spec: ToolSpec,
    service: TaskService,
    user_id: str,
    arguments: Arguments,
    effect_key: Any,
    context: Context[Any, Any] | None,
) -> InputRequiredResult | None:
    if spec.deletes is None or context is None or not can_ask(context):
        return None
    async with asyncio.timeout(CALL_SECONDS):
        doomed = await service.doomed(spec.name, user_id, arguments, effect_key, spec.deletes(arguments))
    return await confirm(context, doomed) if doomed else None


async def _perform(
    spec: ToolSpec,
    service: TaskService,
    user_id: str,
    arguments: Arguments,
    effect_key: Any,
    context: Context[Any, Any] | None,
) -> str:
    keyed = () if spec.reads_only else (effect_key,)
    async with progress(context if spec.reports_progress else None) as reached, asyncio.timeout(spec.seconds):
        heard = (reached,) if spec.reports_progress else ()
        return await spec.method(service, user_id, arguments, *keyed, *heard)


async def _settle(
    spec: ToolSpec, service: TaskService, user_id: str, arguments: dict[str, Any], effect_key: Any
) -> str:
    if spec.reads_only:
        raise VoidedError(VOID)
    checked: Arguments | None
    try:
        checked = parse(spec.arguments, spec.name, arguments)
    except InvalidArgumentsError:
        # Refused here, the call may have been taken by another release: its key is asked all the same.
        checked = None
    async with asyncio.timeout(CALL_SECONDS):
        return await service.settle(spec.name, user_id, checked, effect_key)


def _refusal(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
