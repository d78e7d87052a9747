"""Earlier runs as input items of the Responses format, which the Agents SDK translates for every provider.

Provider ids are left out, so that a conversation survives a change of provider. A run's calls come with their
outputs or not at all: a call without its output would be refused by the provider for ever after.
"""

from collections.abc import Iterable
from typing import Final

from agents.items import TResponseInputItem

from chat_api.agent.text import compact_json
from chat_api.agent.turn import PastCall, PastRun, Turn, call_id

CHARS_PER_TOKEN: Final = 4


def input_items(turn: Turn) -> list[TResponseInputItem]:
    """Return what the model is asked with: the history, then the user's message."""
    items = [item for run in turn.history for item in _run_items(run)]
    items.append({"role": "user", "content": turn.message})
    return items


def estimated_tokens(run: PastRun) -> int:
    """Estimate what a run costs as history: 4 characters of its JSON to a token. No tokenizer, no vocabulary."""
    return -(-len(compact_json(list(_run_items(run)))) // CHARS_PER_TOKEN)


def _run_items(run: PastRun) -> Iterable[TResponseInputItem]:
    yield {"role": "user", "content": run.message}
    for response in _by_response(run):
        ids = [call_id(run.run_id, past.call.response_ordinal, past.call.call_index) for past in response]
        for name, past in zip(ids, response, strict=True):
            yield {
                "type": "function_call",
                "call_id": name,
                "name": past.call.tool_name,
                "arguments": past.call.arguments,
            }
        for name, past in zip(ids, response, strict=True):
            yield {"type": "function_call_output", "call_id": name, "output": past.outcome.result}
    yield {"role": "assistant", "content": run.answer}


def _by_response(run: PastRun) -> list[list[PastCall]]:
    responses: dict[int, list[PastCall]] = {}
    for past in run.calls:
        responses.setdefault(past.call.response_ordinal, []).append(past)
    return [responses[ordinal] for ordinal in sorted(responses)]
