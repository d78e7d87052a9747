"""Events: the bytes that AG-UI's own encoder writes, and what a log that ends with a text message says of it."""

import json
from typing import Any

import pytest
from ag_ui.core import Event
from ag_ui.core.events import BaseEvent, TextMessageContentEvent
from ag_ui.encoder import EventEncoder
from chat_api.agent.turn import ToolCall, ToolOutcome, Usage
from chat_api.journal import events
from chat_api.journal.events import ApprovalRequest, Message
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

EVENT: TypeAdapter[BaseEvent] = TypeAdapter(Event)
CALL = ToolCall(0, 1, "add_task", '{"title":"milk"}')
RUN = "0197-run"


def stored(text: str) -> str:
    """What `EventEncoder` writes after `data: `."""
    return text.removeprefix("data: ").removesuffix("\n\n")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_words_written_by_hand_are_what_the_encoder_writes(message_id: str, delta: str) -> None:
    event = TextMessageContentEvent(message_id=message_id, delta=delta)
    assert events.text_content(message_id, delta) == stored(EventEncoder().encode(event))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (events.run_started("7", RUN), {"type": "RUN_STARTED", "threadId": "7", "runId": RUN}),
        (events.text_start("m"), {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}),
        (events.text_end("m"), {"type": "TEXT_MESSAGE_END", "messageId": "m"}),
        (
            events.message_discarded("m"),
            {"type": "CUSTOM", "name": "message_discarded", "value": {"messageId": "m"}},
        ),
        (
            events.tool_result("c", ToolOutcome('{"task_id":1}', is_error=False)),
            {
                "type": "TOOL_CALL_RESULT",
                "messageId": "c-result",
                "toolCallId": "c",
                "content": '{"task_id":1}',
                "role": "tool",
            },
        ),
        (
            events.run_finished("7", RUN, "success", result={"message_id": 2}, usage=Usage(1, 10, 3)),
            {
                "type": "RUN_FINISHED",
                "threadId": "7",
                "runId": RUN,
                "result": {"message_id": 2},
                "outcome": {"type": "success"},
                "usage": [{"inputTokens": 10, "outputTokens": 3, "totalTokens": 13}],
            },
        ),
        (
            events.run_finished("7", RUN, "cancelled"),
            {"type": "RUN_FINISHED", "threadId": "7", "runId": RUN, "outcome": {"type": "cancelled"}},
        ),
        (
            events.run_finished("7", RUN, [ApprovalRequest("c", "May I?", "2026-03-01T00:00:00+00:00")]),
            {
                "type": "RUN_FINISHED",
                "threadId": "7",
                "runId": RUN,
                "outcome": {
                    "type": "interrupt",
                    "interrupts": [
                        {
                            "id": "c",
                            "reason": "tool_call",
                            "message": "May I?",
                            "toolCallId": "c",
                            "expiresAt": "2026-03-01T00:00:00+00:00",
                        }
                    ],
                },
            },
        ),
        (
            events.run_error("The model failed.", "model-failed"),
            {"type": "RUN_ERROR", "message": "The model failed.", "code": "model-failed"},
        ),
    ],
)
def test_each_event_says_what_it_means_and_is_one_of_the_protocols(data: str, said: dict[str, Any]) -> None:
    assert json.loads(data) == said
    assert stored(EventEncoder().encode(EVENT.validate_json(data))) == data


def test_a_call_is_announced_whole() -> None:
    start, arguments, end = map(json.loads, events.tool_call("c", CALL, "m"))
    assert start == {
        "type": "TOOL_CALL_START",
        "toolCallId": "c",
        "toolCallName": "add_task",
        "parentMessageId": "m",
    }
    assert arguments == {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": CALL.arguments}
    assert end == {"type": "TOOL_CALL_END", "toolCallId": "c"}
    assert "parentMessageId" not in json.loads(events.tool_call("c", CALL, None)[0])


SAID = [events.text_start("r:2"), events.text_content("r:2", "Hel"), events.text_content("r:2", "lo")]
FINISHED = events.run_finished("7", RUN, "cancelled")
FAILED = events.run_error("It failed.", "model-failed")


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ([], None),
        ([FAILED], None),
        ([events.run_started("7", RUN)], None),
        (SAID[:1], Message("r:2", "", is_inherited=True)),
        (SAID, Message("r:2", "Hello", is_inherited=True)),
        ([*SAID, events.text_end("r:2")], Message("r:2", "Hello", is_open=False, is_inherited=True)),
        ([*SAID, events.text_end("r:2"), FAILED], Message("r:2", "Hello", is_open=False, is_inherited=True)),
        ([*SAID, events.text_end("r:2"), FINISHED], Message("r:2", "Hello", is_open=False, is_inherited=True)),
        ([*SAID, events.text_end("r:2"), *events.tool_call("c", CALL, "r:2")], None),
        ([*SAID, events.text_end("r:2"), events.message_discarded("r:2")], None),
        (
            [*SAID, events.text_end("r:2"), events.text_start("r:6"), events.text_content("r:6", "Yes")],
            Message("r:6", "Yes", is_inherited=True),
        ),
    ],
)
def test_the_message_that_a_log_ends_with(log: list[str], message: Message | None) -> None:
    assert events.last_message(log) == message
