"""`Last-Event-ID`: the number of an event of this very run, or a refusal that says what is wanted."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from chat_api.database import DatabaseUnavailableError
from chat_api.journal.sse import event_number, stream
from chat_api.problems import InvalidRequestError

RUN = "0197a1b2-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("event_id", "n"), [(None, 0), (f"{RUN}:0", 0), (f"{RUN}:17", 17), (f"{RUN}:2147483647", 2147483647)]
)
def test_an_event_of_the_run(event_id: str | None, n: int) -> None:
    assert event_number(RUN, event_id) == n


@pytest.mark.parametrize(
    "event_id",
    ["", "17", ":17", f"{RUN}:", f"{RUN}:-1", f"{RUN}:1x", f"{RUN}:٣", f"{RUN}:2147483648", f"x{RUN}:1", f"{RUN}: 1"],
)
def test_anything_else_is_refused_by_name(event_id: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        event_number(RUN, event_id)
    assert refused.value.detail.startswith("Last-Event-ID: ")
    assert refused.value.extensions["errors"] == [
        {"field": "Last-Event-ID", "detail": f"must be the id of an event of this run, such as {RUN}:1"}
    ]


class Away:
    """Feeds whose database does not answer."""

    async def follow(self, *_: Any) -> AsyncIterator[list[Any]]:
        raise DatabaseUnavailableError
        yield []


async def test_a_stream_that_cannot_be_read_ends_without_an_event(caplog: pytest.LogCaptureFixture) -> None:
    away: Any = Away()
    assert [data async for data in stream(away, "ann", RUN, 0)] == []
    assert RUN in caplog.text
