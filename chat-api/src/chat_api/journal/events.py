"""The events of a run in AG-UI's types, each encoded to the text that stands after `data: ` on the wire.

The text is what `ag_ui.encoder.EventEncoder` writes; it is stored and sent as it is, so that every reader at every
time gets the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, Final, Literal

from ag_ui.core import events as ag_ui
from ag_ui.core.events import BaseEvent, EventType

from chat_api.agent.turn import ToolCall, ToolOutcome, Usage

APPROVAL_REQUIRED: Final = "tool_call"
"""Why a run that waits for the user's decision is interrupted: AG-UI's own word, by which front ends know to ask."""
MESSAGE_DISCARDED: Final = "message_discarded"
"""Custom event: the message named in its `messageId` is not part of the answer after all."""

TOOL_RESULT: Final = '{"type":"TOOL_CALL_RESULT"'
"""How the text of every event begins that tells what a tool call came to, and no other's."""

_TEXT: Final = (EventType.TEXT_MESSAGE_START, EventType.TEXT_MESSAGE_CONTENT, EventType.TEXT_MESSAGE_END)
_TERMINAL: Final = (EventType.RUN_FINISHED, EventType.RUN_ERROR)
_CLOSING: Final = tuple(f'{{"type":"{kind.value}"' for kind in _TERMINAL)


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A call that waits for the user's decision."""

    tool_call_id: str
    message: str
    """What is asked, for a person to read."""
    expires_at: str
    """ISO 8601 instant, after which the call counts as denied."""


def _encoded(event: BaseEvent) -> str:
    return event.model_dump_json(by_alias=True)


def run_started(thread_id: str, run_id: str) -> str:
    """Open a run, or go on with one that had been interrupted."""
    return _encoded(ag_ui.RunStartedEvent(thread_id=thread_id, run_id=run_id))


def text_start(message_id: str) -> str:
    """Open a text message of the assistant."""
    return _encoded(ag_ui.TextMessageStartEvent(message_id=message_id, role="assistant"))


def text_content(message_id: str, delta: str) -> str:
    """Append words to a text message."""
    # By hand, because it is written for every few words of every answer: a model costs forty times as much.
    return (
        f'{{"type":"TEXT_MESSAGE_CONTENT","messageId":{encode_basestring(message_id)},'
        f'"delta":{encode_basestring(delta)}}}'
    )


def text_end(message_id: str) -> str:
    """Close a text message."""
    return _encoded(ag_ui.TextMessageEndEvent(message_id=message_id))


def message_discarded(message_id: str) -> str:
    """Take a text message back."""
    return _encoded(ag_ui.CustomEvent(name=MESSAGE_DISCARDED, value={"messageId": message_id}))


def tool_call(tool_call_id: str, call: ToolCall, parent_message_id: str | None) -> list[str]:
    """Announce a tool call: its start, its arguments and their end.

    `parent_message_id` names the text message that came in the same response.
    """
    return [
        _encoded(
            ag_ui.ToolCallStartEvent(
                tool_call_id=tool_call_id, tool_call_name=call.tool_name, parent_message_id=parent_message_id
            )
        ),
        _encoded(ag_ui.ToolCallArgsEvent(tool_call_id=tool_call_id, delta=call.arguments)),
        _encoded(ag_ui.ToolCallEndEvent(tool_call_id=tool_call_id)),
    ]


def tool_result(tool_call_id: str, outcome: ToolOutcome) -> str:
    """Tell what a tool call came to."""
    return _encoded(
        ag_ui.ToolCallResultEvent(
            message_id=f"{tool_call_id}-result", tool_call_id=tool_call_id, content=outcome.result, role="tool"
        )
    )


def run_finished(
    thread_id: str,
    run_id: str,
    outcome: Literal["success", "cancelled"] | Sequence[ApprovalRequest],
    *,
    result: Mapping[str, Any] | None = None,
    usage: Usage | None = None,
) -> str:
    """Close a run that did not fail. One that is only interrupted names the decisions that it waits for."""
    return _encoded(
        ag_ui.RunFinishedEvent(
            thread_id=thread_id,
            run_id=run_id,
            outcome=_outcome(outcome),
            result=None if result is None else dict(result),
            usage=None if usage is None else [_usage(usage)],
        )
    )


def run_error(message: str, code: str, *, usage: Usage | None = None) -> str:
    """Close a run that failed. `code` is the problem's type, as the API names it."""
    return _encoded(ag_ui.RunErrorEvent(message=message, code=code, usage=None if usage is None else [_usage(usage)]))


def _outcome(outcome: Literal["success", "cancelled"] | Sequence[ApprovalRequest]) -> ag_ui.RunFinishedOutcome:
    match outcome:
        case "success":
            return ag_ui.RunFinishedSuccessOutcome()
        case "cancelled":
            return ag_ui.RunFinishedCancelledOutcome()
        case requests:
            return ag_ui.RunFinishedInterruptOutcome(interrupts=[_interrupt(request) for request in requests])


def _interrupt(request: ApprovalRequest) -> ag_ui.Interrupt:
    return ag_ui.Interrupt(
        id=request.tool_call_id,
        reason=APPROVAL_REQUIRED,
        message=request.message,
        tool_call_id=request.tool_call_id,
        expires_at=request.expires_at,
    )


def _usage(usage: Usage) -> ag_ui.TokenUsage:
    return ag_ui.TokenUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
    )


@dataclass(frozen=True, slots=True)
class Message:
    """The text message that a run is writing or has last written."""

    message_id: str
    text: str
    """Its words so far."""
    is_open: bool = True
    """Whether its end is still to come."""
    is_inherited: bool = False
    """Whether an earlier owner of the run wrote it: another one does not go on with it."""


def closes_run(data: str) -> bool:
    """Tell whether a stored event is a run's end, or its interruption."""
    return data.startswith(_CLOSING)


def last_message(stored: Sequence[str]) -> Message | None:
    """Return the text message that a run's stored events end with, if they end with one that nothing has followed.

    `stored` are the run's last events, oldest first, back to that message's start at least. The end of the run
    itself is looked past: a run that goes on takes it back.
    """
    events = [json.loads(data) for data in stored]
    while events and events[-1]["type"] in _TERMINAL:
        events.pop()
    if not events or events[-1]["type"] not in _TEXT:
        return None
    message_id = events[-1]["messageId"]
    words = [
        event["delta"]
        for event in events
        if event["type"] == EventType.TEXT_MESSAGE_CONTENT and event["messageId"] == message_id
    ]
    is_open = events[-1]["type"] != EventType.TEXT_MESSAGE_END
    return Message(message_id, "".join(words), is_open, is_inherited=True)
