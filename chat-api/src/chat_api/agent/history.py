"""Earlier runs as input items of the Responses format, which the Agents SDK translates for every provider.

Provider ids are left out, so that a conversation survives a change of provider. A run's calls come with their
outputs or not at all: a call without its output would be refused by the provider for ever after. What a run did
stays true however it ended, so the model is told of its calls; of its words only where the user saw them too.
"""

from collections.abc import Iterable
from typing import Final

from agents.items import TResponseInputItem

from chat_api.agent.text import compact_json
from chat_api.agent.turn import PastCall, PastRun, Turn, call_id

CHARS_PER_TOKEN: Final = 4
NOT_KNOWN: Final = compact_json(
    {"error": "It is not known whether this call was carried out. Look with list_tasks before you do it again."}
)
"""Output of a call whose outcome nobody has."""
CANCELLED: Final = "[The user stopped the assistant here.]"
FAILED: Final = "[The request failed before it was answered. The calls above came to what their outputs say.]"
REPLACED_MESSAGE: Final = "[A message that was since replaced.]"
REPLACED: Final = "[The answer was replaced too. What the calls above changed stays changed.]"


def input_items(turn: Turn) -> list[TResponseInputItem]:
    """Return what the model is asked with: the history, then the user's message."""
    items = [item for run in turn.history for item in _run_items(run)]
    items.append({"role": "user", "content": turn.message})
    return items


def estimated_tokens(run: PastRun) -> int:
    """Estimate what a run costs as history: 4 characters of its JSON to a token. No tokenizer, no vocabulary."""
    items = list(_run_items(run))
    return -(-len(compact_json(items)) // CHARS_PER_TOKEN) if items else 0


def _run_items(run: PastRun) -> Iterable[TResponseInputItem]:
    if run.ending in ("failed", "replaced") and not run.calls:
        return
    yield {"role": "user", "content": REPLACED_MESSAGE if run.ending == "replaced" else run.message}
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
            output = NOT_KNOWN if past.outcome is None else past.outcome.result
            yield {"type": "function_call_output", "call_id": name, "output": output}
    yield {"role": "assistant", "content": _last_words(run)}


def _last_words(run: PastRun) -> str:
    match run.ending:
        case "completed":
            return run.answer
        case "cancelled":
            return f"{run.answer}\n\n{CANCELLED}" if run.answer else CANCELLED
        case "failed":
            return FAILED
        case "replaced":
            return REPLACED


def _by_response(run: PastRun) -> list[list[PastCall]]:
    responses: dict[int, list[PastCall]] = {}
    for past in run.calls:
        responses.setdefault(past.call.response_ordinal, []).append(past)
    return [responses[ordinal] for ordinal in sorted(responses)]
