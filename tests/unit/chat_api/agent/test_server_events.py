"""A model's streams as they are read: the same as the OpenAI client reads them, for less."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx2
import openai
import pytest
from agents import Model, ModelSettings, ModelTracing, OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.items import TResponseStreamEvent
from chat_api.agent import server_events
from chat_api.agent.errors import ModelFailedError
from chat_api.agent.stream import ResponseStream
from chat_api.agent.wire import wire_ready
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI

from tests.support.openai_replies import Call, Calls, Say
from tests.support.openai_wire import chat_chunks, chat_completion, response_events, response_object

Api = Literal["responses", "chat_completions"]
SAYING = Say('Größe 😀 "quoted"\n\u2028and done.')
CALLING = Calls((Call("add_task", {"title": "Käse"}), Call("list_tasks")), say="I look. ")


def stream_of(api: Api, reply: Say | Calls) -> bytes:
    if api == "responses":
        frames = response_events(response_object(reply, 1))
    else:
        frames = chat_chunks(chat_completion(reply, 1), include_usage=True)
    return "".join(frame.text for frame in frames).encode()


class Body(httpx2.AsyncByteStream):
    """A body in given pieces, with an exception or a long silence at its end."""

    def __init__(self, *pieces: bytes, end: Exception | float | None = None) -> None:
        self._pieces = pieces
        self._end = end
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if isinstance(self._end, Exception):
            raise self._end
        if self._end:
            await asyncio.sleep(self._end)

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True


@asynccontextmanager
async def model_of(api: Api, body: Body | bytes, ready: Callable[[AsyncOpenAI], AsyncOpenAI]) -> AsyncIterator[Model]:
    content = body if isinstance(body, Body) else Body(body)

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=content, headers={"content-type": "text/event-stream"})

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with AsyncOpenAI(api_key="x", base_url="http://model.invalid/v1", http_client=http, max_retries=0) as client:
        ready(client)
        if api == "responses":
            yield OpenAIResponsesModel(model="some-model", openai_client=client)
        else:
            yield OpenAIChatCompletionsModel(model="some-model", openai_client=client)


def asked(model: Model) -> AsyncIterator[TResponseStreamEvent]:
    return model.stream_response(
        None, "hello", ModelSettings(), [], None, [], ModelTracing.DISABLED,
        previous_response_id=None, conversation_id=None, prompt=None,
    )  # fmt: skip


async def events_of(
    api: Api, body: Body | bytes, ready: Callable[[AsyncOpenAI], AsyncOpenAI] = wire_ready
) -> list[TResponseStreamEvent]:
    async with model_of(api, body, ready) as model:
        return [event async for event in asked(model)]


def looked_at(events: list[TResponseStreamEvent]) -> list[dict[str, Any]]:
    """Return what the agent looks at in events, the made-up clock and ids of Chat Completions left out."""
    kinds = {"response.output_text.delta", "response.output_item.done", "response.completed"}
    dumped = [event.model_dump(mode="json", exclude_unset=True) for event in events if event.type in kinds]
    for event in dumped:
        event.get("response", {}).pop("created_at", None)
    return dumped


@pytest.mark.parametrize("reply", [SAYING, CALLING], ids=["words", "calls"])
@pytest.mark.parametrize("api", ["responses", "chat_completions"])
async def test_a_stream_is_read_as_the_client_reads_it(api: Api, reply: Say | Calls) -> None:
    body = stream_of(api, reply)
    plain = await events_of(api, body, lambda client: client)
    ready = await events_of(api, body)
    assert looked_at(ready) == looked_at(plain)
    assert len(looked_at(ready)) >= 2
    assert [type(event) for event in ready if event.type == "response.completed"] == [
        type(event) for event in plain if event.type == "response.completed"
    ]


@given(st.data())
async def test_it_does_not_matter_where_a_stream_is_cut_into_pieces(data: st.DataObject) -> None:
    body = stream_of("chat_completions", SAYING)
    if data.draw(st.booleans()):
        body = body.replace(b"\n", b"\r\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    events = await events_of("chat_completions", Body(*pieces))
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(words) == SAYING.text


async def test_names_of_events_may_stand_in_their_data_alone() -> None:
    body = b"".join(
        line + b"\n" for line in stream_of("responses", SAYING).split(b"\n") if not line.startswith(b"event:")
    )
    assert looked_at(await events_of("responses", body)) == looked_at(
        await events_of("responses", stream_of("responses", SAYING))
    )


async def test_comments_and_foreign_events_are_passed_over() -> None:
    body = b": ping\n\nevent: news\ndata: not even JSON\n\nretry: 5\n\n" + stream_of("responses", SAYING)
    assert len(looked_at(await events_of("responses", body))) >= 2


async def test_half_a_surrogate_pair_reaches_the_reader() -> None:
    delta = {"type": "response.output_text.delta", "delta": "\ud83d", "item_id": "m", "output_index": 0}
    body = b"data: " + json.dumps(delta).encode() + b"\n\n"
    (event,) = await events_of("responses", body)
    assert event.type == "response.output_text.delta"
    assert event.delta == "\ud83d"


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
@pytest.mark.parametrize("name", ["", "event: error\n"])
async def test_an_error_in_the_stream_is_the_clients_exception(api: Api, name: str) -> None:
    body = f'{name}data: {{"error": {{"message": "overloaded", "code": "x"}}}}\n\n'.encode()
    with pytest.raises(openai.APIError) as failed:
        await events_of(api, body)
    assert failed.value.body == {"message": "overloaded", "code": "x"}


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (httpx2.ReadTimeout("late"), openai.APITimeoutError),
        (httpx2.ReadError("reset"), openai.APIConnectionError),
        (httpx2.RemoteProtocolError("cut"), openai.APIConnectionError),
    ],
)
async def test_a_lost_connection_is_the_clients_exception(
    api: Api, end: Exception, kind: type[openai.APIConnectionError]
) -> None:
    whole = stream_of(api, SAYING)
    body = Body(whole[: len(whole) // 2], end=end)
    with pytest.raises(openai.APIConnectionError) as failed:
        await events_of(api, body)
    assert failed.type is kind
    assert body.closed


async def test_a_chat_stream_that_just_ends_in_the_middle_is_a_cut() -> None:
    whole = stream_of("chat_completions", CALLING)
    with pytest.raises(openai.APIConnectionError):
        await events_of("chat_completions", whole[: whole.index(b'"finish_reason": "tool_calls"')])


async def test_a_chat_stream_may_end_without_a_word_once_its_answer_has() -> None:
    whole = stream_of("chat_completions", SAYING)
    events = await events_of("chat_completions", whole[: whole.index(b"data: [DONE]")])
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("end", [30.0, httpx2.ReadError("reset"), None], ids=["open", "lost", "closed"])
async def test_what_comes_behind_done_is_not_waited_for(
    end: Exception | float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_events, "DRAIN_SECONDS", 0.01)
    body = Body(stream_of("chat_completions", SAYING), b": bye\n\n", end=end)
    async with asyncio.timeout(5):
        events = await events_of("chat_completions", body)
    assert events[-1].type == "response.completed"
    assert body.closed


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
@pytest.mark.parametrize("data", [b"{half", b"[1]", b'"text"', b"7", b"null", b"\xff\xfe"])
async def test_what_is_no_event_is_the_models_failure(api: Api, data: bytes) -> None:
    body = b"data: " + data + b"\n\n" + stream_of(api, SAYING)
    async with model_of(api, Body(body), wire_ready) as model:
        with pytest.raises(ModelFailedError):
            await ResponseStream("run-1", print).read(asked(model))
