"""When the steps of a run began and ended, as its owner sees it. The rows that tell of a step take its times along.

All times are those of this process's clock.
"""

import datetime as dt
from dataclasses import replace

from chat_api.agent.turn import ModelStep, ToolCall, ToolOutcome, Usage
from chat_api.journal.records import EndedCall, Measured, ModelTimes, ResponseRecord, SentCall


class Stopwatch:
    """Measures one attempt, whose model calls, tool calls and journal entries follow each other, one at a time."""

    def __init__(self) -> None:
        self._model: ModelTimes | None = None
        """The model call that was begun last, until its response is stored."""
        self._call: SentCall | None = None
        """The tool call that was sent last, until its outcome is stored."""
        self._stored_at: dt.datetime | None = None

    def sends(self, call: ToolCall | None) -> None:
        """Take note that a call is sent, or, without one, that the model is asked."""
        if call is None:
            self._model = ModelTimes(_now())
        else:
            self._call = SentCall(call.response_ordinal, call.call_index, _now())

    def speaks(self) -> None:
        """Take note that words come from the model."""
        if self._model is not None and self._model.first_word_at is None:
            self._model = replace(self._model, first_word_at=_now())

    def answered(self, usage: Usage) -> None:
        """Take note of what a model call cost whose response is not journalled."""
        if self._model is not None:
            self._model = replace(
                self._model,
                responded_at=_now(),
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
            )

    def response(self, step: ModelStep, usage: Usage) -> ResponseRecord:
        """Return a response, which has just come, as it is to be journalled."""
        asked_at, first_word_at = (self._model.asked_at, self._model.first_word_at) if self._model else (None, None)
        return ResponseRecord(step.ordinal, step.items, usage, _now(), asked_at, first_word_at, self._stored_at)

    def outcome(self, call: ToolCall, outcome: ToolOutcome) -> EndedCall:
        """Return a call's outcome, which has just come, as it is to be journalled."""
        sent = self._call
        mine = sent is not None and (sent.response_ordinal, sent.call_index) == (call.response_ordinal, call.call_index)
        return EndedCall(call, outcome, _now(), sent.sent_at if sent is not None and mine else None, self._stored_at)

    def stored(self) -> None:
        """Take note that the response or the outcome is stored which was returned last."""
        self._model = self._call = None
        self._stored_at = _now()

    def measured(self, closing_at: dt.datetime) -> Measured:
        """Return what is known of the attempt's end; nothing is left since `closing_at` but to write it."""
        return Measured(closing_at, self._stored_at, self._model, self._call)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
