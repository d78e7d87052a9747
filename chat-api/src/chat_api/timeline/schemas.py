"""The API's shape of a timeline."""

import datetime as dt
import json

from pydantic import BaseModel, Field, JsonValue

from chat_api.runs.schemas import Run, RunError
from chat_api.timeline.entries import Entry, Kind, Outcome
from chat_api.timeline.service import RunTimeline


class TimelineEntry(BaseModel):
    """One step of a run. A time that is null is not known, or not yet; what does not apply is left out."""

    kind: Kind
    attempt: int | None = Field(description="The attempt that took it, counted from 1; null where that is not known.")
    began_at: dt.datetime | None
    ended_at: dt.datetime | None
    outcome: Outcome | None = Field(description="How it ended, or how it stands; null where that is not known.")
    error: RunError | None = Field(default=None, description="Of an attempt that failed.")
    response: int | None = Field(
        default=None,
        description="Of a model call that asked for tools, and of what followed from it: its place among those of the "
        "run, counted from 0.",
    )
    first_word_at: dt.datetime | None = Field(
        default=None, description="Of a model call: when its first words of text came."
    )
    input_tokens: int | None = Field(default=None, description="Of a model call, as its provider counted.")
    output_tokens: int | None = None
    call: int | None = Field(
        default=None, description="Of a tool call, and of the journal entry of its outcome: its place in its response."
    )
    tool_name: str | None = None
    parameters: dict[str, JsonValue] | None = Field(default=None, description="Of a tool call.")
    result: JsonValue = Field(default=None, description="Of a tool call, as in the run; null while not known.")

    @classmethod
    def of(cls, entry: Entry) -> "TimelineEntry":
        """Show a step."""
        shown = cls(
            kind=entry.kind,
            attempt=entry.attempt,
            began_at=entry.began_at,
            ended_at=entry.ended_at,
            outcome=entry.outcome,
        )
        if entry.error_type is not None:
            shown.error = RunError(type=entry.error_type, detail=entry.error_detail or "")
        if entry.response is not None:
            shown.response = entry.response
        if entry.kind == "model":
            shown.first_word_at = entry.first_word_at
            shown.input_tokens, shown.output_tokens = entry.input_tokens, entry.output_tokens
        if entry.call is not None:
            shown.call, shown.tool_name = entry.call.call_index, entry.call.tool_name
        if entry.call is not None and entry.kind == "tool":
            shown.parameters = json.loads(entry.call.arguments)
            # A later attempt may have the outcome that did not come in this one.
            result = None if entry.outcome == "no_outcome" else entry.call.result
            shown.result = None if result is None else json.loads(result)
        return shown


class Timeline(BaseModel):
    """A run, and what it did when."""

    run: Run
    entries: list[TimelineEntry] = Field(description="In the order in which the steps were taken.")

    @classmethod
    def of(cls, timeline: RunTimeline) -> "Timeline":
        """Show a timeline."""
        return cls(run=Run.of(timeline.details), entries=[TimelineEntry.of(entry) for entry in timeline.entries])
