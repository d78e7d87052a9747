"""Earlier runs as a model is sent them."""

import datetime as dt
import json
from collections.abc import Sequence

from chat_api.agent.history import CHARS_PER_TOKEN, estimated_tokens, input_items
from chat_api.agent.turn import PastCall, PastRun, ToolCall, ToolOutcome, Turn
from hypothesis import given
from hypothesis import strategies as st

RUN_ID = "0199c0de-0000-7000-8000-00000000abcd"
OTHER_RUN_ID = "0199c0de-0000-7000-8000-00000000ef01"


def past(ordinal: int, index: int, tool: str = "add_task") -> PastCall:
    arguments = json.dumps({"at": [ordinal, index]})
    return PastCall(ToolCall(ordinal, index, tool, arguments), ToolOutcome(f'{{"n":{index}}}', is_error=False))


def run(*calls: PastCall, run_id: str = RUN_ID, message: str = "add milk", answer: str = "Done.") -> PastRun:
    return PastRun(run_id, message, calls, answer)


def items_of(history: Sequence[PastRun], message: str = "and now?") -> list[dict[str, object]]:
    now = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    return [dict(item) for item in input_items(Turn("ann", OTHER_RUN_ID, message, history, now))]


def test_without_history_there_is_only_the_message() -> None:
    assert items_of([], "hello") == [{"role": "user", "content": "hello"}]


def test_a_run_is_its_message_its_calls_with_their_outputs_and_its_answer() -> None:
    sent = items_of([run(past(0, 0), past(0, 1), past(1, 0, "list_tasks"))])
    assert [item.get("role") or item["type"] for item in sent] == [
        "user",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
        "function_call",
        "function_call_output",
        "assistant",
        "user",
    ]
    assert (sent[0]["content"], sent[-2]["content"], sent[-1]["content"]) == ("add milk", "Done.", "and now?")
    assert sent[1]["call_id"] == sent[3]["call_id"]
    assert (sent[5]["name"], sent[5]["arguments"]) == ("list_tasks", '{"at": [1, 0]}')
    assert sent[4]["output"] == '{"n":1}'


def test_provider_ids_are_not_sent() -> None:
    assert all("id" not in item for item in items_of([run(past(0, 0))]))


def test_runs_come_in_their_order() -> None:
    history = [run(message=f"question {n}", answer=f"answer {n}") for n in range(3)]
    contents = [item["content"] for item in items_of(history)]
    assert contents == [f"{kind} {n}" for n in range(3) for kind in ("question", "answer")] + ["and now?"]


places = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), unique=True, max_size=12)


@given(places, places)
def test_every_call_has_its_output_and_an_id_of_its_own_over_all_runs(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    history = [
        run(*(past(*place) for place in one)),
        run(*(past(*place) for place in other), run_id=OTHER_RUN_ID),
    ]
    sent = items_of(history)
    calls = [item["call_id"] for item in sent if item.get("type") == "function_call"]
    outputs = [item["call_id"] for item in sent if item.get("type") == "function_call_output"]
    assert len(calls) == len(set(calls)) == len(one) + len(other)
    assert sorted(map(str, calls)) == sorted(map(str, outputs))
    ids = [item.get("call_id") for item in sent]
    assert all(ids.index(name) < len(ids) - 1 - ids[::-1].index(name) for name in calls)


def test_four_characters_of_json_are_a_token() -> None:
    bare = len('[{"role":"user","content":""},{"role":"assistant","content":""}]')
    for extra in range(9):
        expected = -(-(bare + extra) // CHARS_PER_TOKEN)
        assert estimated_tokens(run(message="x" * extra, answer="")) == expected


def test_calls_cost_tokens_too() -> None:
    assert estimated_tokens(run(past(0, 0), past(0, 1))) > estimated_tokens(run(past(0, 0))) > estimated_tokens(run())
