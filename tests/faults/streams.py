"""A run's events as a reader gets them, and the rules of AG-UI that they keep."""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from ag_ui.core import Event as AguiEvent
from pydantic import TypeAdapter, ValidationError

_AGUI: Final[TypeAdapter[Any]] = TypeAdapter(AguiEvent)
TERMINAL: Final = frozenset({"RUN_FINISHED", "RUN_ERROR"})


@dataclass(frozen=True)
class Event:
    """One event of a run's stream, as it came."""

    id: str
    data: str

    @property
    def run_id(self) -> str:
        """The run that it is of."""
        return self.id.rpartition(":")[0]

    @property
    def n(self) -> int:
        """Its number in the run."""
        return int(self.id.rpartition(":")[2])

    @property
    def body(self) -> dict[str, Any]:
        """Its fields."""
        body: dict[str, Any] = json.loads(self.data)
        return body

    @property
    def is_terminal(self) -> bool:
        """Whether it says that the run has ended."""
        return self.body["type"] in TERMINAL

    @property
    def is_interruption(self) -> bool:
        """Whether it says that the run waits for a decision: the one end that a run goes on from in the same stream."""
        return (self.body.get("outcome") or {}).get("type") == "interrupt"


async def events_of(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """Read server-sent events; one that the connection's end has cut in two is not among them."""
    name = data = ""
    async for line in lines:
        if line.startswith("id:"):
            name = line.removeprefix("id:").strip()
        elif line.startswith("data:"):
            data += line.removeprefix("data:").removeprefix(" ")
        elif not line and data:
            yield Event(name, data)
            name = data = ""


@dataclass
class Story:
    """What a run's events tell, and where they break the rules."""

    faults: list[str] = field(default_factory=list)
    words: str = ""
    """All words that were not taken back."""
    answer: str = ""
    """Words since the last tool call that were not taken back."""
    results: dict[str, str] = field(default_factory=dict)
    """What each tool call came to, by its id; only those with a result."""
    arguments: dict[str, str] = field(default_factory=dict)
    """Of each tool call that was announced, by its id."""


class _Reader:
    """Follows a stream, event by event."""

    def __init__(self) -> None:
        self.story = Story()
        self.is_running = False
        self._texts: dict[str, str] = {}
        self._open_text: str | None = None
        self._open_call: str | None = None
        self._last_call_text: int = 0
        """How many texts there were when the last tool call was announced."""

    def read(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind != "RUN_STARTED" and not self.is_running:
            self._fault(f"{kind} outside of a run")
        if kind not in {"TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"} and self._open_text is not None:
            self._fault(f"{kind} inside of a text message")
        if kind not in {"TOOL_CALL_ARGS", "TOOL_CALL_END"} and self._open_call is not None:
            self._fault(f"{kind} inside of a tool call")
        match kind:
            case "RUN_STARTED":
                if self.is_running:
                    self._fault("a second RUN_STARTED")
                self.is_running = True
            case "RUN_FINISHED" | "RUN_ERROR":
                self.is_running = False
            case "TEXT_MESSAGE_START":
                if event["messageId"] in self._texts:
                    self._fault(f"text message {event['messageId']} is begun twice")
                self._texts[event["messageId"]] = ""
                self._open_text = event["messageId"]
            case "TEXT_MESSAGE_CONTENT" | "TEXT_MESSAGE_END":
                self._text(event)
            case "TOOL_CALL_START" | "TOOL_CALL_ARGS" | "TOOL_CALL_END" | "TOOL_CALL_RESULT":
                self._call(event)
            case "CUSTOM" if event["name"] == "message_discarded":
                if self._texts.pop(event["value"]["messageId"], None) is None:
                    self._fault(f"a message is taken back that is not there: {event['value']}")

    def _text(self, event: dict[str, Any]) -> None:
        if self._open_text is None or event["messageId"] != self._open_text:
            self._fault(f"{event['type']} of a message that is not open")
        elif event["type"] == "TEXT_MESSAGE_END":
            self._open_text = None
        else:
            self._texts[self._open_text] += event["delta"]

    def _call(self, event: dict[str, Any]) -> None:
        call, story = event["toolCallId"], self.story
        match event["type"]:
            case "TOOL_CALL_START":
                if call in story.arguments:
                    self._fault(f"tool call {call} is begun twice")
                story.arguments[call] = ""
                self._open_call = call
                self._last_call_text = len(self._texts)
            case "TOOL_CALL_RESULT":
                if call not in story.arguments or call in story.results:
                    self._fault(f"a result of tool call {call} that is not asked for")
                story.results[call] = event["content"]
            case _ if call != self._open_call:
                self._fault(f"{event['type']} of a tool call that is not open")
            case "TOOL_CALL_ARGS":
                story.arguments[call] += event["delta"]
            case _:
                self._open_call = None

    def end(self) -> Story:
        texts = list(self._texts.values())
        self.story.words, self.story.answer = "".join(texts), "".join(texts[self._last_call_text :])
        return self.story

    def _fault(self, text: str) -> None:
        self.story.faults.append(text)


def read_story(run_id: str, events: Iterable[Event]) -> Story:
    """Read the whole stream of a run that has ended."""
    reader, events = _Reader(), list(events)
    faults = reader.story.faults
    if [event.n for event in events] != sorted({event.n for event in events}):
        faults.append(f"numbers do not rise: {[event.n for event in events]}")
    for event in events:
        body = event.body
        if event.run_id != run_id or body.get("runId", run_id) != run_id:
            faults.append(f"an event of another run: {event}")
        try:
            _AGUI.validate_json(event.data)
        except ValidationError as error:
            faults.append(f"not an AG-UI event: {event.data}: {error.errors()[0]['msg']}")
        reader.read(body)
    kinds = [event.body["type"] for event in events]
    if kinds[:1] != ["RUN_STARTED"] or kinds[-1:] == [] or kinds[-1] not in TERMINAL:
        faults.append(f"it does not begin with RUN_STARTED and end with a terminal event: {kinds}")
    for event in events[:-1]:
        if event.is_terminal and not event.is_interruption:
            faults.append(f"{event.body['type']} before the end")
    return reader.end()


def differs(live: list[Event], replay: list[Event]) -> str | None:
    """Return how what a live reader got differs from the run's log.

    A run that went on after its end takes that event back; a reader may have seen it.
    """
    stored = {event.n: event.data for event in replay}
    seen = [event for event in live if event.n in stored or not event.is_terminal]
    if not seen:
        return None
    numbers = [event.n for event in seen]
    expected = [event for event in replay if numbers[0] <= event.n <= numbers[-1]]
    if seen == expected:
        return None
    missing = [event.id for event in expected if event not in seen]
    extra = [event.id for event in seen if event not in expected]
    return f"a live reader got {len(seen)} events, the log has {len(expected)}: missing {missing}, changed {extra}"
