"""What the offline model makes of earlier runs that were stopped, failed or were replaced."""

import datetime as dt
import json
from collections.abc import Sequence

import pytest
from chat_api.agent.history import input_items
from chat_api.agent.offline.conversation import read_turns
from chat_api.agent.offline.plan import next_step
from chat_api.agent.offline.replay import Request
from chat_api.agent.turn import Ending, PastCall, PastRun, ToolCall, ToolOutcome, Turn

NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)
TOOLS = frozenset({"add_task", "list_tasks", "get_task", "complete_task", "delete_task", "restore_task", "reopen_task"})
RUN_ID = "0199c0de-0000-7000-8000-0000000000"
ENDINGS: Sequence[Ending] = ("completed", "cancelled", "failed", "replaced")


def outcome(number: int, title: str) -> ToolOutcome:
    task = {
        "task_id": number,
        "title": title,
        "status": "open",
        "priority": "normal",
        "version": 1,
        "created_at": "2026-11-20T10:00:00Z",
        "updated_at": "2026-11-20T10:00:00Z",
    }
    return ToolOutcome(json.dumps(task), is_error=False)


def added(number: int, title: str, ending: Ending, *, known: bool = True) -> PastRun:
    call = ToolCall(0, 0, "add_task", json.dumps({"title": title}))
    past = PastCall(call, outcome(number, title) if known else None)
    answer = "Added." if ending in ("completed", "replaced") else ""
    return PastRun(f"{RUN_ID}{number:02}", f"add {title}", [past], answer, ending)


def spoken(ending: Ending, message: str, answer: str) -> PastRun:
    return PastRun(f"{RUN_ID}99", message, [], answer, ending)


def answer_to(message: str, *history: PastRun) -> list[Request] | str:
    turn = Turn("ann", f"{RUN_ID}00", message, history, NOW)
    step = next_step(read_turns(input_items(turn)), TOOLS, NOW)
    return step if isinstance(step, str) else list(step)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_a_run_did_can_be_undone_however_it_ended(ending: Ending) -> None:
    assert answer_to("undo", added(3, "milk", ending)) == [Request("delete_task", {"task_id": 3})]


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_is_what_the_last_run_changed_however_it_ended(ending: Ending) -> None:
    history = (added(3, "milk", "completed"), added(4, "eggs", ending))
    assert answer_to("complete it", *history) == [Request("complete_task", {"task_id": 4})]


@pytest.mark.parametrize("ending", ["cancelled", "failed", "replaced"])
def test_a_call_of_which_nobody_knows_is_not_undone(ending: Ending) -> None:
    history = (added(3, "milk", "completed"), added(4, "eggs", ending, known=False))
    assert answer_to("undo", *history) == [Request("delete_task", {"task_id": 3})]


@pytest.mark.parametrize("ending", ["cancelled", "failed", "replaced"])
def test_a_run_without_calls_changes_nothing_of_what_it_can_mean(ending: Ending) -> None:
    history = (added(3, "milk", "completed"), spoken(ending, "hello", "Hel"))
    assert answer_to("delete it", *history) == [Request("delete_task", {"task_id": 3})]


@pytest.mark.parametrize("ending", ["failed", "replaced"])
def test_an_open_question_outlives_a_run_that_is_not_told_of(ending: Ending) -> None:
    asked = spoken("completed", "add a task", "What should it be called?")
    step = answer_to("buy stamps", asked, spoken(ending, "what?", ""))
    assert step == [Request("add_task", {"title": "buy stamps"})]


def test_the_brackets_of_a_replaced_message_are_no_answer_to_an_open_question() -> None:
    asked = spoken("completed", "add a task", "What should it be called?")
    step = answer_to("show my tasks", asked, added(4, "eggs", "replaced"))
    assert not isinstance(step, str)
    assert [request.name for request in step] == ["list_tasks"]
