"""The stand-ins before the OpenAI client: less work, and the same bytes on the wire."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx2
import pytest
from agents import (
    FunctionTool,
    Model,
    ModelSettings,
    ModelTracing,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
)
from agents.items import TResponseInputItem
from chat_api.agent.wire import wire_ready
from openai import AsyncOpenAI

from tests.support.openai_stub import OpenAIStub, Say

Api = Literal["responses", "chat_completions"]

SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "description": 'Größe, 😀 and "quotes"', "minLength": 1},
        "tags": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
        "format": {"type": "string", "enum": ["a/b", "c"]},
    },
    "required": ["title"],
    "additionalProperties": False,
}
HISTORY: list[TResponseInputItem] = [
    {"role": "user", "content": "add milk"},
    {"type": "function_call", "call_id": "call_0", "name": "add_task", "arguments": '{"title":"milk"}'},
    {"type": "function_call", "call_id": "call_1", "name": "add_task", "arguments": '{"title":"Käse"}'},
    {"type": "function_call_output", "call_id": "call_0", "output": '{"task_id":1}'},
    {"type": "function_call_output", "call_id": "call_1", "output": '{"task_id":2}'},
    {"role": "assistant", "content": "Milk & Käse sind da. 😀"},
    {"role": "user", "content": "שלום\n\t\u2028"},
]


async def no_tool(*_: Any) -> str:
    raise AssertionError("the model calls no tool by itself")


TOOLS = [
    FunctionTool("add_task", "Add a task.", SCHEMA, no_tool, strict_json_schema=False),
    FunctionTool("list_tasks", "", {"type": "object", "properties": {}}, no_tool, strict_json_schema=False),
]


class Wire:
    """Keeps the requests that reached the transport, and answers them as a model does."""

    def __init__(self, api: Api) -> None:
        self.requests: list[httpx2.Request] = []
        self._stub = OpenAIStub()
        self._responses_wire = api == "responses"

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answered = self._stub._response(Say("hello"), self._responses_wire)
        return httpx2.Response(200, content=bytes(answered.body), headers={"content-type": "application/json"})


@asynccontextmanager
async def opened(wire: Wire) -> AsyncIterator[AsyncOpenAI]:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(wire))
    async with AsyncOpenAI(api_key="x", base_url="http://model.invalid/v1", http_client=http) as client:
        yield client


async def ask(client: AsyncOpenAI, api: Api, history: str | list[TResponseInputItem], tools: list[Any]) -> str:
    model: Model
    if api == "responses":
        model = OpenAIResponsesModel(model="some-model", openai_client=client)
    else:
        model = OpenAIChatCompletionsModel(model="some-model", openai_client=client)
    response = await model.get_response(
        "You are helpful.", history, ModelSettings(store=False, temperature=0.5), tools, None, [],
        ModelTracing.DISABLED, previous_response_id=None, conversation_id=None, prompt=None,
    )  # fmt: skip
    return str(response.output[0].model_dump()["content"][0]["text"])


@pytest.mark.parametrize("tools", [TOOLS, []], ids=["with tools", "without"])
@pytest.mark.parametrize("history", [HISTORY, [], "one text"], ids=["a history", "nothing", "a text"])
@pytest.mark.parametrize("api", ["responses", "chat_completions"])
async def test_the_same_request_is_sent_with_and_without(
    api: Api, history: str | list[TResponseInputItem], tools: list[Any]
) -> None:
    plain, ready = Wire(api), Wire(api)
    async with opened(plain) as client:
        assert await ask(client, api, history, tools) == "hello"
    async with opened(ready) as client:
        assert await ask(wire_ready(client), api, history, tools) == "hello"
    (expected,), (sent,) = plain.requests, ready.requests
    assert sent.url == expected.url
    assert {**sent.headers} == {**expected.headers}
    assert in_order_of_names(sent.content) == in_order_of_names(expected.content)
    assert len(sent.content) == len(expected.content)


def in_order_of_names(body: bytes) -> bytes:
    """Sort a body's top-level names, which `extra_body` moves to its end. All below stays as it is."""
    parsed = json.loads(body)
    return json.dumps({name: parsed[name] for name in sorted(parsed)}, ensure_ascii=False).encode()


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
async def test_the_large_values_pass_the_clients_walk_untouched(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[dict[str, Any]] = []
    async with opened(Wire(api)) as client:
        resource = client.responses if api == "responses" else client.chat.completions
        create = resource.create

        async def spy(**parameters: Any) -> Any:
            walked.append(parameters)
            return await create(**parameters)

        monkeypatch.setattr(resource, "create", spy)
        await ask(wire_ready(client), api, HISTORY, TOOLS)
    (parameters,) = walked
    name = "input" if api == "responses" else "messages"
    assert parameters[name] == []
    assert "tools" not in parameters
    assert len(parameters["extra_body"]["tools"]) == 2
    assert len(parameters["extra_body"][name]) >= len(HISTORY) - 1


async def test_all_else_of_the_client_is_still_there() -> None:
    async with opened(Wire("responses")) as client:
        retrieve = client.responses.retrieve
        completions = client.chat.completions.with_raw_response
        assert wire_ready(client) is client
        assert client.responses.retrieve == retrieve
        assert client.chat.completions.with_raw_response is completions
