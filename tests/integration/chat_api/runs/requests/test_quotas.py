"""Quotas: what goes over a limit is refused and leaves nothing behind, not even a used key."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio

from tests.integration.chat_api.conftest import execute_sql
from tests.integration.chat_api.runs.requests.callers import Caller, answer, calling, early_in_a_day
from tests.integration.chat_api.runs.requests.conftest import echo, stored
from tests.integration.chat_api.runs.requests.gate import Gate
from tests.support.openai_stub import USAGE, Call, Fail, OpenAIStub, Say
from tests.support.problems import problem
from tests.support.services import Service, running_chat_api

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUNS_PER_MINUTE = 2
TOKENS_PER_DAY = 3 * sum(USAGE) - 1
"""The third response goes over it."""
AHEAD_MINUTES = 60
DAY_SECONDS = 24 * 60 * 60


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chat(module_database_url: str, chat: Service, todo_gate: tuple[Gate, str]) -> AsyncIterator[Service]:
    """A chat-api with low limits, on the database of the others."""
    variables = {name: value for name, value in chat.environment.items() if name.startswith(("OPENAI", "MODEL"))}
    limits = {"RUNS_PER_MINUTE": str(RUNS_PER_MINUTE), "TOKENS_PER_DAY": str(TOKENS_PER_DAY)}
    async with running_chat_api(module_database_url, todo_gate[1], **variables, **limits) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def one_day() -> None:
    """Tokens are counted by the day."""
    await early_in_a_day()


class Clock:
    """Moves one user's counters in time, behind the service's back."""

    def __init__(self, database_url: str, user_id: str) -> None:
        self._url = database_url
        self._where = f"WHERE user_id = '{user_id}'"

    def stop(self) -> None:
        """Keep the present minute's count, whatever minute comes next."""
        execute_sql(self._url, f"UPDATE users SET minute = minute + {AHEAD_MINUTES} {self._where}")  # noqa: S608

    def next_minute(self) -> None:
        """Let the counted minute be over."""
        execute_sql(self._url, f"UPDATE users SET minute = 1 {self._where}")  # noqa: S608

    def next_day(self) -> None:
        """Let today's costs be yesterday's."""
        execute_sql(self._url, f"UPDATE daily_usage SET day = '2026-01-01' {self._where}")  # noqa: S608


@pytest.fixture
def clock(module_database_url: str, user_id: str) -> Clock:
    """The user's clock."""
    return Clock(module_database_url, user_id)


def retry_after(response: httpx.Response) -> int:
    """Return the seconds that a refusal asks to wait for."""
    return int(response.headers["Retry-After"])


async def test_a_user_may_send_so_many_messages_in_a_minute(
    ann: Caller, bob: Caller, stub: OpenAIStub, module_database_url: str, clock: Clock
) -> None:
    stub.answer = echo
    first = await ann.ask("one", key="key-1")
    clock.stop()
    conversation = first["conversation_id"]
    await ann.ask("two", conversation)
    before = stored(module_database_url, ann.user_id)
    refused = await ann.post("three", conversation, key="key-3")
    problem(refused, 429, "rate-limited")
    assert 1 <= retry_after(refused) <= 60
    problem(await ann.post("three", key="key-3"), 429, "rate-limited")
    refusal = (await ann.stream("three", conversation, key="key-3").end()).refusal
    assert refusal is not None
    problem(refusal, 429, "rate-limited")
    assert 1 <= retry_after(refusal) <= 60
    assert stored(module_database_url, ann.user_id) == before
    assert len(stub.requests) == 2
    # What is on record already is no new run, and the limit is each user's own.
    assert await ann.ask("one", key="key-1") == first
    assert (await bob.ask("hello"))["response"] == "you said hello"
    clock.next_minute()
    clock.next_day()
    assert (await ann.ask("not three", conversation, key="key-3"))["response"] == "you said not three"


async def test_a_retry_counts_as_a_run(ann: Caller, stub: OpenAIStub, module_database_url: str, clock: Clock) -> None:
    stub.reply(Fail(400), Fail(400))
    failed = problem(await ann.post("hello", key="key"), 502, "model-failed")
    clock.stop()
    problem(await ann.retry(failed["run_id"]), 502, "model-failed")
    before = stored(module_database_url, ann.user_id)
    for refused in (await ann.retry(failed["run_id"]), await ann.post("hello", key="key")):
        problem(refused, 429, "rate-limited")
        assert 1 <= retry_after(refused) <= 60
    assert stored(module_database_url, ann.user_id) == before
    clock.next_minute()
    stub.answer = echo
    assert answer(await ann.retry(failed["run_id"]))["response"] == "you said hello"


async def test_a_message_that_waits_its_turn_counts_when_it_is_sent(
    ann: Caller, stub: OpenAIStub, clock: Clock, hold: asyncio.Event
) -> None:
    stub.reply(Say("One two", hold=hold))
    stub.answer = echo
    active = ann.stream("first")
    await active.first("TEXT_MESSAGE_CONTENT")
    clock.stop()
    waiting = ann.sending("second", active.conversation_id, on_busy="enqueue")
    await ann.begun("second", active.conversation_id)
    for on_busy in ("reject", "enqueue", "interrupt"):
        refused = await ann.post("third", active.conversation_id, on_busy=on_busy)
        problem(refused, 429, "rate-limited")
    assert (await ann.run(active.run_id))["status"] == "running"
    hold.set()
    assert answer(await waiting)["response"] == "you said second"


async def test_a_user_may_use_so_many_tokens_in_a_day(
    ann: Caller, bob: Caller, stub: OpenAIStub, module_database_url: str, clock: Clock
) -> None:
    stub.reply(Call("list_tasks"), Say("Nothing there."), Call("list_tasks"), Say("Still nothing."))
    first = await ann.ask("what is there?", key="key-1")
    # One run may go over the limit: it is asked about before the first token of a run, not within it.
    second = await ann.ask("and now?", first["conversation_id"])
    assert second["response"] == "Still nothing."
    clock.next_minute()
    before = stored(module_database_url, ann.user_id)
    asked_at = dt.datetime.now(dt.UTC)
    refused = await ann.post("and then?", first["conversation_id"], key="key-3")
    problem(refused, 429, "quota-exceeded")
    midnight = dt.datetime.combine(asked_at.date() + dt.timedelta(days=1), dt.time(), dt.UTC)
    longest, shortest = ((midnight - at).total_seconds() for at in (asked_at, dt.datetime.now(dt.UTC)))
    assert shortest - 1 <= retry_after(refused) <= longest + 1
    problem(await ann.post("and then?", key="key-3"), 429, "quota-exceeded")
    assert stored(module_database_url, ann.user_id) == before
    assert len(stub.requests) == 4
    assert await ann.ask("what is there?", key="key-1") == first
    stub.answer = echo
    assert (await bob.ask("hello"))["response"] == "you said hello"
    clock.next_day()
    assert (await ann.ask("not then", first["conversation_id"], key="key-3"))["response"] == "you said not then"


async def test_a_failed_run_is_not_gone_on_with_over_the_days_limit(
    ann: Caller, stub: OpenAIStub, module_database_url: str, clock: Clock
) -> None:
    stub.reply(*[Call("list_tasks")] * 3, Fail(400))
    failed = problem(await ann.post("what is there?", key="key"), 502, "model-failed")
    before = stored(module_database_url, ann.user_id)
    for refused in (await ann.retry(failed["run_id"]), await ann.post("what is there?", key="key")):
        problem(refused, 429, "quota-exceeded")
        assert 1 <= retry_after(refused) <= DAY_SECONDS
    assert stored(module_database_url, ann.user_id) == before
    clock.next_day()
    stub.reply(Say("Nothing."))
    assert answer(await ann.retry(failed["run_id"]))["response"] == "Nothing."


async def test_a_limit_is_met_after_ownership_and_before_a_busy_conversation(
    ann: Caller, stub: OpenAIStub, clock: Clock, hold: asyncio.Event
) -> None:
    stub.answer = echo
    first = await ann.ask("one")
    clock.stop()
    stub.reply(Say("One two", hold=hold))
    active = ann.stream("two", first["conversation_id"])
    await active.first("TEXT_MESSAGE_CONTENT")
    problem(await ann.post("three", first["conversation_id"]), 429, "rate-limited")
    problem(await ann.post("three", 999), 404, "conversation-not-found")
    unknown = await ann.post("three", first["conversation_id"], replaces="0197-no-such-run")
    problem(unknown, 404, "run-not-found")
    problem(await ann.post(" ", first["conversation_id"]), 422, "invalid-request")
    # A retry looks in the same order.
    problem(await ann.retry("0197-no-such-run"), 404, "run-not-found")


async def test_limits_are_told(ann: Caller) -> None:
    report = await ann.read("usage")
    assert (report["runs_per_minute"]["used"], report["runs_per_minute"]["limit"]) == (0, RUNS_PER_MINUTE)
    assert (report["tokens_per_day"]["used"], report["tokens_per_day"]["limit"]) == (0, TOKENS_PER_DAY)


async def test_sends_at_once_do_not_get_past_the_limit(
    ann: Caller, chat: Service, stub: OpenAIStub, clock: Clock, stack: AsyncExitStack
) -> None:
    stub.answer = echo
    await ann.ask("one")
    clock.stop()
    others = [await stack.enter_async_context(calling(chat, ann.user_id)) for _ in range(5)]
    responses = await asyncio.gather(*(other.post("two") for other in others))
    assert sorted(response.status_code for response in responses) == [200, 429, 429, 429, 429]
    assert (await ann.read("usage"))["runs_per_minute"]["used"] == RUNS_PER_MINUTE
