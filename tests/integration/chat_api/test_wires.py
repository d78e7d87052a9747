"""Both provider wires: what a model of either kind is sent, and that its ids do not matter."""

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.chat_api.conftest import ChatUser, as_user, running_chat
from tests.support.databases import sqlite_database
from tests.support.openai_stub import USAGE, Call, Calls, OpenAIStub, Say
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["responses", "chat_completions"])
async def chat(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    todo: Service,
    module_stub: OpenAIStub,
) -> AsyncIterator[Service]:
    """A chat-api on each wire."""
    url = sqlite_database(tmp_path_factory.mktemp("chat"))
    async with running_chat(url, todo, module_stub, request.param) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def ann(chat: Service, user_id: str, stub: OpenAIStub) -> AsyncIterator[ChatUser]:
    """A user of it whom no other test knows."""
    async with as_user(chat, user_id) as user:
        yield user


def sent(request: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return what a request holds after the instructions, in order and in terms that both wires share."""
    items: list[tuple[str, ...]] = []
    for item in request.get("input") or request["messages"]:
        match item:
            case {"role": "system" | "developer"}:
                continue
            case {"type": "function_call"}:
                items.append(("call", item["call_id"], item["name"], item["arguments"]))
            case {"type": "function_call_output"}:
                items.append(("output", item["call_id"], item["output"]))
            case {"role": "tool"}:
                items.append(("output", item["tool_call_id"], item["content"]))
            case {"role": "assistant", "tool_calls": calls}:
                assert not item.get("content")
                items += [("call", c["id"], c["function"]["name"], c["function"]["arguments"]) for c in calls]
            case {"role": role, "content": content}:
                items.append((role, content if isinstance(content, str) else content[0]["text"]))
            case _:
                raise AssertionError(item)
    return items


def assert_paired(items: list[tuple[str, ...]]) -> None:
    """Every call has one output after it, every output its call, and no id stands for two calls."""
    calls = [item[1] for item in items if item[0] == "call"]
    outputs = [item[1] for item in items if item[0] == "output"]
    assert sorted(calls) == sorted(outputs)
    assert len(set(calls)) == len(calls)
    assert all(calls)
    for name in calls:
        places = [place for place, item in enumerate(items) if item[1] == name]
        assert [items[place][0] for place in places] == ["call", "output"]


async def test_a_turn_with_two_calls_in_one_response(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(
        Calls((Call("add_task", {"title": "milk"}), Call("add_task", {"title": "eggs"}))),
        Say("Milk and eggs are on the list."),
    )
    answer = await ann.say("add milk and eggs")
    assert answer["response"] == "Milk and eggs are on the list."
    assert [call["result"]["task_id"] for call in answer["tool_calls"]] == [1, 2]
    items = sent(stub.requests[1])
    assert_paired(items)
    assert [item[0] for item in items] == ["user", "call", "call", "output", "output"]
    assert [json.loads(item[-1])["title"] for item in items[1:]] == ["milk", "eggs", "milk", "eggs"]
    assert [json.loads(item[-1]) for item in items[3:]] == [call["result"] for call in answer["tool_calls"]]
    run = await ann.read(f"runs/{answer['run_id']}")
    assert run["usage"] == {"model_requests": 2, "input_tokens": 2 * USAGE[0], "output_tokens": 2 * USAGE[1]}


@pytest.mark.parametrize("call_id", ["", "call_1"], ids=["empty", "repeated"])
async def test_ids_of_the_provider_that_are_no_ids_are_harmless(ann: ChatUser, stub: OpenAIStub, call_id: str) -> None:
    stub.reply(
        Calls((Call("add_task", {"title": "milk"}, call_id), Call("add_task", {"title": "eggs"}, call_id))),
        Call("complete_task", {"task_id": 1}, call_id),
        Say("Both added, milk done."),
        Call("list_tasks", {"status": "all"}, call_id),
        Say("Two."),
    )
    answer = await ann.say("add milk and eggs, milk is done")
    assert [call["tool_name"] for call in answer["tool_calls"]] == ["add_task", "add_task", "complete_task"]
    assert [call["result"]["title"] for call in answer["tool_calls"]] == ["milk", "eggs", "milk"]
    listed = (await ann.say("list", answer["conversation_id"]))["tool_calls"][0]["result"]["tasks"]
    assert sorted((task["title"], task["status"]) for task in listed) == [("eggs", "open"), ("milk", "completed")]
    for request in stub.requests:
        assert_paired(sent(request))


async def test_an_earlier_turn_is_sent_as_it_was_calls_paired_with_outputs(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(
        Calls((Call("add_task", {"title": "milk"}), Call("nonsense", {"a": 1}))),
        Call("add_task", "{broken"),
        Call("get_task", {"task_id": 99}),
        Say("Milk is on the list."),
        Say("You are welcome."),
        Say("Bye."),
    )
    number = (await ann.say("add milk"))["conversation_id"]
    await ann.say("thanks", number)
    await ann.say("bye", number)
    within, after, later = (sent(stub.requests[n]) for n in (3, 4, 5))
    for items in (within, after, later):
        assert_paired(items)
    # The same prefix, ids included, from the run itself through all later turns: providers cache by prefix.
    assert after == [*within, ("assistant", "Milk is on the list."), ("user", "thanks")]
    assert later == [*after, ("assistant", "You are welcome."), ("user", "bye")]
    kinds = [key for key, _ in itertools.groupby(item[0] for item in later)]
    assert kinds == [
        "user", "call", "output", "call", "output", "call", "output", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert not [
        value for value in json.dumps(stub.requests[5]).split('"') if value.startswith(("msg_", "fc_", "resp_"))
    ]


async def test_the_model_is_told_to_store_nothing_and_gets_every_tool(
    ann: ChatUser, chat: Service, stub: OpenAIStub
) -> None:
    stub.reply(Say("hello"))
    await ann.say("hello", timezone="Asia/Tokyo")
    request = stub.requests[0]
    assert request["model"] == "stub-model"
    if chat.environment["OPENAI_API"] == "responses":
        assert request["store"] is False
        told, tools = request["instructions"], request["tools"]
    else:
        assert "store" not in request, "compatible servers may refuse what only OpenAI knows"
        told, tools = request["messages"][0]["content"], [tool["function"] for tool in request["tools"]]
    assert "todo list" in told
    assert "(Asia/Tokyo)" in told
    names = {tool["name"] for tool in tools}
    assert {"add_task", "list_tasks", "complete_task", "update_task", "delete_task"} <= names
    assert "user_id" not in json.dumps(tools)
