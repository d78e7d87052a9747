"""The rules of a run around each response of its model."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx2
import openai
import pytest
from agents import FunctionTool, Model, ModelResponse, ModelSettings, ModelTracing, Usage
from agents.items import TResponseOutputItem, TResponseStreamEvent
from agents.testing import assistant_message
from chat_api.agent.errors import ModelFailedError, ModelTimeoutError
from chat_api.agent.model import RunModel
from chat_api.agent.turn import ToolCall, ToolOutcome
from chat_api.agent.turn import Usage as RunUsage
from openai.types.responses import ResponseFunctionToolCall

RUN_ID = "0199c0de-0000-7000-8000-00000000abcd"
KEY = "sk-a-key-of-these-tests"


class MemoryJournal:
    """A journal that remembers its entries in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[ToolCall, ToolOutcome | None]] = []

    def model_responded(self, usage: RunUsage) -> None:
        """Count nothing."""

    def check_owned(self) -> None:
        """Nobody else is there."""

    async def calls_requested(self, calls: Sequence[ToolCall]) -> None:
        """Note the calls."""
        self.entries += [(call, None) for call in calls]

    async def call_ended(self, call: ToolCall, outcome: ToolOutcome) -> None:
        """Note the outcome."""
        self.entries.append((call, outcome))


class FakeModel(Model):
    """Answers with given items, response by response, or fails."""

    def __init__(self, *responses: list[TResponseOutputItem] | Exception | float) -> None:
        self._responses = list(responses)

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        """Return, raise, or dawdle for so many seconds."""
        response = self._responses.pop(0)
        if isinstance(response, Exception):
            raise response
        if isinstance(response, float):
            await asyncio.sleep(response)
            response = []
        return ModelResponse(output=response, usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Not needed here."""
        raise NotImplementedError


async def no_tool(*_: Any) -> str:
    raise AssertionError("the model calls no tool by itself")


TOOLS = [FunctionTool(name, "", {"type": "object"}, no_tool) for name in ("add_task", "list_tasks")]


async def ask(model: RunModel) -> ModelResponse:
    return await model.get_response(
        None, "hello", ModelSettings(), list(TOOLS), None, [], ModelTracing.DISABLED,
        previous_response_id=None, conversation_id=None, prompt=None,
    )  # fmt: skip


def call(name: str, arguments: str = "{}", call_id: str = "call_1") -> TResponseOutputItem:
    return ResponseFunctionToolCall(type="function_call", name=name, arguments=arguments, call_id=call_id)


async def answered(
    *responses: list[TResponseOutputItem],
) -> tuple[list[list[TResponseOutputItem]], RunModel, MemoryJournal]:
    journal = MemoryJournal()
    model = RunModel(FakeModel(*responses), RUN_ID, journal, 5)
    return [(await ask(model)).output for _ in responses], model, journal


async def test_calls_get_the_runs_ids_whatever_the_providers_are() -> None:
    outputs, model, journal = await answered(
        [call("add_task", call_id=""), call("add_task", call_id="")],
        [call("list_tasks", call_id="")],
    )
    ids = [item.call_id for output in outputs for item in output if isinstance(item, ResponseFunctionToolCall)]
    assert len(set(ids)) == 3
    assert list(model.calls) == ids
    places = [(entry.response_ordinal, entry.call_index) for entry, _ in journal.entries]
    assert places == [(0, 0), (0, 1), (1, 0)]


async def test_calls_are_journalled_before_the_response_is_handed_on() -> None:
    journal = MemoryJournal()

    class Refusing(MemoryJournal):
        async def calls_requested(self, calls: Sequence[ToolCall]) -> None:
            raise LookupError("the run is somebody else's")

    with pytest.raises(LookupError):
        await ask(RunModel(FakeModel([call("add_task")]), RUN_ID, Refusing(), 5))
    await ask(RunModel(FakeModel([call("add_task", '{ "title" : "milk" }')]), RUN_ID, journal, 5))
    assert journal.entries == [(ToolCall(0, 0, "add_task", '{"title":"milk"}'), None)]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ("", "{}"),
        ("  ", "{}"),
        ('{"a": "b\\u0000c"}', '{"a":"bc"}'),
        ('{"a": "\\ud800"}', '{"a":"�"}'),
        ('{"a": 1, "a": 2}', '{"a":2}'),
    ],
)
async def test_arguments_are_made_one_clean_json_object(arguments: str, sent: str) -> None:
    outputs, model, _ = await answered([call("add_task", arguments)])
    item = outputs[0][0]
    assert isinstance(item, ResponseFunctionToolCall)
    assert item.arguments == sent
    assert model.calls[item.call_id].arguments == sent
    assert model.refusals == {}


@pytest.mark.parametrize(
    "arguments",
    ["{broken", "[1]", '"text"', "null", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', "[" * 5000, '{"a":' * 5000],
)
async def test_arguments_that_are_no_object_are_refused_and_the_refusal_is_journalled(arguments: str) -> None:
    outputs, model, journal = await answered([call("add_task", arguments)])
    item = outputs[0][0]
    assert isinstance(item, ResponseFunctionToolCall)
    assert item.arguments == "{}"
    refusal = model.refusals[item.call_id]
    assert refusal.is_error
    assert "must be one JSON object" in json.loads(refusal.result)["error"]
    assert len(refusal.result) < 1000
    assert [outcome for _, outcome in journal.entries] == [None, refusal]


async def test_an_unknown_tool_is_refused_by_name() -> None:
    outputs, model, journal = await answered([call("fly\x00_away", '{"to": "moon"}'), call("add_task")])
    names = [item.name for item in outputs[0] if isinstance(item, ResponseFunctionToolCall)]
    assert names == ["fly__away", "add_task"]
    (refusal,) = model.refusals.values()
    assert json.loads(refusal.result) == {"error": "Tool 'fly_away' not found."}
    assert [(entry.tool_name, outcome) for entry, outcome in journal.entries] == [
        ("fly__away", None),
        ("add_task", None),
        ("fly__away", refusal),
    ]
    assert journal.entries[0][0].arguments == '{"to":"moon"}'


async def test_texts_are_made_fit_for_storage() -> None:
    outputs, _, journal = await answered([assistant_message("a\x00b \ud800")])
    assert outputs[0][0].model_dump()["content"][0]["text"] == "ab �"
    assert journal.entries == []


async def test_a_slow_model_times_out() -> None:
    model = RunModel(FakeModel(30.0), RUN_ID, MemoryJournal(), 0.05)
    with pytest.raises(ModelTimeoutError, match="did not answer in time"):
        await ask(model)


REQUEST = httpx2.Request("POST", "https://model.invalid/v1/responses")


def status_error(kind: Callable[..., openai.APIStatusError], status: int) -> openai.APIStatusError:
    return kind(f"Incorrect key {KEY}", response=httpx2.Response(status, request=REQUEST), body=None)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (status_error(openai.AuthenticationError, 401), "credentials"),
        (status_error(openai.PermissionDeniedError, 403), "credentials"),
        (status_error(openai.RateLimitError, 429), "limiting"),
        (status_error(openai.InternalServerError, 500), "failed to answer"),
        (openai.APIConnectionError(message=KEY, request=REQUEST), "cannot be reached"),
        (KeyError(KEY), "failed to answer"),
    ],
)
async def test_a_models_failure_is_told_without_its_text(
    error: Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelFailedError) as failed:
        await ask(RunModel(FakeModel(error), RUN_ID, MemoryJournal(), 5))
    assert words in str(failed.value)
    assert failed.value.__cause__ is None
    assert KEY not in f"{failed.value}{caplog.text}"
    assert RUN_ID in caplog.text


async def test_the_clients_own_time_out_is_one() -> None:
    with pytest.raises(ModelTimeoutError):
        await ask(RunModel(FakeModel(openai.APITimeoutError(REQUEST)), RUN_ID, MemoryJournal(), 5))


async def test_an_answer_of_the_wrong_shape_is_the_models_failure() -> None:
    broken = ResponseFunctionToolCall(type="function_call", name="add_task", arguments="", call_id="1")
    broken.__dict__["arguments"] = None
    with pytest.raises(ModelFailedError, match="cannot be used"):
        await ask(RunModel(FakeModel([broken]), RUN_ID, MemoryJournal(), 5))
