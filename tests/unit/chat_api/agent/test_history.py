"""Earlier runs as a model is sent them."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from chat_api.agent.history import (
    CANCELLED,
    CHARS_PER_TOKEN,
    FAILED,
    NOT_KNOWN,
    REPLACED,
    REPLACED_MESSAGE,
    estimated_tokens,
    input_items,
)
from chat_api.agent.turn import Ending, PastCall, PastRun, ToolCall, ToolOutcome, Turn
from hypothesis import given
from hypothesis import strategies as st

RUN_ID = "0199c0de-0000-7000-8000-00000000abcd"
OTHER_RUN_ID = "0199c0de-0000-7000-8000-00000000ef01"


def past(ordinal: int, index: int, tool: str = "add_task") -> PastCall:
    arguments = json.dumps({"at": [ordinal, index]})
    return PastCall(ToolCall(ordinal, index, tool, arguments), ToolOutcome(f'{{"n":{index}}}', is_error=False))


def run(
    *calls: PastCall,
    run_id: str = RUN_ID,
    message: str = "add milk",
    answer: str = "Done.",
    ending: Ending = "completed",
) -> PastRun:
    return PastRun(run_id, message, calls, answer, ending)


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


def shown(past_run: PastRun) -> list[object]:
    """Return a run's items in short: texts, and the kinds of the others."""
    return [item.get("content") or item["type"] for item in items_of([past_run])[:-1]]


PAIR = ["function_call", "function_call_output"]


def test_a_cancelled_run_is_told_as_far_as_it_came() -> None:
    so_far = run(past(0, 0), answer="Milk is on your li", ending="cancelled")
    assert shown(so_far) == ["add milk", *PAIR, f"Milk is on your li\n\n{CANCELLED}"]
    assert shown(run(answer="", ending="cancelled")) == ["add milk", CANCELLED]


def test_a_failed_run_is_told_only_where_it_called_tools() -> None:
    assert shown(run(past(0, 0), answer="", ending="failed")) == ["add milk", *PAIR, FAILED]
    assert shown(run(answer="", ending="failed")) == []


def test_of_a_replaced_run_only_what_it_did_is_told() -> None:
    replaced = run(past(0, 0), message="add beer", answer="Beer is on your list.", ending="replaced")
    assert shown(replaced) == [REPLACED_MESSAGE, *PAIR, REPLACED]
    assert "beer" not in json.dumps(items_of([replaced])).lower()
    assert shown(run(ending="replaced")) == []


def test_a_call_whose_outcome_nobody_knows_has_an_output_that_says_so() -> None:
    known = past(0, 1)
    lost = PastCall(ToolCall(0, 0, "add_task", "{}"), None)
    sent = items_of([run(lost, known, answer="", ending="failed")])
    outputs = [item for item in sent if item.get("type") == "function_call_output"]
    assert known.outcome
    assert [item["output"] for item in outputs] == [NOT_KNOWN, known.outcome.result]
    assert "list_tasks" in json.loads(NOT_KNOWN)["error"]


places = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), unique=True, max_size=12)


endings = st.sampled_from(get_args(Ending))


@given(places, places, endings, st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4))))
def test_every_call_has_its_output_and_an_id_of_its_own_over_all_runs(
    one: list[tuple[int, int]], other: list[tuple[int, int]], ending: Ending, lost: set[tuple[int, int]]
) -> None:
    calls_of_one = [replace(past(*place), outcome=None) if place in lost else past(*place) for place in one]
    history = [
        run(*calls_of_one, ending=ending),
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


@given(endings, places)
def test_every_run_costs_what_it_is_sent_as(ending: Ending, some: list[tuple[int, int]]) -> None:
    past_run = run(*(past(*place) for place in some), ending=ending)
    sent = items_of([past_run])[:-1]
    text = json.dumps(sent, ensure_ascii=False, separators=(",", ":")) if sent else ""
    assert estimated_tokens(past_run) == -(-len(text) // CHARS_PER_TOKEN)


def test_calls_cost_tokens_too() -> None:
    assert estimated_tokens(run(past(0, 0), past(0, 1))) > estimated_tokens(run(past(0, 0))) > estimated_tokens(run())
