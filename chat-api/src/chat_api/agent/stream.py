"""One streamed response of a model, read event by event."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

import openai
from agents.items import TResponseOutputItem, TResponseStreamEvent
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from chat_api.agent.errors import ModelFailedError, ModelTimeoutError
from chat_api.agent.text import TextCleaner, clean_text
from chat_api.agent.turn import Usage

logger = logging.getLogger(__name__)

TAIL_SECONDS: Final = 1.0
"""How long a stream may stay open behind its last event; read to its end, its connection serves again."""
_WORDS: Final = frozenset({"response.output_text.delta", "response.refusal.delta"})
_BROKEN_OFF: Final = frozenset({"response.failed", "response.incomplete", "error", "response.error"})


class ResponseStream:
    """A response as it arrives.

    Args:
        run_id: The run, for the log.
        say: Takes the assistant's words, clean, as they come.
    """

    def __init__(self, run_id: str, say: Callable[[str], object]) -> None:
        self._run_id = run_id
        self._say = say
        self._cleaner = TextCleaner()
        self._has_spoken = False
        self.output: list[TResponseOutputItem] = []
        self.usage: Usage | None = None
        """What the provider says that the response cost, where it does; of one that broke off too."""
        self.complete = False
        """Whether the response came to its proper end: then `output` is all of it."""

    async def read(self, events: AsyncIterator[TResponseStreamEvent]) -> None:
        """Take the response to its end. `events` is left for the caller to close.

        Raises:
            ModelTimeoutError: The client gave up waiting.
            ModelFailedError: Any other failure of the model or of what it answered.
        """
        while not self.complete:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                logger.warning("run %s: the model's stream ended before its response did", self._run_id)
                raise ModelFailedError(explain(None)) from None
            except Exception as error:
                raise failure(self._run_id, error) from None
            try:
                words = self._take(event)
            except (AttributeError, TypeError, ValueError) as error:
                # The client checks no types: an event of the wrong shape is found out by whoever reads it.
                raise unusable(self._run_id, error) from None
            if words:
                self._has_spoken = True
                self._say(words)
        await self._read_on(events)

    def _take(self, event: TResponseStreamEvent) -> str:
        """Take an event in and return the words in it."""
        fields = cast("Any", event)
        kind = fields.type
        if kind in _WORDS:
            return self._cleaner.feed(fields.delta)
        if kind == "response.output_item.done":
            self.output.append(fields.item)
        elif kind == "response.completed":
            self._count(fields.response)
            # Some servers put the items into their own events only.
            self.output = list(fields.response.output or self.output)
            self.complete = True
            return self._cleaner.end() if self._has_spoken else _words(self.output)
        elif kind in _BROKEN_OFF:
            response = getattr(event, "response", None)
            self._count(response)
            code = getattr(getattr(response, "error", None) or event, "code", None)
            logger.warning("run %s: the model's response broke off: %s", self._run_id, kind)
            raise ModelFailedError(explain(code))
        return ""

    def _count(self, response: Any) -> None:
        usage = getattr(response, "usage", None)
        if usage is not None:
            self.usage = Usage(1, int(usage.input_tokens or 0), int(usage.output_tokens or 0))

    async def _read_on(self, events: AsyncIterator[TResponseStreamEvent]) -> None:
        try:
            async with asyncio.timeout(TAIL_SECONDS):
                async for _ in events:
                    pass
        except Exception as error:
            # The response is there; how its connection ends changes nothing.
            logger.debug("run %s: the model's stream did not end well: %s", self._run_id, type(error).__name__)


def failure(run_id: str, error: Exception) -> ModelTimeoutError | ModelFailedError:
    """Return what an exception of a model is for the user.

    Providers fail in every way there is, and their texts can quote the key: type and status are enough for the log.
    """
    if isinstance(error, (TimeoutError, openai.APITimeoutError)):
        return timed_out(run_id)
    status = getattr(error, "status_code", None)
    logger.warning("run %s: the model failed: %s (status %s)", run_id, type(error).__name__, status)
    return ModelFailedError(explain(error))


def timed_out(run_id: str) -> ModelTimeoutError:
    """Return what no answer within the time-out is for the user."""
    logger.warning("run %s: the model timed out", run_id)
    return ModelTimeoutError("The model did not answer in time.")


def unusable(run_id: str, error: Exception) -> ModelFailedError:
    """Return what an answer of the wrong shape is for the user."""
    logger.warning("run %s: the model's answer has the wrong shape: %s", run_id, type(error).__name__)
    return ModelFailedError("The model's answer cannot be used. Try again in a while.")


def explain(cause: object) -> str:
    """Return the user's words for an exception of the client, or for the error code of a response."""
    match cause:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return "The model's provider refused this service's credentials. Its operator has to mend that."
        case openai.RateLimitError() | "rate_limit_exceeded":
            return "The model's provider is limiting requests. Try again in a while."
        case openai.APIConnectionError():
            return "The model cannot be reached. Try again in a while."
        case _:
            return "The model failed to answer. Try again in a while."


def _words(output: list[TResponseOutputItem]) -> str:
    """Return the words of a response that came without a single piece of them."""
    parts = [part for item in output if isinstance(item, ResponseOutputMessage) for part in item.content]
    return clean_text("".join(part.text if isinstance(part, ResponseOutputText) else part.refusal for part in parts))
