"""A response's output items as text for the journal, and back."""

import json
from collections.abc import Sequence

from agents.items import TResponseOutputItem
from openai.types.responses import Response

from chat_api.agent.text import clean_json, compact_json


def dump_items(items: Sequence[TResponseOutputItem]) -> tuple[str, list[TResponseOutputItem]]:
    """Return items as a JSON array that every database can store, and the items that say the same.

    Only what the provider sent is written, since that is what the Agents SDK sends back. Where something had to be
    cleaned away the items are made anew, so that a run that goes on and one that is replayed cannot differ.

    Raises:
        ValueError, TypeError, AttributeError: They are no items that JSON can say.
    """
    sent = [item.model_dump(mode="json", exclude_unset=True, warnings=False) for item in items]
    cleaned = clean_json(sent)
    text = compact_json(cleaned)
    return text, list(items) if cleaned == sent else load_items(text)


def load_items(text: str) -> list[TResponseOutputItem]:
    """Return the items of `dump_items`, made the way in which the OpenAI client makes them: nothing is checked."""
    return list(Response.construct(output=json.loads(text)).output)
