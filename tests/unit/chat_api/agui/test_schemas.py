"""Whatever an AG-UI client may send by the protocol is read, and only what means something here."""

from typing import Any

import pytest
from ag_ui.core import types as ag_ui
from chat_api.agui.schemas import RunInput
from chat_api.runs.admission import NewMessage
from chat_api.runs.takeover import CallDecision
from pydantic import ValidationError


def read(*messages: ag_ui.Message, **fields: Any) -> RunInput:
    """Send an input as the protocol's own models write it."""
    sent = ag_ui.RunAgentInput(thread_id="the-thread", run_id="the-run", messages=list(messages), **fields)
    return RunInput.model_validate_json(sent.model_dump_json(by_alias=True))


def said(content: Any) -> ag_ui.UserMessage:
    """Return a message of the user's."""
    return ag_ui.UserMessage(id="1", content=content)


HISTORY: list[ag_ui.Message] = [
    ag_ui.DeveloperMessage(id="1", content="instructions"),
    ag_ui.SystemMessage(id="2", content="more instructions"),
    ag_ui.UserMessage(
        id="3",
        content=[
            ag_ui.TextPart(text="look"),
            ag_ui.ImagePart(source=ag_ui.UrlSource(value="https://example.org/a.png")),
        ],
    ),
    ag_ui.AssistantMessage(
        id="4", tool_calls=[ag_ui.ToolCall(id="5", function=ag_ui.FunctionCall(name="add_task", arguments="{}"))]
    ),
    ag_ui.ToolMessage(id="6", tool_call_id="5", content="{}"),
    ag_ui.ReasoningMessage(id="7", content="hm"),
    ag_ui.ActivityMessage(id="8", activity_type="chart", content={"a": [1]}),
]


def test_every_kind_of_message_may_stand_in_the_history() -> None:
    sent = read(
        *HISTORY,
        said("hello"),
        tools=[],
        context=[ag_ui.Context(description="where", value="here")],
        state={"any": ["thing"]},
        protocol_version="1.0",
        parent_run_id="another",
    )
    assert not sent.to_decisions()
    assert sent.to_message() == NewMessage(
        "hello", idempotency_key="the-run", client_thread_id="the-thread", client_run_id="the-run"
    )


def test_what_is_left_out_means_nothing() -> None:
    sent = RunInput.model_validate({"threadId": "t", "runId": "r", "messages": [{"role": "user", "content": "hello"}]})
    assert sent.to_message() == NewMessage("hello", idempotency_key="r", client_thread_id="t", client_run_id="r")


def test_an_applications_options_are_those_of_a_chat_request() -> None:
    props = {"on_busy": "enqueue", "timezone": "Europe/Berlin", "replaces": "a-run", "theirs": {"a": 1}}
    message = read(said("hello"), forwarded_props=props).to_message()
    assert message is not None
    assert (message.on_busy, message.timezone, message.replaces) == ("enqueue", "Europe/Berlin", "a-run")


def test_parts_of_text_are_one_text() -> None:
    parts = [ag_ui.TextPart(text="  one "), ag_ui.TextPart(text=""), ag_ui.TextPart(text="two")]
    message = read(said(parts)).to_message()
    assert message is not None
    assert message.message == "  one two"


@pytest.mark.parametrize("part", [ag_ui.AudioPart, ag_ui.DocumentPart, ag_ui.ImagePart, ag_ui.VideoPart])
def test_what_is_no_text_is_refused_in_the_last_message(part: Any) -> None:
    file = part(source=ag_ui.UrlSource(value="https://example.org/file"))
    with pytest.raises(ValidationError, match="must be text"):
        read(said("hello"), said([ag_ui.TextPart(text="see"), file]))


def test_decisions_are_read_in_their_order() -> None:
    resume = [
        ag_ui.ResumeEntry(interrupt_id="a", status="resolved", payload={"approved": True}),
        ag_ui.ResumeEntry(interrupt_id="b", status="resolved", payload={"approved": False, "reason": "no"}),
        ag_ui.ResumeEntry(interrupt_id="c", status="resolved", payload=True, metadata={"signature": "x"}),
        ag_ui.ResumeEntry(interrupt_id="d", status="cancelled"),
    ]
    sent = read(*HISTORY, resume=resume)
    assert sent.to_message() is None
    assert sent.to_decisions() == [
        CallDecision("a", approve=True),
        CallDecision("b", approve=False, reason="no"),
        CallDecision("c", approve=True),
        CallDecision("d", approve=False),
    ]


LEFT = ag_ui.ResumeEntry(interrupt_id="a", status="cancelled")
ANSWERED = ag_ui.ResumeEntry(interrupt_id="b", status="resolved", payload=True)


@pytest.mark.parametrize(
    ("messages", "resume", "words"),
    [
        ([*HISTORY, said("something else")], [LEFT], "something else"),
        ([said("something else")], [LEFT, ANSWERED], "something else"),
        ([said("add milk"), *HISTORY], [LEFT], None),
        ([], [ANSWERED], None),
        ([said("hello"), *HISTORY[3:]], [], "hello"),
        ([said("hello"), *HISTORY[3:]], None, "hello"),
    ],
    ids=[
        "words behind the calls",
        "nothing but words",
        "the calls are the last word",
        "no history",
        "nothing waits",
        "no resume",
    ],
)
def test_words_that_come_with_decisions_count_where_they_come_last(
    messages: list[ag_ui.Message], resume: list[ag_ui.ResumeEntry] | None, words: str | None
) -> None:
    message = read(*messages, resume=resume).to_message()
    assert (message and message.message) == words


def test_where_nothing_is_decided_something_must_be_said() -> None:
    with pytest.raises(ValidationError, match="must hold a message of the user's"):
        read(*HISTORY[3:])


@pytest.mark.parametrize(
    "payload", [None, "yes", 1, [], {}, {"approved": "yes"}, {"approved": 1}, {"approved": True, "editedArgs": {}}]
)
def test_an_answer_that_is_not_plainly_one_is_refused(payload: Any) -> None:
    entry = {"interruptId": "a", "status": "resolved", "payload": payload}
    with pytest.raises(ValidationError, match=r"resume\.0\.payload"):
        RunInput.model_validate({"threadId": "t", "runId": "r", "messages": [], "resume": [entry]})
