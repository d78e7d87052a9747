"""What tests of chat-api's refusals and failures look at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.integration.chat_api.conftest import ChatUser, execute_sql
from tests.support.openai_stub import OpenAIStub, Say
from tests.support.problems import problem

TABLES = (
    "users",
    "conversations",
    "messages",
    "runs",
    "tool_calls",
    "model_responses",
    "run_events",
    "idempotency_keys",
    "daily_usage",
)


def row_counts(database_url: str) -> dict[str, int]:
    """Count the rows of every table of chat-api."""
    return {table: execute_sql(database_url, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}  # noqa: S608


def todo_rows(database_url: str) -> list[tuple[Any, ...]]:
    """Return everything that the todo server keeps of tasks."""
    return execute_sql(database_url, "SELECT * FROM tasks ORDER BY user_id, task_id")


@asynccontextmanager
async def nothing_stored(user: ChatUser, stub: OpenAIStub, database_url: str) -> AsyncIterator[None]:
    """See that what happens inside asks no model and leaves no row, and that the user's next message is answered."""
    before, asked = row_counts(database_url), len(stub.requests)
    yield
    assert row_counts(database_url) == before
    assert len(stub.requests) == asked
    assert (await user.read("conversations"))["items"] == []
    stub.reply(Say("fine"))
    answer = await user.say("hello")
    assert answer["response"] == "fine"
    assert await user.said(answer["conversation_id"]) == [("user", "hello"), ("assistant", "fine")]


async def failed_run(user: ChatUser, response: httpx.Response, status: int, kind: str, message: str) -> dict[str, Any]:
    """Return the run of a message that failed as said: on record with its message, and without a transcript."""
    body = problem(response, status, kind)
    run: dict[str, Any] = await user.read(f"runs/{body['run_id']}")
    assert (run["status"], run["input"]) == ("failed", message)
    assert run["error"] == {"type": kind, "detail": body["detail"]}
    assert run["conversation_id"] == body["conversation_id"]
    assert run["ended_at"] >= run["created_at"]
    assert run in await user.runs(body["conversation_id"])
    assert message not in [content for _, content in await user.said(body["conversation_id"])]
    return run


async def goes_on(user: ChatUser, stub: OpenAIStub, conversation_id: int) -> None:
    """See that a conversation takes its next message as if nothing had failed, and shows the model no torn call."""
    before = await user.said(conversation_id)
    stub.reply(Say("here again"))
    assert (await user.say("are you there?", conversation_id))["response"] == "here again"
    assert await user.said(conversation_id) == [*before, ("user", "are you there?"), ("assistant", "here again")]
    calls, outputs = calls_and_outputs(stub.requests[-1])
    assert calls == outputs


def calls_and_outputs(request: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the ids of the tool calls, and those of the outputs, that a model was sent on either wire."""
    if "input" in request:
        items = [item for item in request["input"] if "call_id" in item]
        return (
            [item["call_id"] for item in items if item["type"] == "function_call"],
            [item["call_id"] for item in items if item["type"] == "function_call_output"],
        )
    messages = request["messages"]
    calls = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    return calls, [message["tool_call_id"] for message in messages if message["role"] == "tool"]


def sent_outputs(request: dict[str, Any]) -> list[str]:
    """Return the texts of tool outputs that a model was sent on either wire."""
    if "input" in request:
        return [item["output"] for item in request["input"] if item.get("type") == "function_call_output"]
    return [message["content"] for message in request["messages"] if message["role"] == "tool"]
