"""One thread used from several places at once."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.integration.agui.conftest import Thread, events_of
from tests.integration.chat_api.conftest import ChatUser, as_user, running_chat
from tests.support.openai_stub import OpenAIStub, Say
from tests.support.problems import problem
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 8


@pytest_asyncio.fixture(loop_scope="module")
async def places(
    chat: Service, module_database_url: str, todo: Service, stub: OpenAIStub, user_id: str
) -> AsyncIterator[list[ChatUser]]:
    """One user at two replicas; at the same one twice on SQLite, which takes one process."""
    async with as_user(chat, user_id) as here:
        if module_database_url.startswith("sqlite"):
            yield [here, here]
            return
        async with running_chat(module_database_url, todo, stub) as replica, as_user(replica, user_id) as there:
            yield [here, there]


def send(user: ChatUser, body: dict[str, object]) -> asyncio.Task[httpx.Response]:
    """Send a `RunAgentInput` beside whatever else is going on."""
    return asyncio.create_task(user.http.post(f"/api/{user.user_id}/agui", json=body))


async def test_two_first_messages_of_a_thread_at_once_are_one_conversation(
    places: list[ChatUser], stub: OpenAIStub
) -> None:
    stub.answer = lambda _: Say("fine")
    for number in range(1, ROUNDS + 1):
        thread = Thread(places[0])
        bodies = [thread.input(f"message {n}", forwardedProps={"on_busy": "enqueue"}) for n in range(4)]
        answers = await asyncio.gather(*(send(places[n % 2], body) for n, body in enumerate(bodies)))
        ends = [events_of(answer)[-1] for answer in answers]
        assert [end["result"]["conversation_id"] for end in ends] == [number] * 4
        assert [end["runId"] for end in ends] == [body["runId"] for body in bodies]
        assert sorted(words for role, words in await thread.user.said(number) if role == "user") == [
            f"message {n}" for n in range(4)
        ]
    assert len(await Thread(places[0]).conversations()) == ROUNDS


async def test_one_run_sent_twice_at_once_is_one_run(places: list[ChatUser], stub: OpenAIStub) -> None:
    stub.answer = lambda _: Say("fine")
    for number in range(1, ROUNDS + 1):
        thread = Thread(places[0])
        body = thread.input("hello")
        first, second = await asyncio.gather(*(send(place, body) for place in places))
        assert first.content == second.content
        assert events_of(first)[-1]["type"] == "RUN_FINISHED"
        assert await thread.user.said(number) == [("user", "hello"), ("assistant", "fine")]
    assert len(stub.requests) == ROUNDS


async def test_a_run_id_stands_for_one_message_of_one_thread(places: list[ChatUser], stub: OpenAIStub) -> None:
    stub.answer = lambda _: Say("fine")
    thread, other = Thread(places[0]), Thread(places[1])
    assert (await thread.post("hello", runId="the-run")).status_code == 200
    problem(await thread.post("hello you", runId="the-run"), 422, "idempotency-key-reused")
    problem(await other.post("hello", runId="the-run"), 422, "idempotency-key-reused")
    # What to do where the thread is busy is no part of the message.
    again = await thread.post("hello", runId="the-run", forwardedProps={"on_busy": "enqueue"})
    assert events_of(again)[-1]["runId"] == "the-run"
    assert len(stub.requests) == 1


async def test_a_busy_thread_refuses_or_queues(places: list[ChatUser], stub: OpenAIStub) -> None:
    hold = asyncio.Event()
    stub.reply(Say("one two", hold=hold), Say("three"))
    thread = Thread(places[0])
    first_body = thread.input("first")
    first = send(places[0], first_body)
    while not stub.requests:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    run_id = problem(await send(places[1], thread.input("no")), 409, "run-active")["run_id"]
    queued = send(places[1], thread.input("second", forwardedProps={"on_busy": "enqueue"}))
    # Whoever comes late to the first run hears it from its beginning, wherever it is at work.
    late = send(places[1], first_body)
    await asyncio.sleep(0.3)
    assert not queued.done()
    hold.set()
    assert (await late).content == (await first).content
    assert events_of(await first)[-1]["result"]["run_id"] == run_id
    assert events_of(await queued)[-1]["outcome"] == {"type": "success"}
    assert [words for _, words in await thread.user.said(1)] == ["first", "one two", "second", "three"]
