"""`Last-Event-ID`: the number of an event of this very run, or a refusal that says what is wanted."""

import pytest
from chat_api.journal.sse import event_number
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
