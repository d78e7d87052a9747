"""The seed's rules about a conversation and its runs, each a test by name."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.integration.chat_api.conftest import REQUEST_SECONDS, ChatUser, OpenClient, execute_sql
from tests.support.openai_stub import Call, Calls, Fail, OpenAIStub, Raw, Reply, Say
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL_BEGUN_SECONDS = 45
"""Longest time until the model is asked about a hundred messages; chat-api waits a minute for an answer."""
PATIENCE_SECONDS = 120
REFUSED_ANSWER = "words that the database refuses"
INTERNALS = ("select ", "insert ", "no such table", "relation", "undefined", "psycopg", "sqlite", "sqlalchemy", "trace")
"""What an internal exception's text would hold, in lower case."""


def texts(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Return role and text of the messages in a model request of the Responses wire."""
    return [(item["role"], item["content"]) for item in request["input"] if "role" in item]


async def test_the_conversation_continues_with_its_history_in_order(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(Say("one"), Say("two"), Say("three"))
    number = (await ann.say("first"))["conversation_id"]
    for message in ("second", "third"):
        assert (await ann.say(message, number))["conversation_id"] == number
    told = [("user", "first"), ("assistant", "one"), ("user", "second"), ("assistant", "two"), ("user", "third")]
    assert texts(stub.requests[-1]) == told
    assert await ann.said(number) == [*told, ("assistant", "three")]


@pytest.mark.parametrize(
    "times",
    [
        pytest.param("'2026-11-23 09:30:00.123456'", id="of the same microsecond"),
        pytest.param("'2026-11-23 09:30:0' || (9 - message_id) || '.123456'", id="of a clock that was set back"),
    ],
)
async def test_messages_keep_their_order_whatever_their_times(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, times: str
) -> None:
    stub.answer = lambda request: Say(f"answer to {request['input'][-1]['content']}")
    number = (await ann.say("0"))["conversation_id"]
    for message in ("1", "2"):
        await ann.say(message, number)
    value = f"({times})::timestamptz" if module_database_url.startswith("postgresql") else times
    execute_sql(
        module_database_url,
        f"UPDATE messages SET created_at = {value} WHERE user_id = '{ann.user_id}'",  # noqa: S608
    )
    expected = [pair for n in range(3) for pair in (("user", f"{n}"), ("assistant", f"answer to {n}"))]
    assert await ann.said(number) == expected
    newest_first = await ann.read(f"conversations/{number}/messages")
    assert [(item["role"], item["content"]) for item in newest_first["items"]] == expected[::-1]
    await ann.say("3", number)
    assert texts(stub.requests[-1]) == [*expected, ("user", "3")]


async def test_both_messages_are_committed_together_or_neither(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str
) -> None:
    refuse_the_answer(module_database_url)
    stub.reply(Say("fine"), Call("add_task", {"title": "milk"}), Say(REFUSED_ANSWER), Say("fine again"))
    number = (await ann.say("before"))["conversation_id"]

    refused = await ann.send("the one whose answer cannot be written", number)
    assert refused.status_code == 500
    assert await ann.said(number) == [("user", "before"), ("assistant", "fine")]
    counted = f"SELECT count(*) FROM messages WHERE user_id = '{ann.user_id}'"  # noqa: S608
    assert execute_sql(module_database_url, counted) == [(2,)]

    run = (await ann.runs(number))[0]
    assert (run["status"], run["input"]) == ("failed", "the one whose answer cannot be written")
    assert run["error"]["type"] == "internal-error"
    assert [call["tool_name"] for call in run["tool_calls"]] == ["add_task"]

    assert (await ann.say("after", number))["response"] == "fine again"
    assert [content for _, content in await ann.said(number)] == ["before", "fine", "after", "fine again"]
    assert [run["status"] for run in await ann.runs(number)] == ["completed", "failed", "completed"]


def refuse_the_answer(database_url: str) -> None:
    """Let the database refuse one text in an assistant's message: the second row of a pair."""
    condition = f"NEW.role = 'assistant' AND NEW.content = '{REFUSED_ANSWER}'"
    if database_url.startswith("sqlite"):
        raises = "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
        execute_sql(database_url, f"CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN {condition} {raises}")
    else:
        execute_sql(
            database_url,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$",
            f"CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW WHEN ({condition}) "
            "EXECUTE FUNCTION refuse()",
        )


async def test_every_tool_call_is_logged_with_parameters_and_result_and_returned(
    ann: ChatUser, stub: OpenAIStub
) -> None:
    milk = {"title": "milk", "priority": "high"}
    stub.reply(
        Calls((Call("add_task", milk), Call("add_task", {"title": "eggs"}))),
        Call("complete_task", {"task_id": 2}),
        Call("get_task", {"task_id": 99}),
        Say("Milk is on the list, eggs are done."),
    )
    answer = await ann.say("add milk and eggs; eggs are done")
    calls = answer["tool_calls"]
    assert [(call["tool_name"], call["parameters"]) for call in calls] == [
        ("add_task", milk),
        ("add_task", {"title": "eggs"}),
        ("complete_task", {"task_id": 2}),
        ("get_task", {"task_id": 99}),
    ]
    assert [call["result"].get("task_id") for call in calls] == [1, 2, 2, None]
    assert [call["result"].get("status") for call in calls] == ["open", "open", "completed", None]
    assert "99" in calls[3]["result"]["error"]

    question, said = await ann.messages(answer["conversation_id"])
    assert (question["tool_calls"], said["tool_calls"]) == ([], calls)
    assert (await ann.read(f"runs/{answer['run_id']}"))["tool_calls"] == calls
    assert (await ann.runs(answer["conversation_id"]))[0]["tool_calls"] == calls

    stub.reply(Call("list_tasks", {"status": "all"}), Say("These."))
    tasks = (await ann.say("list"))["tool_calls"][0]["result"]["tasks"]
    assert sorted((task["title"], task["status"]) for task in tasks) == [("eggs", "completed"), ("milk", "open")]


async def test_the_tools_result_goes_back_to_the_model_and_its_final_words_are_the_response(
    ann: ChatUser, stub: OpenAIStub
) -> None:
    def answer(request: dict[str, Any]) -> Say | Call:
        last = request["input"][-1]
        if last.get("type") != "function_call_output":
            return Call("add_task", {"title": "milk"})
        return Say(f"Added {json.loads(last['output'])['title']} as number {json.loads(last['output'])['task_id']}.")

    stub.answer = answer
    done = await ann.say("add milk")
    assert done["response"] == "Added milk as number 1."
    assert (await ann.said(done["conversation_id"]))[-1] == ("assistant", done["response"])
    assert len(stub.requests) == 2
    call, output = stub.requests[1]["input"][-2:]
    assert (call["type"], output["type"]) == ("function_call", "function_call_output")
    assert call["call_id"] == output["call_id"]
    assert json.loads(output["output"]) == done["tool_calls"][0]["result"]


async def test_no_call_blocks_the_event_loop(client: OpenClient, user_id: str, stub: OpenAIStub) -> None:
    users = [await client(f"{user_id}-{n}") for n in range(10)]
    for user in users:
        user.http.timeout = httpx.Timeout(PATIENCE_SECONDS)
    rounds = [asyncio.Event() for _ in range(10)]
    stub.answer = lambda request: Say("at last", hold=rounds[int(request["input"][-1]["content"])])

    async def lives() -> None:
        assert (await users[0].http.get("/livez", timeout=REQUEST_SECONDS)).status_code == 200

    turns: list[asyncio.Task[httpx.Response]] = []
    try:
        # Until the model goes on, a call that kept the event loop would let no other begin, and nothing be answered.
        async with asyncio.timeout(ALL_BEGUN_SECONDS):
            # A few at a time: what waits long for a database connection on a busy machine is refused.
            for n in range(10):
                turns += [asyncio.create_task(user.send(str(n))) for user in users]
                while stub.open < len(turns):
                    await lives()
                    await asyncio.sleep(0.05)
        for _ in range(10):
            await lives()
        assert stub.open == len(turns) == 100
        for n, go_on in enumerate(rounds):
            go_on.set()
            answers = await asyncio.gather(*turns[10 * n : 10 * n + 10])
            assert [answer.status_code for answer in answers] == [200] * 10
    finally:
        for go_on in rounds:
            go_on.set()


async def test_an_unknown_conversation_is_404_and_nothing_is_created(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str
) -> None:
    response = await ann.send("hello?", 77)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "conversation-not-found"
    assert (await ann.read("conversations"))["items"] == []
    for table in ("users", "conversations", "runs", "messages"):
        counted = f"SELECT count(*) FROM {table} WHERE user_id = '{ann.user_id}'"  # noqa: S608
        assert execute_sql(module_database_url, counted) == [(0,)]
    assert stub.requests == []
    stub.reply(Say("one"))
    assert (await ann.say("hello"))["conversation_id"] == 1


async def test_an_internal_errors_text_does_not_leak(
    ann: ChatUser, chat: Service, stub: OpenAIStub, module_database_url: str
) -> None:
    stub.answer = lambda _: Say("fine")
    await ann.say("hello")
    execute_sql(module_database_url, "ALTER TABLE messages RENAME TO elsewhere")
    try:
        broken = [await ann.get("conversations/1/messages"), await ann.send("go on", 1), await ann.send("new")]
    finally:
        execute_sql(module_database_url, "ALTER TABLE elsewhere RENAME TO messages")
    for response in broken:
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json().keys() == {"type", "title", "status", "detail", "request_id"}
        assert not [word for word in INTERNALS if word in response.text.lower()]
        assert response.headers["x-request-id"] == response.json()["request_id"]
        assert response.json()["request_id"] in chat.log
    # The new conversation's run had begun. It met the defect at its end, and stays on record as failed.
    (run,) = await ann.runs(2)
    assert (run["status"], run["error"]["type"]) == ("failed", "internal-error")
    assert not [word for word in INTERNALS if word in run["error"]["detail"].lower()]
    assert len(await ann.messages(1)) == 2


async def test_the_models_errors_and_the_api_key_do_not_leak(
    ann: ChatUser, chat: Service, stub: OpenAIStub, module_database_url: str
) -> None:
    key, marker = chat.environment["OPENAI_API_KEY"], "a-marker-in-the-models-error"
    quoting = f"Incorrect API key provided: {key}; {marker}"
    failures: list[list[Reply]] = [
        [Fail(401, quoting)],
        [Fail(400, quoting)],
        [Fail(500, quoting), Fail(500, quoting), Fail(500, quoting)],
        [Raw(f"<html>{quoting}</html>", "text/html")],
        [Raw(json.dumps({"error": quoting}))],
    ]
    for replies in failures:
        stub.reply(*replies)
        response = await ann.send("hello")
        assert response.status_code == 502
        shown = [response.text, (await ann.get(f"runs/{response.json()['run_id']}")).text]
        assert not [text for text in shown if key in text or marker in text]
        assert response.json()["run_id"] in shown[1]
    stored = execute_sql(module_database_url, f"SELECT * FROM runs WHERE user_id = '{ann.user_id}'")  # noqa: S608
    assert len(stored) == len(failures)
    assert {header["authorization"] for header in stub.headers} == {f"Bearer {key}"}
    assert key not in f"{stored}{chat.log}"
    assert marker not in f"{stored}{chat.log}"
