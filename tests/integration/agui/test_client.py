"""`@ag-ui/client`, the npm client, talks to the real service as it is."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.agui.conftest import Thread, types_of
from tests.integration.chat_api.conftest import as_user, running_chat
from tests.support.agui_client import AgUiClient, agui_client
from tests.support.openai_stub import Call, Calls, Fail, OpenAIStub, Say
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALL = ["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"]
RESULT = "TOOL_CALL_RESULT"


@pytest_asyncio.fixture(loop_scope="module")
async def npm(chat: Service, thread: Thread, client_folder: Path) -> AsyncIterator[AgUiClient]:
    """The client, in `thread`."""
    async with agui_client(client_folder, chat, thread.user.user_id, thread.thread_id) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asking_chat(module_database_url: str, todo: Service, module_stub: OpenAIStub) -> AsyncIterator[Service]:
    """A chat-api that asks the user before every change."""
    async with running_chat(module_database_url, todo, module_stub, TOOL_APPROVAL="always") as service:
        yield service


def shown(messages: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Return what a front end shows of a thread: words, or the names of tools called, by role."""
    return [
        (message["role"], message.get("content") or [call["function"]["name"] for call in message["toolCalls"]])
        for message in messages
        if message["role"] != "tool"
    ]


def results(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the tools' results by their calls' ids."""
    return {message["toolCallId"]: json.loads(message["content"]) for message in messages if message["role"] == "tool"}


def calls(messages: list[dict[str, Any]]) -> dict[str, tuple[str, Any]]:
    """Return tool and arguments of every call in a thread by its id."""
    return {
        call["id"]: (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for message in messages
        for call in message.get("toolCalls") or ()
    }


async def test_a_conversation_with_tool_calls_over_several_turns(
    npm: AgUiClient, thread: Thread, stub: OpenAIStub
) -> None:
    stub.reply(Call("add_task", {"title": "milk"}), Say("Added milk."))
    first = await npm.said("add milk", runId="first-run")
    assert types_of(first.events) == [
        "RUN_STARTED", *CALL, RESULT, "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"
    ]  # fmt: skip
    assert first.outcome == "success"
    assert first.result == {"conversation_id": 1, "run_id": first.run_id, "message_id": 2}
    assert {event.get("runId") for event in (first.events[0], first.events[-1])} == {"first-run"}
    assert {event.get("threadId") for event in (first.events[0], first.events[-1])} == {thread.thread_id}

    stub.reply(
        Calls((Call("add_task", {"title": "bread"}), Call("add_task", {"title": "eggs"})), say="Two more."),
        Call("complete_task", {"task_id": 1}),
        Say("Bread and eggs are on it, milk is done."),
    )
    second = await npm.said("bread and eggs too; milk is done")
    assert second.result["conversation_id"] == 1
    assert shown(second.messages) == [
        ("user", "add milk"),
        ("assistant", ["add_task"]),
        ("assistant", "Added milk."),
        ("user", "bread and eggs too; milk is done"),
        ("assistant", "Two more."),
        ("assistant", ["complete_task"]),
        ("assistant", "Bread and eggs are on it, milk is done."),
    ]
    # Words and calls of one response are one message; calls without words are one of their own.
    (with_words,) = [message for message in second.messages if message.get("content") == "Two more."]
    assert [call["function"]["name"] for call in with_words["toolCalls"]] == ["add_task", "add_task"]
    assert list(calls(second.messages).values()) == [
        ("add_task", {"title": "milk"}),
        ("add_task", {"title": "bread"}),
        ("add_task", {"title": "eggs"}),
        ("complete_task", {"task_id": 1}),
    ]
    assert results(second.messages).keys() == calls(second.messages).keys()
    assert [result["title"] for result in results(second.messages).values()] == ["milk", "bread", "eggs", "milk"]
    assert len({message["id"] for message in second.messages}) == len(second.messages)

    # The history is the service's own, not the client's.
    stub.reply(Say("Milk."))
    third = await npm.said("what was done?", fresh=True)
    assert shown(third.messages) == [("user", "what was done?"), ("assistant", "Milk.")]
    assert [item["content"] for item in stub.requests[-1]["input"] if item.get("role") == "user"] == [
        "add milk",
        "bread and eggs too; milk is done",
        "what was done?",
    ]
    assert await thread.user.said(1) == [
        ("user", "add milk"),
        ("assistant", "Added milk."),
        ("user", "bread and eggs too; milk is done"),
        ("assistant", "Bread and eggs are on it, milk is done."),
        ("user", "what was done?"),
        ("assistant", "Milk."),
    ]


async def test_an_approval_by_resume(
    asking_chat: Service, client_folder: Path, thread: Thread, stub: OpenAIStub
) -> None:
    async with (
        agui_client(client_folder, asking_chat, thread.user.user_id, thread.thread_id) as npm,
        as_user(asking_chat, thread.user.user_id) as user,
    ):
        stub.reply(
            Calls((Call("add_task", {"title": "milk"}), Call("add_task", {"title": "poison"}))),
            Say("Milk it is, and no poison."),
        )
        asked = await npm.said("add milk and poison")
        assert types_of(asked.events) == ["RUN_STARTED", *CALL, *CALL, "RUN_FINISHED"]
        assert asked.outcome == "interrupt"
        # By this reason, and with no schema of their own, front ends show their own buttons at the tool call.
        assert [set(interrupt) for interrupt in asked.interrupts] == [
            {"id", "reason", "message", "toolCallId", "expiresAt"}
        ] * 2
        assert [interrupt["reason"] for interrupt in asked.interrupts] == ["tool_call"] * 2
        milk, poison = calls(asked.messages)
        assert [interrupt["toolCallId"] for interrupt in asked.interrupts] == [milk, poison]

        decided = await npm.said(
            None,
            resume=[
                {"interruptId": milk, "status": "resolved", "payload": {"approved": True}},
                {"interruptId": poison, "status": "resolved", "payload": {"approved": False, "reason": "no!"}},
            ],
        )
        assert types_of(decided.events)[0] == "RUN_STARTED"
        assert sorted(types_of(decided.events)[1:3]) == [RESULT, RESULT]
        assert types_of(decided.events)[3:] == [
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "RUN_FINISHED",
        ]
        assert (decided.outcome, decided.interrupts, decided.run_id) == ("success", [], asked.run_id)
        assert shown(decided.messages) == [
            ("user", "add milk and poison"),
            ("assistant", ["add_task"]),
            ("assistant", ["add_task"]),
            ("assistant", "Milk it is, and no poison."),
        ]
        outcomes = results(decided.messages)
        assert outcomes[milk]["title"] == "milk"
        assert "no!" in outcomes[poison]["error"]
        run = await user.read(f"runs/{asked.run_id}")
        assert (run["status"], [call["result"] for call in run["tool_calls"]]) == (
            "completed",
            [outcomes[milk], outcomes[poison]],
        )


async def test_whoever_says_something_else_instead_of_deciding_leaves_what_waits(
    asking_chat: Service, client_folder: Path, thread: Thread, stub: OpenAIStub
) -> None:
    async with agui_client(client_folder, asking_chat, thread.user.user_id, thread.thread_id) as npm:
        stub.reply(Call("add_task", {"title": "milk"}))
        asked = await npm.said("add milk")
        (waits,) = asked.interrupts
        stub.reply(Say("As you like."))
        left = await npm.said("forget it", resume=[{"interruptId": waits["id"], "status": "cancelled"}])
        assert (left.outcome, left.interrupts) == ("success", [])
        assert left.run_id != asked.run_id
        stopped = await thread.user.read(f"runs/{asked.run_id}")
        assert stopped["status"] == "cancelled"
        assert "was stopped before" in stopped["tool_calls"][0]["result"]["error"]


async def test_a_client_that_stops_listening_stops_nothing_and_the_run_can_be_stopped(
    npm: AgUiClient, thread: Thread, stub: OpenAIStub
) -> None:
    stub.reply(Say(" ".join(f"word{n}" for n in range(400)), pause_seconds=0.1))
    heard = await npm.run("tell me a story", abortAt="TEXT_MESSAGE_CONTENT")
    assert heard.failure is None
    assert heard.outcome is None
    assert heard.location is not None
    # It goes on: words come that the client has not waited for, and its thread is busy.
    async with thread.user.http.stream("GET", f"{heard.location}/events") as events:
        async for line in events.aiter_lines():
            if "word3" in line:
                break
    refused = await npm.run("are you there?")
    assert refused.failure is not None
    assert refused.failure["status"] == 409
    assert json.loads(refused.failure["payload"])["run_id"] == heard.run_id
    assert (await thread.user.http.post(f"{heard.location}/cancel")).status_code == 202
    await thread.user.http.get(f"{heard.location}/events")  # ends when the run has
    run = await thread.user.read(f"runs/{heard.run_id}")
    assert run["status"] == "cancelled"
    (_, partial) = (await thread.user.said(run["conversation_id"]))[-1]
    assert partial.startswith("word0 word1 word2 word3")
    assert "word399" not in partial
    stub.reply(Say("Here."))
    assert (await npm.said("are you there?")).outcome == "success"


async def test_a_message_that_interrupts(npm: AgUiClient, thread: Thread, stub: OpenAIStub) -> None:
    stub.reply(Say(" ".join(f"word{n}" for n in range(400)), pause_seconds=0.1), Say("Here."))
    heard = await npm.run("tell me a story", abortAt="TEXT_MESSAGE_CONTENT")
    answered = await npm.said("stop, and say where you are", forwardedProps={"on_busy": "interrupt"})
    assert shown(answered.messages)[-1] == ("assistant", "Here.")
    assert (await thread.user.read(f"runs/{heard.run_id}"))["status"] == "cancelled"


async def test_a_run_that_is_sent_again_is_heard_again(npm: AgUiClient, thread: Thread, stub: OpenAIStub) -> None:
    stub.reply(Call("add_task", {"title": "milk"}), Say("Added milk."))
    first = await npm.said("add milk", runId="the-run")
    again = await npm.said("add milk", runId="the-run", fresh=True)
    assert again.events == first.events
    assert len(stub.requests) == 2
    assert len(await thread.conversations()) == 1


async def test_a_model_that_fails_is_an_error_that_the_client_hears_of(
    npm: AgUiClient, thread: Thread, stub: OpenAIStub
) -> None:
    stub.reply(Call("add_task", {"title": "milk"}), Fail(400))
    failed = await npm.run("add milk", runId="the-run")
    assert failed.warnings == []
    assert types_of(failed.events) == ["RUN_STARTED", *CALL, RESULT, "RUN_ERROR"]
    assert failed.events[-1]["code"] == "model-failed"
    run = await thread.user.read(f"runs/{failed.run_id}")
    assert (run["status"], run["error"]["detail"]) == ("failed", failed.events[-1]["message"])
    # The same run again goes on with it; the task is not made twice.
    stub.reply(Say("Added milk."))
    gone_on = await npm.said("add milk", runId="the-run", fresh=True)
    assert types_of(gone_on.events)[:5] == types_of(failed.events)[:5]
    assert "RUN_ERROR" not in types_of(gone_on.events)
    assert (gone_on.outcome, gone_on.run_id) == ("success", failed.run_id)
    assert list(results(gone_on.messages).values()) == list(results(failed.messages).values())


@pytest.mark.parametrize(
    ("command", "status", "kind"),
    [
        ({"say": " "}, 422, "invalid-request"),
        ({"say": "hi", "runId": "two words"}, 422, "invalid-request"),
        ({"say": "hi", "tools": [{"name": "beep", "description": "Beeps."}]}, 422, "invalid-request"),
        ({"say": "hi", "forwardedProps": {"timezone": "Mars/Base"}}, 422, "invalid-request"),
        ({"resume": [{"interruptId": "x", "status": "cancelled"}]}, 404, "run-not-found"),
    ],
)
async def test_a_refusal_is_a_problem_and_no_event(
    npm: AgUiClient, thread: Thread, command: dict[str, Any], status: int, kind: str
) -> None:
    refused = await npm.run(**command)
    assert refused.failure is not None
    assert refused.failure["status"] == status
    assert json.loads(refused.failure["payload"])["type"] == kind
    assert refused.events == []
    assert await thread.conversations() == []
