"""A model that refuses, breaks, talks nonsense, loops or sleeps: 502 or 504, the run on record, the talk goes on."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.integration.chat_api.conftest import ChatUser, as_user, running_chat
from tests.support.chat import failed_run, goes_on, row_counts, todo_rows
from tests.support.databases import NewDatabase
from tests.support.openai_stub import Call, Fail, OpenAIStub, Raw, Reply, Say
from tests.support.openapi import hold_to_contract
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_TOOL_ROUNDS = 3
MODEL_SECONDS = 3
"""A time-out that a test can wait for, and that a busy machine does not run into which is held up for two seconds."""
MAX_REQUESTS = 3
"""A model call and its two repeats."""
AT_ONCE = {"retry-after-ms": "1"}
SECRET_WORDS = "words of the provider that quote sk-stub-key-of-the-tests"


@dataclass(frozen=True)
class Wire:
    """A chat-api whose model speaks one of the two wires."""

    service: Service
    api: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(module_database_url: str, todo: Service, module_stub: OpenAIStub) -> AsyncIterator[Wire]:
    """Each wire once, on a database kind of its own."""
    api = "responses" if module_database_url.startswith("sqlite") else "chat_completions"
    variables = {"MAX_TOOL_ROUNDS": str(MAX_TOOL_ROUNDS)}
    async with running_chat(module_database_url, todo, module_stub, api, **variables) as service:
        yield Wire(service, api)


@pytest_asyncio.fixture(loop_scope="module")
async def ann(wire: Wire, user_id: str, stub: OpenAIStub) -> AsyncIterator[ChatUser]:
    """A user of that chat-api whom no other test knows."""
    async with as_user(wire.service, user_id) as user:
        await hold_to_contract(user.http)
        yield user


async def fails(user: ChatUser, stub: OpenAIStub, url: str, *replies: Reply, status: int = 502) -> int:
    """Let the model make a task and then fail; returns how often it was asked after that."""
    kind = "model-failed" if status == 502 else "model-timeout"
    stub.reply(Say("hello"))
    conversation = (await user.say("hi"))["conversation_id"]
    messages = row_counts(url)["messages"]
    stub.reply(Call("add_task", {"title": "milk"}), *replies)
    asked = len(stub.requests)
    response = await user.send("add milk", conversation)
    asked = len(stub.requests) - asked - 1
    stub.script.clear()
    assert SECRET_WORDS not in response.text
    run = await failed_run(user, response, status, kind, "add milk")
    assert row_counts(url)["messages"] == messages
    assert run["tool_calls"][0]["parameters"] == {"title": "milk"}
    assert run["tool_calls"][0]["result"]["title"] == "milk"
    stub.answer = None
    await goes_on(user, stub, conversation)
    return asked


FAILURES: dict[str, tuple[Fail, int]] = {
    "400": (Fail(400, SECRET_WORDS), 1),
    "401": (Fail(401, SECRET_WORDS), 1),
    "403": (Fail(403, SECRET_WORDS), 1),
    "404": (Fail(404, SECRET_WORDS), 1),
    "429": (Fail(429, SECRET_WORDS), MAX_REQUESTS),
    "429 with Retry-After": (Fail(429, SECRET_WORDS, {"retry-after": "1"}), MAX_REQUESTS),
    "500": (Fail(500, SECRET_WORDS, AT_ONCE), MAX_REQUESTS),
    "503": (Fail(503, SECRET_WORDS, AT_ONCE), MAX_REQUESTS),
}


@pytest.mark.parametrize(("reply", "requests"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_model_that_refuses_is_asked_again_where_that_can_help_and_then_502(
    ann: ChatUser, stub: OpenAIStub, wire: Wire, module_database_url: str, reply: Fail, requests: int
) -> None:
    assert await fails(ann, stub, module_database_url, *[reply] * 9) == requests
    assert SECRET_WORDS not in wire.service.log


@pytest.mark.parametrize("status", [429, 503])
async def test_a_model_that_names_a_pause_is_asked_again_after_it(ann: ChatUser, stub: OpenAIStub, status: int) -> None:
    stub.reply(Fail(status, headers={"retry-after": "1"}), Say("here I am"))
    started = time.monotonic()
    assert (await ann.say("hi"))["response"] == "here I am"
    assert time.monotonic() - started >= 1
    assert len(stub.requests) == 2


def _output(item: str) -> str:
    return f'{{"id": "r", "output": [{item}]}}'


def _message(message: str) -> str:
    return f'{{"id": "c", "choices": [{{"index": 0, "message": {message}}}]}}'


EITHER = ["", "{}", "[]", "null", '"hello"', '{"id": "r", "out', '{"error": "hello"}']
NAMELESS = [
    '{"tool_calls": [{}]}',
    '{"tool_calls": [{"type": "function", "function": null}]}',
    '{"tool_calls": [{"type": "function", "function": {"name": null, "arguments": null}}]}',
]
"""What comes in pieces can lack some: these are calls of a tool without a name."""
NONSENSE = {
    "responses": [
        *EITHER,
        '{"output": null}',
        '{"output": []}',
        '{"output": {"a": 1}}',
        *map(
            _output,
            (
                "null",
                '"hello"',
                '{"type": "banana"}',
                '{"type": "reasoning", "summary": []}',
                '{"type": "computer_call"}',
                '{"type": "message"}',
                '{"type": "message", "content": null}',
                '{"type": "message", "content": "hello"}',
                '{"type": "message", "content": [{"type": "output_text"}]}',
                '{"type": "message", "content": [{"type": "output_text", "text": 5}]}',
                '{"type": "function_call"}',
                '{"type": "function_call", "name": 5, "arguments": "{}", "call_id": "c"}',
                '{"type": "function_call", "name": ["add_task"], "arguments": "{}", "call_id": "c"}',
                '{"type": "function_call", "name": "add_task", "arguments": null, "call_id": "c"}',
                '{"type": "function_call", "name": "add_task", "arguments": {"title": "x"}, "call_id": "c"}',
            ),
        ),
    ],
    "chat_completions": [
        *EITHER,
        '{"choices": []}',
        '{"choices": null}',
        '{"choices": [null]}',
        '{"choices": [{}]}',
        *map(
            _message,
            (
                "null",
                '"hello"',
                "{}",
                '{"role": "assistant"}',
                '{"content": null}',
                '{"content": 5}',
                '{"content": ["hello"]}',
                '{"tool_calls": {"a": 1}}',
                *NAMELESS,
                '{"tool_calls": [null]}',
                '{"tool_calls": [{"type": "function", "function": {"name": "add_task", "arguments": {"title": 1}}}]}',
            ),
        ),
    ],
}


async def test_a_model_that_talks_nonsense_is_502(
    ann: ChatUser, stub: OpenAIStub, wire: Wire, module_database_url: str, todo: Service
) -> None:
    for body in NONSENSE[wire.api]:
        tasks = len(todo_rows(todo.environment["DATABASE_URL"]))
        # Where a call can be made out, the model is told that there is no such tool, and fails after that.
        asked = 2 if body in map(_message, NAMELESS) else 1
        assert await fails(ann, stub, module_database_url, Raw(body), Fail(400)) == asked, body
        assert len(todo_rows(todo.environment["DATABASE_URL"])) == tasks + 1, body
    assert await fails(ann, stub, module_database_url, Raw("<html>It works!</html>", "text/html")) == 1
    assert "Traceback" not in wire.service.log


REFUSALS = {
    "responses": [{"type": "message", "content": [{"type": "refusal", "refusal": "I won't."}]}],
    "chat_completions": {"role": "assistant", "content": None, "refusal": "I won't."},
}


async def test_what_a_model_will_not_do_is_its_answer(ann: ChatUser, stub: OpenAIStub, wire: Wire) -> None:
    refusal = REFUSALS[wire.api]
    body = {"output": refusal} if wire.api == "responses" else {"choices": [{"index": 0, "message": refusal}]}
    stub.reply(Raw(json.dumps(body)))
    assert (await ann.say("do harm"))["response"] == "I won't."


@pytest.mark.parametrize("text", ["", " \n\t", "\x00", "\u2003"])
async def test_a_model_that_answers_nothing_is_502(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, text: str
) -> None:
    assert await fails(ann, stub, module_database_url, Say(text)) == 1


async def test_a_model_that_calls_tools_for_ever_is_stopped_after_max_tool_rounds(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str
) -> None:
    stub.answer = lambda _: Call("list_tasks")
    stub.reply(Say("hello"))
    conversation = (await ann.say("hi"))["conversation_id"]
    asked = len(stub.requests)
    run = await failed_run(ann, await ann.send("go on", conversation), 502, "model-failed", "go on")
    assert len(stub.requests) - asked == MAX_TOOL_ROUNDS
    assert [call["tool_name"] for call in run["tool_calls"]] == ["list_tasks"] * MAX_TOOL_ROUNDS
    assert str(MAX_TOOL_ROUNDS) in run["error"]["detail"]
    stub.answer = None
    await goes_on(ann, stub, conversation)
    assert row_counts(module_database_url)["messages"] % 2 == 0


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
async def test_a_model_that_sleeps_is_504_after_model_timeout_seconds(
    new_database: NewDatabase, todo: Service, stub: OpenAIStub, user_id: str, api: str
) -> None:
    url = new_database("sqlite")
    async with (
        running_chat(url, todo, stub, api, MODEL_TIMEOUT_SECONDS=f"{MODEL_SECONDS}") as service,
        as_user(service, user_id) as ann,
    ):
        await hold_to_contract(ann.http)
        for replies, delay in ([Say("too late")], 300.0), ([Fail(429, headers={"retry-after": "60"})] * 9, 0.0):
            stub.delay_seconds = delay
            stub.reply(*replies)
            started = time.monotonic()
            response = await ann.send("hi")
            assert time.monotonic() - started >= MODEL_SECONDS
            stub.script.clear()
            run = await failed_run(ann, response, 504, "model-timeout", "hi")
            assert row_counts(url)["messages"] % 2 == 0
            stub.delay_seconds = 0.0
            await goes_on(ann, stub, run["conversation_id"])
        # Between a tool's outcome and the model's last words, too.
        assert await fails(ann, stub, url, Fail(429, headers={"retry-after": "60"}), status=504) == 1
