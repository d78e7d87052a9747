"""What a client of `POST chat` sees of a run while it works: its events, each stored before it is sent."""

import asyncio
import json

import pytest
from chat_api.database import Database
from chat_api.journal import feed, sse
from chat_api.journal.feed import Feeds

from tests.integration.chat_api.conftest import ChatUser, execute_sql
from tests.integration.chat_api.runs.conftest import (
    EVENT_STREAM,
    following,
    held,
    kinds,
    replayed,
    sending,
    status_of,
    story_of,
)
from tests.support.openai_stub import Call, Calls, Cut, OpenAIStub, Say
from tests.support.problems import problem
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOWLY = 0.04
"""Longer than words are gathered before they are stored: each comes as an event of its own, on an idle machine."""


async def test_words_are_streamed_while_the_model_still_speaks(ann: ChatUser, stub: OpenAIStub) -> None:
    with held() as go_on:
        stub.reply(Say("one two three four", hold=go_on, pause_seconds=SLOWLY))
        async with sending(ann, "count") as live:
            first = await live.next()
            assert (first.n, first.body["type"]) == (1, "RUN_STARTED")
            words = ""
            while words != "one two":
                words += (await live.until("TEXT_MESSAGE_CONTENT")).body["delta"]
            assert (await ann.read(f"runs/{first.run_id}"))["status"] == "running"
            assert stub.open == 1
            go_on.set()
            await live.rest()
    assert story_of(live.events).answer == "one two three four"


async def test_a_stream_says_what_it_is_and_that_no_proxy_may_hold_it_back(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(Say("fine"))
    async with sending(ann, "hello") as live:
        events = await live.rest()
    async with following(ann, events[0].run_id) as again:
        await again.rest()
    for response in (live.response, again.response):
        assert response.headers["content-type"].split(";")[0] == EVENT_STREAM
        assert {"no-cache", "no-transform"} <= set(response.headers["cache-control"].split(", "))
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in response.headers
        assert "content-length" not in response.headers


async def test_each_event_is_stored_before_it_is_sent(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str
) -> None:
    with held() as go_on:
        stub.reply(
            Calls((Call("add_task", {"title": "milk"}),), say="let me see now", pause_seconds=SLOWLY),
            Say("one two three four five six seven eight", hold=go_on, pause_seconds=SLOWLY),
        )
        async with sending(ann, "milk") as live:
            while True:
                event = await live.next()
                where = f"run_id = '{event.run_id}' AND n = {event.n}"
                stored = execute_sql(module_database_url, f"SELECT data FROM run_events WHERE {where}")  # noqa: S608
                assert stored == [(event.data,)]
                if event.is_terminal:
                    break
                if "TOOL_CALL_RESULT" in kinds(live.events) and event.body["type"] == "TEXT_MESSAGE_CONTENT":
                    go_on.set()
    # At least one for what the model said first, and one for each half of the rest.
    assert kinds(live.events).count("TEXT_MESSAGE_CONTENT") >= 3


async def test_a_client_that_hangs_up_stops_nothing(ann: ChatUser, stub: OpenAIStub) -> None:
    with held() as go_on:
        stub.reply(Call("add_task", {"title": "milk"}), Say("one two three four", hold=go_on))
        async with sending(ann, "milk") as live:
            seen = await live.until("TEXT_MESSAGE_CONTENT")
        go_on.set()
        await status_of(ann, seen.run_id, "completed")
    assert stub.closed_early == []
    whole = await replayed(ann, seen.run_id)
    assert whole.events[: len(live.events)] == live.events
    assert story_of(whole.events).answer == "one two three four"


async def test_a_failed_run_ends_its_stream_with_the_error_that_stands_on_record(
    ann: ChatUser, stub: OpenAIStub
) -> None:
    stub.reply(Cut(Say("one two three four"), after_chunks=2))
    async with sending(ann, "count") as live:
        events = await live.rest()
    run = await ann.read(f"runs/{events[0].run_id}")
    assert (run["status"], run["error"]["type"]) == ("failed", "model-failed")
    assert kinds(events)[-1] == "RUN_ERROR"
    assert kinds(events).count("RUN_ERROR") == 1
    assert events[-1].body["code"] == run["error"]["type"]
    assert events[-1].body["message"] == run["error"]["detail"]
    story_of(events)


async def test_a_stopped_run_ends_its_stream_as_cancelled(ann: ChatUser, stub: OpenAIStub) -> None:
    with held() as go_on:
        stub.reply(Say("one two three four", hold=go_on))
        async with sending(ann, "count") as live:
            run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
            stopped = await ann.http.post(f"/api/{ann.user_id}/runs/{run_id}/cancel")
            assert stopped.status_code == 202
            events = await live.rest()
    assert events[-1].body["type"] == "RUN_FINISHED"
    assert events[-1].body["outcome"] == {"type": "cancelled"}
    run = await ann.read(f"runs/{run_id}")
    said = await ann.said(run["conversation_id"])
    assert said == [("user", "count"), ("assistant", story_of(events).answer)]
    assert said[1][1].startswith("one")


async def test_a_refusal_before_the_stream_is_a_problem(ann: ChatUser, stub: OpenAIStub) -> None:
    for body, status, kind in (
        ({"message": "hello", "conversation_id": 99}, 404, "conversation-not-found"),
        ({"message": " "}, 422, "invalid-request"),
    ):
        response = await ann.http.post(f"/api/{ann.user_id}/chat", json=body, headers={"Accept": EVENT_STREAM})
        problem(response, status, kind)
    assert stub.requests == []


async def test_words_of_every_kind_are_one_line_of_json_each(ann: ChatUser, stub: OpenAIStub) -> None:
    words = 'line one\n\nline "two"\r\nid: x\ndata: y\n\n\u2028 \U0001f95a ende'
    stub.reply(Say(words, pause_seconds=0.01))
    async with sending(ann, "odd") as live:
        await live.rest()
    assert story_of(live.events).answer == words
    for event in live.events:
        assert json.loads(event.data) == event.body


async def test_a_silent_stream_is_kept_alive_by_comments(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "IDLE_SECONDS", 0.3)
    database = Database(module_database_url)
    feeds = Feeds(database)
    with held() as go_on:
        stub.reply(Say("one two three four", hold=go_on))
        async with sending(ann, "count") as live, feeds.running():
            run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
            received = bytearray()

            async def read() -> None:
                async for data in sse.stream(feeds, ann.user_id, run_id, 0):
                    received.extend(data)

            reader = asyncio.create_task(read())
            await until(lambda: received.count(b": keep-alive\n\n") >= 2)
            go_on.set()
            await asyncio.wait_for(reader, 10)
            await live.rest()
    await database.close()
    assert received.endswith(b"\n\n")
    assert bytes(received).replace(b": keep-alive\n\n", b"") == bytes(live.raw)
