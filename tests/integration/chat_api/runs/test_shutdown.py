"""A process that is asked to end (SIGTERM) brings to an end what it can, and hands over the rest at once."""

import asyncio
import time

import httpx
import pytest

from tests.integration.chat_api.conftest import ChatUser
from tests.integration.chat_api.runs.conftest import (
    Replicas,
    following,
    held,
    kinds,
    replayed,
    sending,
    status_of,
    story_of,
)
from tests.support.openai_stub import Call, OpenAIStub, Say
from tests.support.services import Service
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker]

LEASE_SECONDS = 120
HANDED_OVER_SECONDS = 40
"""Far less than what is left of a lease, which was renewed within its last third."""


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Leases that no test waits for."""
    return {"RUN_LEASE_SECONDS": str(LEASE_SECONDS)}


async def takes_no_more(service: Service) -> None:
    """Wait until a process that was asked to end lets nobody in."""

    async def look() -> bool:
        async with httpx.AsyncClient(trust_env=False) as newcomer:
            try:
                await newcomer.get(f"{service.base_url}/livez")
            except httpx.TransportError:
                return True
        return False

    await until(look)


async def test_a_run_that_does_not_end_in_time_is_handed_over(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as never:
        stub.reply(Call("add_task", {"title": "milk"}), Say("one two three four", hold=never), Say("Added."))
        async with sending(here, "milk") as live:
            seen = await live.until("TEXT_MESSAGE_CONTENT")
        async with following(there, seen.run_id) as reader:
            await reader.until("TEXT_MESSAGE_CONTENT")
            asked_at = time.monotonic()
            stopping = asyncio.create_task(replicas.first.stop())
            await reader.rest()
            took = time.monotonic() - asked_at
            assert await stopping == 0
    assert took < HANDED_OVER_SECONDS
    assert reader.events[: len(live.events)] == live.events
    story = story_of(reader.events)
    assert (story.words, len(story.results)) == ("Added.", 1)
    assert kinds(reader.events).count("RUN_STARTED") == 1
    # Nobody died over it: what was handed over in good order is not on its way to be given up.
    recovered = f"SELECT attempt, recoveries FROM runs WHERE run_id = '{seen.run_id}'"  # noqa: S608
    assert replicas.sql(recovered) == [(2, 0)]


async def test_a_caller_who_waits_gets_the_answer_from_the_process_that_ends(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as go_on:
        stub.reply(Say("one two three four", hold=go_on))
        waiting = asyncio.create_task(here.say("count"))
        await until(lambda: stub.open == 1)
        stopping = asyncio.create_task(replicas.first.stop())
        await takes_no_more(replicas.first)
        go_on.set()
        answer = await waiting
        assert await stopping == 0
    assert answer["response"] == "one two three four"
    assert (await there.read(f"runs/{answer['run_id']}"))["attempt"] == 1


async def test_a_run_that_ends_in_time_leaves_the_next_in_line_to_another_process(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as go_on:
        stub.reply(Say("one two three four", hold=go_on), Say("second"))
        async with sending(here, "first") as live:
            run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
        conversation = (await there.read(f"runs/{run_id}"))["conversation_id"]
        queued = asyncio.create_task(there.say("second", conversation, on_busy="enqueue"))

        async def waits() -> bool:
            return bool((await there.runs(conversation))[0]["status"] == "queued")

        await until(waits)
        asked_at = time.monotonic()
        stopping = asyncio.create_task(replicas.first.stop())
        await takes_no_more(replicas.first)
        go_on.set()
        answer = await queued
        took = time.monotonic() - asked_at
        assert await stopping == 0
    assert took < HANDED_OVER_SECONDS
    assert (await status_of(there, run_id, "completed"))["attempt"] == 1
    assert answer["response"] == "second"
    assert await there.said(conversation) == [
        ("user", "first"),
        ("assistant", "one two three four"),
        ("user", "second"),
        ("assistant", "second"),
    ]
    assert kinds((await replayed(there, answer["run_id"])).events).count("RUN_STARTED") == 1
