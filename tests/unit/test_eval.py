"""What the tool-choice evaluation counts as right."""

import datetime as dt
from typing import Any

import pytest

from tests.eval.cases import cases
from tests.eval.scoring import Call, chosen, fits

NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)
ADD = Call("add_task", {"title": "buy milk", "due": "2026-11-24"})
LOOK = Call("list_tasks", {"query": "milk"})


def call(tool: str, result: Any = None, **arguments: Any) -> dict[str, Any]:
    return {"tool_name": tool, "parameters": arguments, "result": {"task_id": 1} if result is None else result}


def test_there_are_sixty_sentences_and_each_accepts_its_own_outcomes() -> None:
    sixty = cases(NOW)
    assert len({case.said for case in sixty}) == 60
    for case in sixty:
        assert case.accepted
        for outcome in case.accepted:
            assert fits(outcome, case.accepted)


def test_no_sentence_is_met_by_doing_nothing_unless_nothing_is_right() -> None:
    idle = [case.said for case in cases(NOW) if fits((), case.accepted)]
    assert len(idle) == 4


def test_every_tool_but_the_batch_is_asked_for() -> None:
    tools = {call.tool for case in cases(NOW) for outcome in case.accepted for call in outcome}
    assert tools == {
        *("add_task", "list_tasks", "get_task", "update_task", "complete_task", "reopen_task"),
        *("delete_task", "restore_task", "set_timezone"),
    }


@pytest.mark.parametrize(
    "made",
    [
        {"title": "Buy milk.", "due": "2026-11-24"},
        {"title": "buy the milk", "due": "2026-11-24", "priority": "normal"},
        {"title": "Buy milk", "due": "2026-11-24", "due_at": None, "tags": [], "description": ""},
    ],
)
def test_spelling_and_arguments_that_say_nothing_make_no_difference(made: dict[str, Any]) -> None:
    assert fits([Call("add_task", made)], [(ADD,)])


@pytest.mark.parametrize(
    "calls",
    [
        [],
        [Call("add_task", {"title": "buy milk"})],
        [Call("add_task", {"title": "buy milk", "due": "2026-11-25"})],
        [Call("add_task", {"title": "buy milk", "due": "2026-11-24", "priority": "high"})],
        [Call("add_task", {"title": "buy oat milk", "due": "2026-11-24"})],
        [ADD, ADD],
        [ADD, Call("delete_task", {"task_id": 1})],
        [Call("update_task", dict(ADD.arguments))],
    ],
)
def test_another_day_more_or_less_is_wrong(calls: list[Call]) -> None:
    assert not fits(calls, [(ADD,)])


def test_looking_first_is_free_and_order_does_not_matter() -> None:
    delete = Call("delete_task", {"task_id": 2})
    assert fits([LOOK, delete, LOOK, ADD], [(ADD, delete)])


def test_a_question_needs_its_look_and_no_change() -> None:
    assert fits([Call("list_tasks", {"query": "milk", "limit": 10, "sort": "due"})], [(LOOK,)])
    assert not fits([Call("list_tasks", {"query": "tea"})], [(LOOK,)])
    assert not fits([LOOK, ADD], [(LOOK,)])


def test_an_emptied_field_is_not_a_field_left_out() -> None:
    cleared = Call("update_task", {"task_id": 1, "due": ""})
    assert fits([cleared], [(cleared,)])
    assert not fits([Call("update_task", {"task_id": 1, "due": "", "tags": []})], [(cleared,)])


def test_instants_and_rules_are_compared_by_what_they_mean() -> None:
    wanted = Call(
        "add_task", {"title": "x", "due_at": "2026-11-24T17:00:00+01:00", "recurrence": "FREQ=WEEKLY;BYDAY=MO"}
    )
    same = {"title": "x", "due_at": "2026-11-24T16:00:00Z", "recurrence": "RRULE:BYDAY=MO;FREQ=WEEKLY;INTERVAL=1"}
    assert fits([Call("add_task", same)], [(wanted,)])
    assert not fits([Call("add_task", {**same, "due_at": "2026-11-24T17:00:00Z"})], [(wanted,)])
    assert not fits([Call("add_task", {**same, "due_at": "2026-11-24T17:00:00"})], [(wanted,)])
    assert not fits([Call("add_task", {**same, "recurrence": "FREQ=WEEKLY;BYDAY=TU"})], [(wanted,)])


def test_refused_calls_and_items_count_for_nothing_and_a_batch_for_its_items() -> None:
    refused = call("add_task", {"error": "due must be a date"}, title="buy milk", due="tomorrow")
    outcomes = {
        "add": [{"task_id": 4, "title": "buy milk"}],
        "complete": [{"task_id": 2, "title": "x"}, {"error": "complete[1]: task_id 9 does not exist"}],
    }
    batch = call("batch_tasks", outcomes, add=[dict(ADD.arguments)], complete=[2, 9])
    assert chosen([refused, batch]) == [ADD, Call("complete_task", {"task_id": 2})]


def test_arguments_are_read_as_the_server_reads_them() -> None:
    local = call("add_task", title="x", due_at="2026-12-24T17:00[Europe/Berlin]", tags='["a"]')
    wanted = Call("add_task", {"title": "x", "due_at": "2026-12-24T17:00:00+01:00", "tags": ["a"]})
    assert fits(chosen([local]), [(wanted,)])
    as_text = call("batch_tasks", {"complete": [{"task_id": 1}, {"task_id": 3}]}, complete="[1, 3]")
    assert [made.arguments for made in chosen([as_text])] == [{"task_id": 1}, {"task_id": 3}]
