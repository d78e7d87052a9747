"""Asks the person at a call's client before tasks are deleted, where the client can ask (MCP, client/elicitation).

From protocol revision 2026-07-28 on the question is the call's answer, and the client sends the call again with the
person's answer and the state that came with the question: any replica can take that one. Before, the question goes
out while the call waits, which needs a connection that carries requests to the client: standard input and output.
Clients that cannot be asked have tools of their own to keep a model from deleting; a deletion can be undone anyway.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, Final

from mcp import MCPError
from mcp.server.mcpserver import Context
from mcp.server.request_state import RequestStateSecurity
from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp.types.version import is_version_at_least
from pydantic import ValidationError

from mcp_todo_server.tasks.errors import NotConfirmedError

ANSWER_SECONDS: Final = 600
"""Longest time that a person may take to answer."""
_ASKED_BY_ANSWERING: Final = "2026-07-28"
"""First protocol revision in which a server asks by its answer instead of by a request."""
_KEY: Final = "confirm"
_SHOWN_TASKS: Final = 10
_SHOWN_CHARS: Final = 80
_NOTHING_TO_FILL_IN: Final[dict[str, Any]] = {"type": "object", "properties": {}}
"""Accepting is the whole answer."""
_STATE_KEY_LABEL: Final = b"mcp-todo-server/request-state/1"


def state_security(secrets: Sequence[str]) -> RequestStateSecurity:
    """Return what seals the state that a client carries from question to answer: for one user, call and question.

    Its keys are derived from the secrets that verify tokens, the first of which seals. So replicas that take each
    other's tokens take each other's questions too, and neither kind of key tells anything of the other.
    """
    keys = [hmac.digest(secret.encode(), _STATE_KEY_LABEL, "sha256") for secret in dict.fromkeys(secrets)]
    return RequestStateSecurity(keys=keys, ttl=ANSWER_SECONDS)


def can_ask(context: Context[Any, Any]) -> bool:
    """Tell whether the call's client can put a question to a person."""
    capabilities = context.client_capabilities
    elicitation = None if capabilities is None else capabilities.elicitation
    # A client that names no mode has forms, the only mode that there was at first.
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return False
    return _asks_by_answering(context) or context.session.can_send_request


async def confirm(context: Context[Any, Any], tasks: Sequence[tuple[int, str]]) -> InputRequiredResult | None:
    """Ask whether these tasks, by number and title, may be deleted. None says that they may.

    An `InputRequiredResult` is the call's answer for now; nothing may be done before the call comes again.

    Raises:
        NotConfirmedError: They may not, or nobody could be asked.
    """
    params = ElicitRequestFormParams(message=_question(tasks), requested_schema=_NOTHING_TO_FILL_IN)
    if _asks_by_answering(context):
        asked = hashlib.sha256(json.dumps(tasks).encode()).hexdigest()
        answer = (context.input_responses or {}).get(_KEY)
        # An answer counts for the tasks that the person was shown: where one was renamed meanwhile, ask again.
        if not isinstance(answer, ElicitResult) or context.request_state != asked:
            return InputRequiredResult(input_requests={_KEY: ElicitRequest(params=params)}, request_state=asked)
    else:
        answer = await _ask_now(context, params)
    if answer.action != "accept":
        raise NotConfirmedError("the user was asked and did not agree")
    return None


async def _ask_now(context: Context[Any, Any], params: ElicitRequestFormParams) -> ElicitResult:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer: ElicitResult = await context.session.elicit_form(
                params.message, params.requested_schema, related_request_id=context.request_id
            )
    except TimeoutError:
        raise NotConfirmedError("the user was asked and did not answer") from None
    except (MCPError, ValidationError):
        raise NotConfirmedError("the client could not ask the user") from None
    return answer


def _asks_by_answering(context: Context[Any, Any]) -> bool:
    version = context.protocol_version
    return version is not None and is_version_at_least(version, _ASKED_BY_ANSWERING)


def _question(tasks: Sequence[tuple[int, str]]) -> str:
    shown = ", ".join(f'{task_id} "{_short(title)}"' for task_id, title in tasks[:_SHOWN_TASKS])
    if len(tasks) == 1:
        return f"Delete task {shown}? It can be restored."
    more = f" and {len(tasks) - _SHOWN_TASKS} more" if len(tasks) > _SHOWN_TASKS else ""
    return f"Delete {len(tasks)} tasks: {shown}{more}? They can be restored."


def _short(title: str) -> str:
    return title if len(title) <= _SHOWN_CHARS else f"{title[:_SHOWN_CHARS]}…"
