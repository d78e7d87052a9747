"""Runs' events as server-sent events (WHATWG HTML, section 9.2)."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from chat_api.database import DatabaseUnavailableError
from chat_api.journal.feed import Feeds
from chat_api.journal.reader import LAST_NUMBER
from chat_api.problems import InvalidRequestError

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "text/event-stream"
HEADERS: Final = {
    # A proxy that compressed or gathered the stream would hold words back until it had enough of them.
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
LAST_EVENT_ID: Final = "Last-Event-ID"
KEEP_ALIVE: Final = b": keep-alive\n\n"
"""A comment, so that nobody on the way takes the connection for dead; clients do not see it."""

_NUMBER: Final = re.compile(r"[0-9]{1,10}")


def event_number(run_id: str, event_id: str | None) -> int:
    """Return the number of the event of a run that a client has seen last, 0 where it has seen none.

    Raises:
        InvalidRequestError: `event_id` names no event that the run can have.
    """
    if event_id is None:
        return 0
    run, _, n = event_id.rpartition(":")
    if run != run_id or not _NUMBER.fullmatch(n) or int(n) > LAST_NUMBER:
        detail = f"must be the id of an event of this run, such as {run_id}:1"
        raise InvalidRequestError(f"{LAST_EVENT_ID}: {detail}", errors=[{"field": LAST_EVENT_ID, "detail": detail}])
    return int(n)


async def stream(feeds: Feeds, user_id: str, run_id: str, after: int) -> AsyncIterator[bytes]:
    """Yield the run's events behind number `after` as they stand on the wire, until the run rests.

    The bytes of an event are the same for every reader at every time. A stream that ends before the run rests is to be
    continued: so it does where the database does not answer at its beginning, since its status has gone out by then.
    """
    try:
        async with aclosing(feeds.follow(user_id, run_id, after)) as batches:
            async for batch in batches:
                # Encoded JSON has no line breaks, so each event is one data line.
                events = "".join(f"id: {run_id}:{event.n}\ndata: {event.data}\n\n" for event in batch)
                yield events.encode() or KEEP_ALIVE
    except DatabaseUnavailableError:
        logger.warning("a stream of run %s ends before it: the database does not answer", run_id)
