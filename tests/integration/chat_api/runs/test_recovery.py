"""Owners that are killed or frozen: another process brings their runs to the one end that every reader sees."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from tests.integration.chat_api.conftest import ChatUser, as_user, execute_sql, running_chat
from tests.integration.chat_api.runs.conftest import (
    EventStream,
    Replicas,
    following,
    held,
    kinds,
    replayed,
    sending,
    status_of,
    story_of,
)
from tests.support.chat import calls_and_outputs
from tests.support.databases import NewDatabase
from tests.support.openai_stub import Call, Calls, OpenAIStub, Say
from tests.support.services import Service
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEASE_SECONDS = 4
"""One that a test can wait for, and that a process does not lose which a busy machine holds up for two seconds."""


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Leases that a test can wait for."""
    return {"RUN_LEASE_SECONDS": str(LEASE_SECONDS)}


def lapse(replicas: Replicas, run_id: str) -> None:
    """Let the lease pass of a run whose first owner was killed."""
    replicas.sql(f"UPDATE runs SET lease_expires_at = 1 WHERE run_id = '{run_id}' AND attempt = 1")  # noqa: S608


async def tasks_of(user: ChatUser, todo: Service) -> list[str]:
    """Return the titles of a user's tasks in the todo server's own database, in the order of their numbers."""
    rows = execute_sql(
        todo.environment["DATABASE_URL"],
        f"SELECT title FROM tasks WHERE user_id = '{user.user_id}' ORDER BY task_id",  # noqa: S608
    )
    return [title for (title,) in rows]


def shows_a_message_taken_back(stream: EventStream, answer: str) -> None:
    """See that a whole stream tells of one run: words of a lost owner, taken back, and the answer in their place."""
    story = story_of(stream.events)
    assert story.words == story.answer == answer
    assert kinds(stream.events).count("RUN_STARTED") == 1
    started = [event.body["messageId"] for event in stream.events if event.body["type"] == "TEXT_MESSAGE_START"]
    taken_back = [event.body for event in stream.events if event.body["type"] == "CUSTOM"]
    assert len(started) == len(set(started)) == 2
    assert [(event["name"], event["value"]) for event in taken_back] == [
        ("message_discarded", {"messageId": started[0]})
    ]


@pytest.mark.docker
async def test_readers_of_a_run_whose_owner_is_killed_get_it_whole(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as never:
        stub.reply(Say("one two three four", hold=never), Say("five six"))
        async with sending(here, "count") as live:
            seen = await live.until("TEXT_MESSAGE_CONTENT")
            async with following(there, seen.run_id) as reader:
                await reader.until("TEXT_MESSAGE_CONTENT")
                await replicas.first.kill()
                await reader.rest()
    shows_a_message_taken_back(reader, "five six")
    # What a client has seen was stored before: it is a part of what everybody gets.
    assert reader.events[: len(live.events)] == live.events
    assert reader.events[-1].body["outcome"] == {"type": "success"}
    reconnected = await replayed(there, seen.run_id, live.events[-1])
    assert live.events + reconnected.events == reader.events
    run = await there.read(f"runs/{seen.run_id}")
    assert (run["status"], run["attempt"]) == ("completed", 2)
    assert await there.said(run["conversation_id"]) == [("user", "count"), ("assistant", "five six")]


async def test_a_process_that_was_killed_goes_on_with_its_run_when_it_is_back(
    new_database: NewDatabase, todo: Service, stub: OpenAIStub, user_id: str
) -> None:
    async with (
        running_chat(new_database("sqlite"), todo, stub, RUN_LEASE_SECONDS=str(LEASE_SECONDS)) as service,
        as_user(service, user_id) as ann,
    ):
        with held() as never:
            stub.reply(Call("add_task", {"title": "milk"}), Say("one two three four", hold=never), Say("Added."))
            async with sending(ann, "milk") as live:
                seen = await live.until("TEXT_MESSAGE_CONTENT")
                await service.kill()
        await service.restart()
        reconnected = await replayed(ann, seen.run_id, live.events[-1])
        whole = await replayed(ann, seen.run_id)
        assert live.events + reconnected.events == whole.events
        shows_a_message_taken_back(whole, "Added.")
        assert await tasks_of(ann, todo) == ["milk"]
        conversation = (await ann.read(f"runs/{seen.run_id}"))["conversation_id"]
        assert await ann.said(conversation) == [("user", "milk"), ("assistant", "Added.")]


@pytest.mark.docker
async def test_what_is_journalled_is_neither_asked_nor_done_again(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub, todo: Service
) -> None:
    with held() as never:
        stub.reply(
            Calls((Call("add_task", {"title": "milk"}), Call("add_task", {"title": "eggs"}))),
            Call("list_tasks"),
            Say("one two three four", hold=never),
            Say("Two tasks."),
        )
        async with sending(here, "two things") as live:
            seen = await live.until("TEXT_MESSAGE_CONTENT")
            await replicas.first.kill()
    lapse(replicas, seen.run_id)
    whole = await replayed(there, seen.run_id)
    shows_a_message_taken_back(whole, "Two tasks.")
    assert len(stub.requests) == 4
    # The new owner's only request is the one that was lost, to the letter.
    assert stub.requests[3] == stub.requests[2]
    assert await tasks_of(there, todo) == ["milk", "eggs"]
    assert kinds(whole.events).count("TOOL_CALL_RESULT") == 3
    run = await there.read(f"runs/{seen.run_id}")
    assert [call["tool_name"] for call in run["tool_calls"]] == ["add_task", "add_task", "list_tasks"]
    assert run["usage"]["model_requests"] == 3


@pytest.mark.docker
async def test_calls_of_a_response_that_were_not_sent_yet_are_sent_by_the_next_owner(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub, todo: Service
) -> None:
    eggs = f"eggs {here.user_id}"
    second = replicas.to_todo.catch(eggs.encode(), "request")
    stub.reply(Calls((Call("add_task", {"title": "milk"}), Call("add_task", {"title": eggs}))), Say("Two tasks."))
    async with sending(here, "two things") as live:
        run_id = (await live.until("TOOL_CALL_RESULT")).run_id
        await asyncio.wait_for(second.caught.wait(), 10)
        await replicas.first.kill()
    second.drop()
    lapse(replicas, run_id)
    whole = await replayed(there, run_id)
    assert story_of(whole.events).answer == "Two tasks."
    assert whole.events[: len(live.events)] == live.events
    assert await tasks_of(there, todo) == ["milk", eggs]


@pytest.mark.docker
@pytest.mark.parametrize("arrives", ["before the other owner's call", "after the run's end"])
async def test_an_owner_frozen_between_journal_and_call_does_nothing_twice_when_it_wakes(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub, todo: Service, arrives: str
) -> None:
    title = f"milk {here.user_id}"
    call = replicas.to_todo.catch(title.encode(), "request")
    stub.reply(Call("add_task", {"title": title}), Say("Added."))
    async with sending(here, "milk") as live:
        run_id = (await live.until("TOOL_CALL_END")).run_id
        await asyncio.wait_for(call.caught.wait(), 10)
        replicas.freeze(replicas.first)
        if arrives.startswith("before"):
            call.pass_on()
        whole = await replayed(there, run_id)
        before = replicas.written(run_id)
        call.pass_on()
        replicas.wake(replicas.first)
        await until(lambda: f"run {run_id} is no longer this process's" in replicas.first.log)
        await live.rest()
    assert live.events == whole.events
    assert story_of(whole.events).answer == "Added."
    assert await tasks_of(there, todo) == [title]
    assert replicas.written(run_id) == before
    assert len(stub.requests) == 2
    run = await there.read(f"runs/{run_id}")
    assert (run["status"], run["attempt"]) == ("completed", 2)
    stub.reply(Say("here again"))
    assert (await here.say("and now?", run["conversation_id"]))["response"] == "here again"


@pytest.mark.docker
async def test_an_owner_frozen_while_its_model_speaks_says_no_more_when_it_wakes(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as go_on:
        stub.reply(Say("one two three four", hold=go_on), Say("five six"))
        async with sending(here, "count") as live:
            run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
            replicas.freeze(replicas.first)
            whole = await replayed(there, run_id)
            before = replicas.written(run_id)
            go_on.set()
            replicas.wake(replicas.first)
            await live.rest()
            await until(lambda: f"run {run_id} is no longer this process's" in replicas.first.log)
    shows_a_message_taken_back(whole, "five six")
    assert live.events == whole.events
    assert replicas.written(run_id) == before


@asynccontextmanager
async def always_lapsing(replicas: Replicas, run_id: str, owner: int) -> AsyncIterator[None]:
    """Let an owner's lease pass, however often it is renewed."""

    async def lapse() -> None:
        while True:
            replicas.sql(
                f"UPDATE runs SET lease_expires_at = 0 WHERE run_id = '{run_id}' AND attempt = {owner}"  # noqa: S608
                " AND status = 'running'"
            )
            await asyncio.sleep(0.05)

    lapsing = asyncio.create_task(lapse())
    try:
        yield
    finally:
        lapsing.cancel()
        await asyncio.gather(lapsing, return_exceptions=True)


async def attempt_after(user: ChatUser, run_id: str, attempt: int) -> dict[str, Any]:
    """Wait until a run has another owner, or has ended."""

    async def look() -> dict[str, Any] | None:
        run: dict[str, Any] = await user.read(f"runs/{run_id}")
        return run if run["attempt"] > attempt or run["status"] != "running" else None

    run: dict[str, Any] = await until(look)
    return run


def asked(stub: OpenAIStub, times: int) -> bool:
    """Tell whether the model was asked so many times."""
    return len(stub.requests) >= times


@pytest.mark.docker
async def test_a_run_that_is_taken_over_again_and_again_in_vain_is_given_up(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as never:
        stub.answer = lambda _: Say("one two three four", hold=never)
        async with sending(here, "count") as live:
            run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
            for attempt in range(1, 5):
                async with always_lapsing(replicas, run_id, attempt):
                    run = await attempt_after(there, run_id, attempt)
                if run["status"] == "running":
                    await until(partial(asked, stub, attempt + 1))
            await live.rest()
        # Those who lost it have closed their model requests.
        await until(lambda: stub.open == 0)
    assert (run["status"], run["error"]["type"]) == ("failed", "interrupted")
    assert len(stub.requests) == 4
    whole = await replayed(there, run_id)
    assert live.events == whole.events
    assert story_of(whole.events).faults == []
    assert (whole.events[-1].body["type"], whole.events[-1].body["code"]) == ("RUN_ERROR", "interrupted")
    conversation = run["conversation_id"]
    assert await there.said(conversation) == []
    stub.answer = None
    stub.reply(Say("here again"))
    assert (await there.say("are you there?", conversation))["response"] == "here again"
    assert await here.said(conversation) == [("user", "are you there?"), ("assistant", "here again")]


@pytest.mark.docker
async def test_a_run_that_comes_on_is_taken_over_as_often_as_it_needs(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    takeovers = 5
    with held() as never:
        for _ in range(takeovers):
            stub.reply(Call("list_tasks"), Say("one two three four", hold=never))
        stub.reply(Say("At last."))
        async with sending(here, "look") as live:
            run_id = (await live.next()).run_id
            for attempt in range(1, takeovers + 1):
                await until(partial(asked, stub, 2 * attempt))
                async with always_lapsing(replicas, run_id, attempt):
                    run = await attempt_after(there, run_id, attempt)
            await live.rest()
    run = await status_of(there, run_id, "completed")
    assert run["attempt"] == takeovers + 1
    assert story_of(live.events).answer == "At last."
    assert kinds(live.events).count("TOOL_CALL_RESULT") == len(run["tool_calls"]) == takeovers
    calls, outputs = calls_and_outputs(stub.requests[-1])
    assert calls == outputs
    assert len(set(calls)) == takeovers


@pytest.mark.docker
async def test_a_run_that_was_to_stop_when_its_owner_died_is_stopped_by_the_next(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as never:
        stub.reply(Say("one two three four", hold=never))
        async with sending(here, "count") as live:
            seen = await live.until("TEXT_MESSAGE_CONTENT")
            replicas.freeze(replicas.first)
            stopped = await there.http.post(f"/api/{there.user_id}/runs/{seen.run_id}/cancel")
            assert stopped.status_code == 202
            await replicas.first.kill()
            replicas.frozen.clear()
    lapse(replicas, seen.run_id)
    whole = await replayed(there, seen.run_id)
    assert whole.events[-1].body["outcome"] == {"type": "cancelled"}
    assert story_of(whole.events).answer == story_of([*live.events, *whole.events[len(live.events) :]]).answer
    assert len(stub.requests) == 1
    conversation = (await there.read(f"runs/{seen.run_id}"))["conversation_id"]
    said = await there.said(conversation)
    assert said == [("user", "count"), ("assistant", story_of(whole.events).answer)]
    assert said[1][1].startswith("one")
