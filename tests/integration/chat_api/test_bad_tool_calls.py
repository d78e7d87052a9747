"""Tool calls that cannot be: their error goes back to the model, the turn goes on, and nothing has changed."""

from typing import Any

import pytest
import pytest_asyncio

from tests.integration.chat_api.conftest import ChatUser
from tests.support.chat import calls_and_outputs, goes_on, sent_outputs, todo_rows
from tests.support.openai_stub import Call, Calls, OpenAIStub, Say
from tests.support.openapi import hold_to_contract
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def contract(ann: ChatUser) -> None:
    """Every answer here is one that OpenAPI declares."""
    await hold_to_contract(ann.http)


OBJECT = "must be one JSON object"
CALLS: dict[str, tuple[str, dict[str, Any] | str, str]] = {
    "no title": ("add_task", {}, "title"),
    "empty title": ("add_task", {"title": " "}, "title"),
    "title a number": ("add_task", {"title": 5}, "title"),
    "title too long": ("add_task", {"title": "x" * 501}, "title"),
    "misspelt argument": ("add_task", {"title": "x", "prioritty": "high"}, "prioritty"),
    "priority of no meaning": ("add_task", {"title": "x", "priority": "whenever"}, "priority"),
    "due no date": ("add_task", {"title": "x", "due": "tomorrow"}, "due"),
    "another user": ("add_task", {"title": "x", "user_id": "bob"}, "user_id"),
    "task that is not there": ("get_task", {"task_id": 99}, "99"),
    "completing what is not there": ("complete_task", {"task_id": 99}, "99"),
    "task_id a text": ("delete_task", {"task_id": "first"}, "task_id"),
    "task_id 2^63": ("delete_task", {"task_id": 2**63}, "task_id"),
    "task_id 10^400": ("delete_task", {"task_id": 10**400}, "task_id"),
    "nothing to update": ("update_task", {"task_id": 99}, ""),
    "broken JSON": ("add_task", '{"title": "x"', OBJECT),
    "two objects": ("add_task", '{"title": "x"}{}', OBJECT),
    "a list": ("add_task", '[{"title": "x"}]', OBJECT),
    "a text": ("add_task", '"x"', OBJECT),
    "null": ("add_task", "null", OBJECT),
    "NaN": ("add_task", '{"title": NaN}', OBJECT),
    "infinite": ("add_task", '{"title": 1e999}', OBJECT),
    "a number of 5000 digits": ("add_task", '{"title": ' + "9" * 5000 + "}", OBJECT),
    "nested 65 deep": ("add_task", '{"title": ' + "[" * 64 + "]" * 64 + "}", OBJECT),
    "nested 9000 deep": ("add_task", '{"title": ' + "[" * 9000 + "]" * 9000 + "}", OBJECT),
    "unknown tool": ("drop_table", {"title": "x"}, "Tool 'drop_table' not found."),
    "tool without a name": ("", {"title": "x"}, "Tool '' not found."),
    "tool with U+0000 in its name": ("add\x00_task\ud800", {"title": "x"}, "Tool 'add_task\ufffd' not found."),
}


@pytest.mark.parametrize(("tool", "arguments", "words"), CALLS.values(), ids=CALLS.keys())
async def test_a_call_that_cannot_be_is_told_to_the_model_and_changes_nothing(
    ann: ChatUser, stub: OpenAIStub, todo: Service, tool: str, arguments: dict[str, Any] | str, words: str
) -> None:
    tasks = todo_rows(todo.environment["DATABASE_URL"])
    stub.reply(Call(tool, arguments), Say("That did not work."))
    answer = await ann.say("do it")
    assert answer["status"] == "completed"
    assert answer["response"] == "That did not work."
    (call,) = answer["tool_calls"]
    assert words in call["result"]["error"]
    assert todo_rows(todo.environment["DATABASE_URL"]) == tasks
    (told,) = sent_outputs(stub.requests[-1])
    assert "error" in told
    stored = (await ann.messages(answer["conversation_id"]))[1]["tool_calls"]
    assert stored == [call] == (await ann.read(f"runs/{answer['run_id']}"))["tool_calls"]
    await goes_on(ann, stub, answer["conversation_id"])
    assert sent_outputs(stub.requests[-1]) == [told]


async def test_good_and_bad_calls_of_one_response_each_have_their_own_outcome(
    ann: ChatUser, stub: OpenAIStub, todo: Service
) -> None:
    tasks = len(todo_rows(todo.environment["DATABASE_URL"]))
    calls = (Call("add_task", {"title": "a"}), Call("nope"), Call("add_task", "{"), Call("add_task", {"title": "b"}))
    stub.reply(Calls(calls), Say("Two of four."))
    answer = await ann.say("do it")
    assert [call["result"].get("title") for call in answer["tool_calls"]] == ["a", None, None, "b"]
    assert ["error" in call["result"] for call in answer["tool_calls"]] == [False, True, True, False]
    assert len(todo_rows(todo.environment["DATABASE_URL"])) == tasks + 2
    sent, outputs = calls_and_outputs(stub.requests[-1])
    assert sorted(sent) == sorted(outputs)
    assert len(set(sent)) == 4


async def test_what_no_database_keeps_is_cleaned_from_a_models_words(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(Say("a\x00b \ud83d c \ud83d\ude00 \ude00\x00"))
    answer = await ann.say("hi")
    assert answer["response"] == "ab \ufffd c 😀 \ufffd"
    assert (await ann.said(answer["conversation_id"]))[1] == ("assistant", answer["response"])
    await goes_on(ann, stub, answer["conversation_id"])


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        ('{"title": "a\\u0000b"}', "ab"),
        ('{"title": "a\\ud800b"}', "a\ufffdb"),
        ('{"title": "\\ud83d\\ude00"}', "😀"),
        ('{"ti\\u0000tle": "c"}', "c"),
        ('{"title": "שלום \\u202bעולם\\u202c e\\u0301"}', "שלום \u202bעולם\u202c e\u0301"),
    ],
)
async def test_what_no_database_keeps_is_cleaned_from_a_models_arguments(
    ann: ChatUser, stub: OpenAIStub, arguments: str, title: str
) -> None:
    stub.reply(Call("add_task", arguments), Say("done"))
    answer = await ann.say("add it")
    (call,) = answer["tool_calls"]
    assert call["parameters"] == {"title": title}
    assert call["result"]["title"] == title
    assert (await ann.messages(answer["conversation_id"]))[1]["tool_calls"] == [call]
    await goes_on(ann, stub, answer["conversation_id"])
