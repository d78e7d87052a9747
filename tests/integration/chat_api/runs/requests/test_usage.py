"""Usage: every model response is counted once, whatever becomes of its run."""

import asyncio
import datetime as dt
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.chat_api.runs.requests.callers import (
    Caller,
    answer,
    early_in_a_day,
    early_in_a_minute,
)
from tests.integration.chat_api.runs.requests.conftest import echo
from tests.support.openai_stub import USAGE, Call, Cut, Fail, OpenAIStub, Raw, Say
from tests.support.problems import problem
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = Fail(400)
"""A refusal that costs nothing and that the model's client does not try again."""


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def one_day() -> None:
    """Tokens are counted by the day."""
    await early_in_a_day()


def cost(responses: int) -> tuple[int, int, int]:
    """Return what so many responses cost: requests, input tokens, output tokens."""
    return responses, responses * USAGE[0], responses * USAGE[1]


def of_run(run: dict[str, Any]) -> tuple[int, int, int]:
    """Return what a run is said to have cost."""
    usage = run["usage"]
    return usage["model_requests"], usage["input_tokens"], usage["output_tokens"]


async def test_nothing_was_used_in_the_beginning(ann: Caller, bob: Caller) -> None:
    began = dt.datetime.now(dt.UTC)
    report = await ann.read("usage")
    ended = dt.datetime.now(dt.UTC)
    assert await ann.usage() == (0, 0, 0, 0)
    assert report["tokens_per_day"]["limit"] is None
    minute = dt.datetime.fromisoformat(report["runs_per_minute"]["resets_at"])
    day = dt.datetime.fromisoformat(report["tokens_per_day"]["resets_at"])
    assert (minute.second, minute.microsecond) == (0, 0)
    assert began < minute <= ended + dt.timedelta(minutes=1)
    assert day.timetz() == dt.time(tzinfo=dt.UTC)
    assert began < day <= ended + dt.timedelta(days=1)
    problem(await bob.http.get(f"/api/{ann.user_id}/usage"), 403, "forbidden")


async def test_every_response_of_an_answered_run_is_counted(ann: Caller, bob: Caller, stub: OpenAIStub) -> None:
    stub.reply(Call("list_tasks"), Call("list_tasks"), Say("Nothing there."))
    told = await ann.ask("what is there?")
    assert (await ann.usage())[1:] == cost(3)
    assert of_run(await ann.run(told["run_id"])) == cost(3)
    stub.reply(Say("Still nothing."))
    again = await ann.ask("and now?", told["conversation_id"])
    assert (await ann.usage())[1:] == cost(4)
    assert of_run(await ann.run(again["run_id"])) == cost(1)
    assert await bob.usage() == (0, 0, 0, 0)
    log = await ann.replay(told["run_id"]).end()
    assert log.events[-1]["usage"][0]["totalTokens"] == 3 * sum(USAGE)


async def test_what_a_failed_run_has_cost_is_counted_and_its_retry_adds_only_what_is_new(
    ann: Caller, stub: OpenAIStub
) -> None:
    stub.reply(Call("list_tasks"), REFUSED)
    failed = problem(await ann.post("what is there?", key="key"), 502, "model-failed")
    assert (await ann.usage())[1:] == of_run(await ann.run(failed["run_id"])) == cost(1)
    stub.reply(Call("list_tasks"), REFUSED)
    problem(await ann.post("what is there?", key="key"), 502, "model-failed")
    assert (await ann.usage())[1:] == of_run(await ann.run(failed["run_id"])) == cost(2)
    stub.reply(Say("Nothing."))
    answer(await ann.retry(failed["run_id"]))
    assert (await ann.usage())[1:] == of_run(await ann.run(failed["run_id"])) == cost(3)


async def test_what_was_said_before_a_failure_is_counted(ann: Caller, stub: OpenAIStub) -> None:
    # An answer that is no answer has been paid for all the same.
    stub.reply(Say("   "))
    failed = problem(await ann.post("hello"), 502, "model-failed")
    assert (await ann.usage())[1:] == of_run(await ann.run(failed["run_id"])) == cost(1)
    stub.reply(Say("Hello."))
    answer(await ann.retry(failed["run_id"]))
    assert (await ann.usage())[1:] == of_run(await ann.run(failed["run_id"])) == cost(2)


@pytest.mark.parametrize("reply", [REFUSED, Raw("nonsense"), Cut(Say("One two"))], ids=["refused", "raw", "cut"])
async def test_an_answer_that_never_came_costs_no_tokens(
    ann: Caller, stub: OpenAIStub, reply: Fail | Raw | Cut
) -> None:
    stub.answer = lambda _: reply
    failed = problem(await ann.post("hello"), 502, "model-failed")
    assert (await ann.usage())[2:] == of_run(await ann.run(failed["run_id"]))[1:] == (0, 0)


async def test_a_repeat_costs_nothing(ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub) -> None:
    await early_in_a_minute()
    stub.answer = echo
    await ann.ask("hello", key="key")
    before = await ann.usage()
    assert before == (1, *cost(1))
    for caller in (ann, ann_elsewhere):
        await caller.ask("hello", key="key")
        assert await caller.usage() == before


async def test_a_stopped_run_has_cost_what_was_answered_whole(
    ann: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    stub.reply(Call("list_tasks"), Say("One two", hold=hold))
    stream = ann.stream("what is there?")
    await stream.first("TEXT_MESSAGE_CONTENT")
    # Counted as it comes in, not when the run ends.
    assert (await ann.usage())[1:] == cost(1)
    await ann.cancel(stream.run_id)
    await stream.end()
    assert (await ann.usage())[1:] == of_run(await ann.run(stream.run_id)) == cost(1)
    stub.reply(Say("Nothing."))
    answer(await ann.retry(stream.run_id))
    assert (await ann.usage())[1:] == of_run(await ann.run(stream.run_id)) == cost(2)


async def test_runs_are_counted_when_they_are_admitted(ann: Caller, stub: OpenAIStub, hold: asyncio.Event) -> None:
    await early_in_a_minute()
    stub.reply(Say("One two", hold=hold))
    stub.answer = echo
    sent = ann.sending("hello")
    await until(lambda: len(stub.requests) == 1)
    assert (await ann.usage())[0] == 1
    hold.set()
    conversation = answer(await sent)["conversation_id"]
    problem(await ann.post("hello", 999), 404, "conversation-not-found")
    assert (await ann.usage())[0] == 1
    await ann.ask("go on", conversation)
    assert (await ann.usage())[0] == 2


async def test_what_many_runs_have_cost_adds_up(ann: Caller, stub: OpenAIStub) -> None:
    stub.answer = echo
    told = await asyncio.gather(*(ann.ask(f"message {n}") for n in range(8)))
    runs = [await ann.run(one["run_id"]) for one in told]
    assert [of_run(run) for run in runs] == [cost(1)] * 8
    assert (await ann.usage())[1:] == cost(8)
