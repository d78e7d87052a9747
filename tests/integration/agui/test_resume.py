"""Decisions by AG-UI's `resume`: taken once, heard of as often as they are sent, and never in anybody's way."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.integration.agui.conftest import Thread, events_of, types_of
from tests.integration.chat_api.conftest import ChatUser, as_user, running_chat
from tests.support.openai_stub import Call, Calls, Fail, OpenAIStub, Say
from tests.support.openapi import hold_to_contract
from tests.support.problems import problem, refused_field
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = "please"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(module_database_url: str, todo: Service, module_stub: OpenAIStub) -> AsyncIterator[Service]:
    """A chat-api that asks the user before every change."""
    async with running_chat(module_database_url, todo, module_stub, TOOL_APPROVAL="always") as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def contract(ann: ChatUser) -> None:
    """Every answer here is one that OpenAPI declares."""
    await hold_to_contract(ann.http)


def approved(call: str, payload: Any = True) -> dict[str, Any]:
    """Return an answer to an interrupt."""
    return {"interruptId": call, "status": "resolved", "payload": payload}


def cancelled(call: str) -> dict[str, Any]:
    """Return what a client sends for an interrupt that the user left."""
    return {"interruptId": call, "status": "cancelled"}


def types(response: httpx.Response) -> list[str]:
    """Return the types of a stream's events."""
    return types_of(events_of(response))


async def asked(thread: Thread, stub: OpenAIStub, *titles: str) -> tuple[str, list[str]]:
    """Let the assistant want to add tasks; returns the run, and the calls that wait."""
    stub.reply(Calls(tuple(Call("add_task", {"title": title}) for title in titles)))
    response = await thread.post(ASKED)
    (*_, last) = events_of(response)
    calls = [interrupt["id"] for interrupt in last["outcome"]["interrupts"]]
    assert len(calls) == len(titles)
    return response.headers["content-location"].rpartition("/")[2], calls


@pytest.mark.parametrize("payload", [True, {"approved": True}, {"approve": True}], ids=["true", "approved", "approve"])
async def test_an_approved_call_is_sent(thread: Thread, stub: OpenAIStub, payload: Any) -> None:
    run_id, (call,) = await asked(thread, stub, "milk")
    stub.reply(Say("Added milk."))
    response = await thread.post(resume=[approved(call, payload)])
    assert types(response) == [
        "RUN_STARTED",
        "TOOL_CALL_RESULT",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    assert response.headers["content-location"].endswith(run_id)
    run = await thread.user.read(f"runs/{run_id}")
    assert (run["status"], run["tool_calls"][0]["result"]["title"]) == ("completed", "milk")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": "resolved", "payload": False}, "."),
        ({"status": "resolved", "payload": {"approved": False, "reason": "too sweet"}}, ": too sweet"),
        ({"status": "cancelled"}, "."),
        ({"status": "cancelled", "payload": {"approved": True}}, "."),
    ],
    ids=["false", "with a reason", "cancelled", "cancelled whatever its payload says"],
)
async def test_a_denied_call_is_not_sent_and_the_model_is_told(
    thread: Thread, stub: OpenAIStub, answer: dict[str, Any], reason: str
) -> None:
    run_id, (call,) = await asked(thread, stub, "milk")
    stub.reply(Say("As you like."))
    assert types(await thread.post(resume=[{"interruptId": call, **answer}]))[:2] == ["RUN_STARTED", "TOOL_CALL_RESULT"]
    run = await thread.user.read(f"runs/{run_id}")
    assert run["tool_calls"][0]["result"] == {"error": f"The user did not allow this call{reason}"}
    assert reason in stub.requests[-1]["input"][-1]["output"]


async def test_the_same_decision_twice_is_heard_twice_and_done_once(thread: Thread, stub: OpenAIStub) -> None:
    run_id, (milk, eggs) = await asked(thread, stub, "milk", "eggs")
    stub.reply(Say("Milk, no eggs."))
    resume = [approved(milk), approved(eggs, payload=False)]
    first = await thread.post(resume=resume)
    # A client makes a new run id for each try, and may list what it decided in any order.
    again = await thread.post(resume=resume[::-1])
    assert again.content == first.content
    assert again.headers["content-location"] == first.headers["content-location"]
    assert [call["result"].get("title") for call in (await thread.user.read(f"runs/{run_id}"))["tool_calls"]] == [
        "milk",
        None,
    ]
    assert len(stub.requests) == 2


async def test_the_same_decision_at_once_is_heard_twice_and_done_once(thread: Thread, stub: OpenAIStub) -> None:
    _, (call,) = await asked(thread, stub, "milk")
    stub.reply(Say("Added milk."))
    both = await asyncio.gather(*(thread.post(resume=[approved(call)]) for _ in range(2)))
    assert both[0].content == both[1].content
    assert types(both[0])[-1] == "RUN_FINISHED"
    assert len(stub.requests) == 2


async def test_another_decision_afterwards_is_409(thread: Thread, stub: OpenAIStub) -> None:
    run_id, (call,) = await asked(thread, stub, "milk")
    stub.reply(Say("Added milk."))
    await thread.post(resume=[approved(call)])
    for answer in (approved(call, payload=False), cancelled(call)):
        problem(await thread.post(resume=[answer]), 409, "already-decided")
    assert (await thread.user.read(f"runs/{run_id}"))["status"] == "completed"


async def test_a_decision_by_the_other_endpoint_counts(thread: Thread, stub: OpenAIStub) -> None:
    run_id, (call,) = await asked(thread, stub, "milk")
    stub.reply(Say("Added milk."))
    decisions = {"decisions": [{"tool_call_id": call, "approve": True}]}
    path = f"/api/{thread.user.user_id}/runs/{run_id}/approvals"
    assert (await thread.user.http.post(path, json=decisions)).status_code == 202
    assert types(await thread.post(resume=[approved(call)]))[-1] == "RUN_FINISHED"
    problem(await thread.post(resume=[cancelled(call)]), 409, "already-decided")


async def test_all_that_waits_is_decided_on_at_once(thread: Thread, stub: OpenAIStub) -> None:
    run_id, (milk, eggs) = await asked(thread, stub, "milk", "eggs")
    for resume in ([approved(milk)], [approved(milk), approved(milk)], [approved(milk), approved(eggs), approved("x")]):
        assert refused_field(await thread.post(resume=resume)) == "resume"
    assert (await thread.user.read(f"runs/{run_id}"))["status"] == "requires_action"


async def test_decisions_are_the_threads_own(thread: Thread, chat: Service, stub: OpenAIStub, user_id: str) -> None:
    _, (call,) = await asked(thread, stub, "milk")
    problem(await thread.post(resume=[approved("call_of_nobody")]), 404, "run-not-found")
    elsewhere = Thread(thread.user)
    problem(await elsewhere.post(resume=[approved(call)]), 404, "run-not-found")
    async with as_user(chat, f"{user_id}-other") as other:
        theirs = Thread(other)
        theirs.thread_id = thread.thread_id
        problem(await theirs.post(resume=[approved(call)]), 404, "run-not-found")
    stub.reply(Say("Added milk."))
    assert types(await thread.post(resume=[approved(call)]))[-1] == "RUN_FINISHED"


async def test_a_second_question_of_one_run_is_answered_apart(thread: Thread, stub: OpenAIStub) -> None:
    _, (milk,) = await asked(thread, stub, "milk")
    stub.reply(Call("add_task", {"title": "eggs"}))
    second = await thread.post(resume=[approved(milk)])
    assert types(second) == [
        "RUN_STARTED",
        "TOOL_CALL_RESULT",
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "RUN_FINISHED",
    ]
    (eggs,) = [interrupt["id"] for interrupt in events_of(second)[-1]["outcome"]["interrupts"]]
    # The first answer once more is no answer to the second question.
    assert (await thread.post(resume=[approved(milk)])).content == second.content
    stub.reply(Say("Both."))
    third = await thread.post(resume=[approved(eggs)])
    assert types(third)[:2] == ["RUN_STARTED", "TOOL_CALL_RESULT"]
    assert (await thread.post(resume=[approved(eggs)])).content == third.content
    assert (await thread.post(resume=[approved(milk)])).content == second.content + third.content


async def test_a_run_that_failed_behind_a_decision_is_gone_on_with_by_the_same_decision(
    thread: Thread, stub: OpenAIStub
) -> None:
    run_id, (call,) = await asked(thread, stub, "milk")
    stub.reply(Fail(400))
    assert types(await thread.post(resume=[approved(call)])) == ["RUN_STARTED", "TOOL_CALL_RESULT", "RUN_ERROR"]
    stub.reply(Say("Added milk."))
    assert types(await thread.post(resume=[approved(call)])) == [
        "RUN_STARTED",
        "TOOL_CALL_RESULT",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    run = await thread.user.read(f"runs/{run_id}")
    assert (run["status"], [each["result"]["title"] for each in run["tool_calls"]]) == ("completed", ["milk"])


async def test_a_message_waits_for_the_decision_unless_it_takes_its_place(thread: Thread, stub: OpenAIStub) -> None:
    run_id, (call,) = await asked(thread, stub, "milk")
    assert problem(await thread.post("never mind"), 409, "run-active")["run_id"] == run_id
    stub.reply(Say("Fine."))
    assert types(await thread.post("never mind", resume=[cancelled(call)]))[-1] == "RUN_FINISHED"
    assert (await thread.user.read(f"runs/{run_id}"))["status"] == "cancelled"
    # A client that has not heard of that does not get stuck.
    stub.reply(Say("Yes."))
    assert types(await thread.post("are you there?", resume=[cancelled(call)]))[-1] == "RUN_FINISHED"
    problem(await thread.post(resume=[approved(call)]), 409, "already-decided")


async def test_a_message_is_never_dropped_beside_an_approval(thread: Thread, stub: OpenAIStub) -> None:
    run_id, (call,) = await asked(thread, stub, "milk")
    assert refused_field(await thread.post("and eggs", resume=[approved(call)])) == "messages"
    assert refused_field(await thread.post("and eggs", resume=[approved("call_of_nobody")])) == "messages"
    assert (await thread.user.read(f"runs/{run_id}"))["status"] == "requires_action"


@pytest.mark.parametrize("allow", [True, False], ids=["approved", "denied"])
async def test_the_message_that_the_decision_is_about_is_no_new_one(
    thread: Thread, stub: OpenAIStub, allow: bool
) -> None:
    run_id, (call,) = await asked(thread, stub, "milk")
    stub.reply(Say("Done."))
    response = await thread.post(ASKED, resume=[approved(call) if allow else cancelled(call)])
    assert types(response)[:2] == ["RUN_STARTED", "TOOL_CALL_RESULT"]
    assert response.headers["content-location"].endswith(run_id)
    assert await thread.user.said(1) == [("user", ASKED), ("assistant", "Done.")]


async def test_a_message_instead_of_a_decision_that_was_made_stops_nothing(thread: Thread, stub: OpenAIStub) -> None:
    run_id, (call,) = await asked(thread, stub, "milk")
    hold = asyncio.Event()
    stub.reply(Say("Added the milk.", hold=hold))
    resuming = asyncio.create_task(thread.post(resume=[approved(call)]))
    while (await thread.user.read(f"runs/{run_id}"))["status"] == "requires_action":  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    problem(await thread.post("never mind", resume=[cancelled(call)]), 409, "run-active")
    hold.set()
    assert types(await resuming)[-1] == "RUN_FINISHED"
    assert (await thread.user.read(f"runs/{run_id}"))["status"] == "completed"


async def test_an_approval_that_expired_is_joined_by_whoever_cancels_it(
    module_database_url: str, todo: Service, stub: OpenAIStub, user_id: str
) -> None:
    async with (
        running_chat(module_database_url, todo, stub, TOOL_APPROVAL="always", APPROVAL_EXPIRES_SECONDS="1") as service,
        as_user(service, user_id) as user,
    ):
        thread = Thread(user)
        # Said as soon as the approval has expired, however soon that is.
        stub.answer = lambda _: Say("Too late.")
        run_id, (call,) = await asked(thread, stub, "milk")
        while (await user.read(f"runs/{run_id}"))["status"] != "completed":  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        problem(await thread.post(resume=[approved(call)]), 409, "already-decided")
        assert types(await thread.post(resume=[cancelled(call)]))[:2] == ["RUN_STARTED", "TOOL_CALL_RESULT"]
