"""One active run in a conversation: what comes meanwhile is refused, waits its turn, or stops the others."""

import asyncio

import pytest

from tests.integration.chat_api.runs.requests.callers import Caller, Stream, answer
from tests.integration.chat_api.runs.requests.conftest import echo, last_said, stored, told
from tests.support.openai_stub import Cut, OpenAIStub, Say
from tests.support.problems import problem
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUEUE_MAX = 20


async def busy(ann: Caller, stub: OpenAIStub, hold: asyncio.Event) -> Stream:
    """Begin a conversation whose first answer, "One two", is held back after its first word."""
    stub.reply(Say("One two", hold=hold))
    stub.answer = echo
    stream = ann.stream("first")
    await stream.first("TEXT_MESSAGE_CONTENT")
    return stream


async def statuses(ann: Caller, conversation_id: int) -> dict[str, str]:
    """Return the state of every run of a conversation, by message."""
    return {run["input"]: run["status"] for run in await ann.runs(conversation_id)}


@pytest.mark.parametrize("fields", [{}, {"on_busy": "reject"}], ids=["default", "reject"])
async def test_a_busy_conversation_refuses_and_names_the_active_run(
    ann: Caller,
    ann_elsewhere: Caller,
    stub: OpenAIStub,
    module_database_url: str,
    hold: asyncio.Event,
    fields: dict[str, str],
) -> None:
    active = await busy(ann, stub, hold)
    before = stored(module_database_url, ann.user_id)
    for caller in (ann, ann_elsewhere):
        body = problem(await caller.post("second", active.conversation_id, **fields), 409, "run-active")
        assert body["run_id"] == active.run_id
        refusal = (await caller.stream("second", active.conversation_id, **fields).end()).refusal
        assert refusal is not None
        assert problem(refusal, 409, "run-active")["run_id"] == active.run_id
    assert stored(module_database_url, ann.user_id) == before
    assert len(stub.requests) == 1
    hold.set()
    assert (await active.end()).text == "One two"
    assert (await ann.ask("second", active.conversation_id, **fields))["response"] == "you said second"


async def test_of_many_sends_at_once_one_is_taken(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    stub.answer = echo
    conversation = (await ann.ask("hello"))["conversation_id"]
    stub.answer = lambda request: Say(f"you said {last_said(request)}", hold=hold)
    tasks = [caller.sending(f"message {n}", conversation) for n, caller in enumerate([ann, ann_elsewhere] * 3)]
    await until(lambda: sum(task.done() for task in tasks) == 5)
    hold.set()
    answers = await asyncio.gather(*tasks)
    assert sorted(response.status_code for response in answers) == [200, 409, 409, 409, 409, 409]
    assert len(stub.requests) == 2
    assert len(await ann.runs(conversation)) == 2


async def test_other_conversations_and_other_users_are_not_busy(
    ann: Caller, bob: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    active = await busy(ann, stub, hold)
    other = await ann.ask("elsewhere")
    assert other["response"] == "you said elsewhere"
    assert other["conversation_id"] != active.conversation_id
    assert (await bob.ask("hello"))["response"] == "you said hello"
    assert (await ann.run(active.run_id))["status"] == "running"


async def test_queued_messages_are_answered_in_their_order_each_to_its_caller(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    active = await busy(ann, stub, hold)
    conversation = active.conversation_id
    second = ann_elsewhere.sending("second", conversation, on_busy="enqueue")
    second_run = await ann.begun("second", conversation)
    third = ann.stream("third", conversation, on_busy="enqueue")
    third_run = await ann.begun("third", conversation)
    fourth = ann.sending("fourth", conversation, on_busy="enqueue")
    await ann.begun("fourth", conversation)
    assert await statuses(ann, conversation) == {
        "first": "running",
        "second": "queued",
        "third": "queued",
        "fourth": "queued",
    }
    conversation_now = await ann.read(f"conversations/{conversation}")
    assert conversation_now["active_run_id"] == active.run_id
    assert conversation_now["last_run"]["status"] == "queued"
    assert len(stub.requests) == 1
    assert not second.done()
    assert third.events == []
    hold.set()
    told_second, told_fourth = answer(await second), answer(await fourth)
    await third.end()
    assert (told_second["run_id"], told_second["response"]) == (second_run, "you said second")
    assert told_fourth["response"] == "you said fourth"
    assert (third.run_id, third.numbers[0], third.text) == (third_run, 1, "you said third")
    assert third.types[0] == "RUN_STARTED"
    assert third.types[-1] == "RUN_FINISHED"
    assert [last_said(request) for request in stub.requests] == ["first", "second", "third", "fourth"]
    # The history of a run that waited begins where it was promoted, not where it was sent.
    assert told(stub.requests[1]) == [("user", "first"), ("assistant", "One two"), ("user", "second")]
    assert [content for role, content in await ann.said(conversation) if role == "assistant"] == [
        "One two",
        "you said second",
        "you said third",
        "you said fourth",
    ]


async def test_a_queue_takes_twenty_and_an_interrupt_empties_it(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, module_database_url: str, hold: asyncio.Event
) -> None:
    active = await busy(ann, stub, hold)
    conversation = active.conversation_id
    callers = [ann, ann_elsewhere] * (QUEUE_MAX // 2)
    waiting = [caller.sending(f"queued {n}", conversation, on_busy="enqueue") for n, caller in enumerate(callers)]
    for n in range(QUEUE_MAX):
        await ann.begun(f"queued {n}", conversation)
    before = stored(module_database_url, ann.user_id)
    for caller in (ann, ann_elsewhere):
        problem(await caller.post("too many", conversation, on_busy="enqueue"), 409, "queue-full")
        problem(await caller.post("too many", conversation), 409, "run-active")
    assert stored(module_database_url, ann.user_id) == before

    last = await ann_elsewhere.ask("stop it all", conversation, on_busy="interrupt")
    assert last["response"] == "you said stop it all"
    for told_queued in [answer(response) for response in await asyncio.gather(*waiting)]:
        assert (told_queued["status"], told_queued["response"]) == ("cancelled", "")
    await active.end()
    assert active.events[-1]["outcome"]["type"] == "cancelled"
    assert await statuses(ann, conversation) == {
        "first": "cancelled",
        **{f"queued {n}": "cancelled" for n in range(QUEUE_MAX)},
        "stop it all": "completed",
    }
    # None of the twenty was ever asked of the model.
    assert [last_said(request) for request in stub.requests] == ["first", "stop it all"]
    assert (await ann.ask("go on", conversation))["response"] == "you said go on"


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_an_interrupt_stops_the_active_run_and_is_carried_out_next(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, hold: asyncio.Event, where: str
) -> None:
    active = await busy(ann, stub, hold)
    caller = ann if where == "here" else ann_elsewhere
    stream = await caller.stream("second", active.conversation_id, on_busy="interrupt").end()
    assert stream.text == "you said second"
    assert stream.run_id != active.run_id
    await until(lambda: [closed.request for closed in stub.closed_early] == [0])
    await active.end()
    assert active.events[-1]["outcome"]["type"] == "cancelled"
    said = await ann.said(active.conversation_id)
    assert [(role, content.strip()) for role, content in said] == [
        ("user", "first"),
        ("assistant", "One"),
        ("user", "second"),
        ("assistant", "you said second"),
    ]
    assert "The user stopped" in told(stub.requests[1])[1][1]


async def test_an_interrupt_of_an_idle_conversation_is_an_ordinary_message(ann: Caller, stub: OpenAIStub) -> None:
    stub.answer = echo
    first = await ann.ask("first", on_busy="interrupt")
    second = await ann.ask("second", first["conversation_id"], on_busy="interrupt")
    assert second["response"] == "you said second"
    assert await statuses(ann, first["conversation_id"]) == {"first": "completed", "second": "completed"}


async def test_an_interrupt_can_be_interrupted(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    active = await busy(ann, stub, hold)
    sent = [
        caller.sending(f"interrupt {n}", active.conversation_id, on_busy="interrupt")
        for n, caller in enumerate([ann, ann_elsewhere, ann])
    ]
    answers = [answer(response) for response in await asyncio.gather(*sent)]
    await active.end()
    runs = await ann.runs(active.conversation_id)
    # They met in some order; the last of them has its answer, and every other one was stopped or answered before.
    assert runs[0]["status"] == "completed"
    assert {run["status"] for run in runs} <= {"completed", "cancelled"}
    assert runs[-1]["status"] == "cancelled"
    assert {told["run_id"]: told["status"] for told in answers} == {run["run_id"]: run["status"] for run in runs[:-1]}


async def test_a_queued_run_is_stopped_at_once_and_the_others_keep_their_turn(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, hold: asyncio.Event
) -> None:
    active = await busy(ann, stub, hold)
    conversation = active.conversation_id
    second = ann.sending("second", conversation, on_busy="enqueue")
    second_run = await ann.begun("second", conversation)
    third = ann.sending("third", conversation, on_busy="enqueue")
    await ann.begun("third", conversation)
    stopped = await ann_elsewhere.cancel(second_run)
    assert (stopped.status_code, stopped.json()["status"]) == (202, "cancelled")
    told_second = answer(await second)
    assert (told_second["run_id"], told_second["status"], told_second["response"]) == (second_run, "cancelled", "")
    assert (await ann.run(active.run_id))["status"] == "running"
    log = await ann.replay(second_run).end()
    assert log.types == ["RUN_STARTED", "RUN_FINISHED"]
    hold.set()
    assert answer(await third)["response"] == "you said third"
    assert [last_said(request) for request in stub.requests] == ["first", "third"]
    assert await statuses(ann, conversation) == {"first": "completed", "second": "cancelled", "third": "completed"}


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_a_run_without_an_answer_promotes_the_next_as_well(
    ann: Caller, ann_elsewhere: Caller, stub: OpenAIStub, hold: asyncio.Event, end: str
) -> None:
    stub.answer = echo
    stub.reply(Cut(Say("One two", hold=hold)))
    active = ann.stream("first")
    await active.first("TEXT_MESSAGE_CONTENT")
    second = ann_elsewhere.sending("second", active.conversation_id, on_busy="enqueue")
    await ann.begun("second", active.conversation_id)
    if end == "failed":
        hold.set()
    else:
        await ann.cancel(active.run_id)
    assert answer(await second)["response"] == "you said second"
    await active.end()
    assert await statuses(ann, active.conversation_id) == {"first": end, "second": "completed"}
