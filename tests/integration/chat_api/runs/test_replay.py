"""A run's events can be read again from any of them on, at any replica, while it works and afterwards."""

import asyncio
import datetime as dt

import pytest
from chat_api.database import Database
from chat_api.upkeep.repository import purge_events
from chat_api.upkeep.service import EVENTS_KEPT

from tests.faults.streams import Event
from tests.integration.chat_api.conftest import ChatUser, as_user
from tests.integration.chat_api.runs.conftest import (
    EventStream,
    Replicas,
    following,
    held,
    kinds,
    replayed,
    sending,
    status_of,
    story_of,
)
from tests.support.openai_stub import Call, Calls, OpenAIStub, Say
from tests.support.problems import problem, refused_field
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker]

TWO_CALLS = Calls(
    (Call("add_task", {"title": "milk"}), Call("add_task", {"title": "eggs ✓ \U0001f95a"})), say="At once."
)
CALL_KINDS = ["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"]


async def all_replays(user: ChatUser, seen: EventStream) -> list[tuple[Event | None, EventStream]]:
    """Read a run again behind each event that was seen, and from its beginning."""
    run_id = seen.events[0].run_id
    places = [None, *seen.events]
    streams = await asyncio.gather(*(replayed(user, run_id, place) for place in places))
    return list(zip(places, streams, strict=True))


def bytes_behind(whole: bytes, event: Event | None) -> bytes:
    """Return what a stream holds behind an event, or all of it."""
    if event is None:
        return whole
    frame = f"id: {event.id}\ndata: {event.data}\n\n".encode()
    before, found, behind = whole.partition(frame)
    assert found, event
    assert frame not in before + behind
    return behind


async def test_every_offset_gets_the_same_bytes_at_the_other_replica_during_and_after_the_run(
    here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as go_on:
        stub.reply(TWO_CALLS, Say("Added milk and eggs ✓ now.", hold=go_on, pause_seconds=0.03))
        async with sending(here, "two things") as live:
            await live.until("TEXT_MESSAGE_START", skip=1)
            await live.until("TEXT_MESSAGE_CONTENT")
            seen = [None, *live.events]
            async with asyncio.TaskGroup() as readers:
                run_id = live.events[0].run_id
                during = [readers.create_task(replayed(there, run_id, place)) for place in seen]
                # Some have read all that there is and wait; let them, so that the rest comes to them live.
                await asyncio.sleep(0.3)
                assert not any(reader.done() for reader in during)
                go_on.set()
            await live.rest()
    whole = bytes(live.raw)
    assert whole.startswith(f"id: {run_id}:1\ndata: ".encode())
    assert kinds(live.events)[-1] == "RUN_FINISHED"
    assert story_of(live.events).words == "At once.Added milk and eggs ✓ now."
    assert kinds(live.events).count("TOOL_CALL_RESULT") == 2
    for place, reader in zip(seen, during, strict=True):
        assert bytes(reader.result().raw) == bytes_behind(whole, place)
    for user in (here, there):
        for place, stream in await all_replays(user, live):
            assert bytes(stream.raw) == bytes_behind(whole, place)


async def test_the_events_of_a_run_are_in_order_and_name_what_the_answer_names(
    here: ChatUser, stub: OpenAIStub
) -> None:
    stub.reply(TWO_CALLS, Say("Done."))
    async with sending(here, "two things") as live:
        events = await live.rest()
    assert kinds(events) == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        *(["TEXT_MESSAGE_CONTENT"] * (kinds(events).index("TEXT_MESSAGE_END") - 2)),
        "TEXT_MESSAGE_END",
        *CALL_KINDS,
        *CALL_KINDS,
        "TOOL_CALL_RESULT",
        "TOOL_CALL_RESULT",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    run_id = events[0].run_id
    run = await here.read(f"runs/{run_id}")
    story = story_of(events)
    assert [event.id for event in events] == [f"{run_id}:{n}" for n in range(1, len(events) + 1)]
    assert list(story.arguments) == list(story.results)
    assert len(set(story.arguments)) == 2
    for event in events:
        if event.body["type"] == "TEXT_MESSAGE_START":
            assert event.body["messageId"] == event.id
        if event.body["type"] == "TOOL_CALL_RESULT":
            assert event.body["messageId"] == f"{event.body['toolCallId']}-result"
        if event.body["type"] == "TOOL_CALL_START":
            assert event.body["parentMessageId"] == events[1].id
    finished = events[-1].body
    messages = await here.messages(run["conversation_id"])
    assert finished["outcome"] == {"type": "success"}
    assert finished["result"] == {
        "conversation_id": run["conversation_id"],
        "run_id": run_id,
        "message_id": messages[-1]["id"],
    }
    assert messages[-1]["content"] == story.answer == "Done."
    assert finished["usage"][0]["inputTokens"] == run["usage"]["input_tokens"] == 22


async def test_a_caller_of_json_has_the_same_run_as_its_readers(
    here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    stub.reply(TWO_CALLS, Say("Done."))
    answer = await here.say("two things")
    events = (await replayed(there, answer["run_id"])).events
    story = story_of(events)
    assert story.answer == answer["response"] == "Done."
    assert [call["tool_name"] for call in answer["tool_calls"]] == ["add_task", "add_task"]
    assert events[-1].body["result"]["message_id"] == answer["message_id"]


async def test_a_reader_behind_the_last_event_of_an_ended_run_gets_nothing_and_the_end(
    here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    stub.reply(Say("fine"))
    run_id = (await here.say("hello"))["run_id"]
    last = (await replayed(here, run_id)).events[-1]
    for user in (here, there):
        assert bytes((await replayed(user, run_id, last)).raw) == b""
        assert bytes((await replayed(user, run_id, f"{run_id}:2147483647")).raw) == b""


@pytest.mark.parametrize("wrong", ["", "1", "{run}", "{run}:", "{run}:-1", "{run}:x", "{run}:2147483648", "other:1"])
async def test_an_event_id_that_is_none_of_the_run_is_refused(here: ChatUser, stub: OpenAIStub, wrong: str) -> None:
    stub.reply(Say("fine"))
    run_id = (await here.say("hello"))["run_id"]
    headers = {"Last-Event-ID": wrong.replace("{run}", run_id)}
    refused = await here.http.get(f"/api/{here.user_id}/runs/{run_id}/events", headers=headers)
    assert refused_field(refused) == "Last-Event-ID"


async def test_the_events_of_another_users_run_and_of_none_are_the_same_404(
    replicas: Replicas, here: ChatUser, stub: OpenAIStub
) -> None:
    stub.reply(Say("mine"))
    run_id = (await here.say("hello"))["run_id"]
    async with as_user(replicas.second, f"{here.user_id}-other") as other:
        theirs = problem(await other.get(f"runs/{run_id}/events"), 404, "run-not-found")
        none = problem(await other.get("runs/none/events"), 404, "run-not-found")
        foreign = await other.http.get(f"/api/{here.user_id}/runs/{run_id}/events")
    assert {**theirs, "request_id": "", "instance": ""} == {**none, "request_id": "", "instance": ""}
    problem(foreign, 403, "forbidden")


async def test_the_reader_of_a_queued_run_waits_for_it_and_gets_all_of_it(
    here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    with held() as go_on:
        stub.reply(Say("first one", hold=go_on), Say("second"))
        async with sending(here, "first") as first:
            await first.until("TEXT_MESSAGE_CONTENT")
            conversation = (await here.read(f"runs/{first.events[0].run_id}"))["conversation_id"]
            async with sending(there, "second", conversation, on_busy="enqueue") as second:

                async def queued() -> str | None:
                    newest = (await here.runs(conversation))[0]
                    return str(newest["run_id"]) if newest["status"] == "queued" else None

                run_id = await until(queued)
                async with following(here, run_id) as reader:
                    await asyncio.sleep(0.3)
                    assert bytes(second.raw) == bytes(reader.raw) == b""
                    # Which run it is, whoever sent it can tell before its first event.
                    for response in (second.response, reader.response):
                        assert response.headers["content-location"] == f"/api/{here.user_id}/runs/{run_id}"
                    go_on.set()
                    await reader.rest()
                await second.rest()
            await first.rest()
    assert bytes(second.raw) == bytes(reader.raw)
    assert story_of(second.events).answer == "second"
    assert second.events[0].id == f"{run_id}:1"
    assert await here.said(conversation) == [
        ("user", "first"),
        ("assistant", "first one"),
        ("user", "second"),
        ("assistant", "second"),
    ]


async def test_events_are_gone_some_days_after_the_end_and_the_run_is_not(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    stub.reply(Say("old"), Say("young"))
    old, young = await here.say("hello"), await here.say("hello")
    ended = dt.datetime.now(dt.UTC) - dt.timedelta(days=7, minutes=1)
    barely = dt.datetime.now(dt.UTC) - dt.timedelta(days=7, minutes=-1)
    for answer, at in ((old, ended), (young, barely)):
        replicas.sql(f"UPDATE runs SET ended_at = '{at.isoformat()}' WHERE run_id = '{answer['run_id']}'")  # noqa: S608
    database = Database(replicas.url)
    async with database.writing() as connection:
        assert not await purge_events(connection, dt.datetime.now(dt.UTC) - EVENTS_KEPT)
    await database.close()
    for user in (here, there):
        problem(await user.get(f"runs/{old['run_id']}/events"), 410, "events-gone")
    assert replicas.sql(f"SELECT count(*) FROM run_events WHERE run_id = '{old['run_id']}'") == [(0,)]  # noqa: S608
    assert (await status_of(there, old["run_id"], "completed"))["input"] == "hello"
    assert await there.said(old["conversation_id"]) == [("user", "hello"), ("assistant", "old")]
    assert story_of((await replayed(there, young["run_id"])).events).answer == "young"
