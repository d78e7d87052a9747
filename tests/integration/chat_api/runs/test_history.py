"""What later turns are told of earlier runs, however those ended: every call with what it came to, or neither."""

import asyncio
import datetime as dt
import json
from typing import Any

import pytest

from tests.integration.chat_api.conftest import ChatUser, execute_sql
from tests.integration.chat_api.runs.conftest import Replicas, held, replayed, sending, status_of, story_of
from tests.support.chat import calls_and_outputs, sent_outputs
from tests.support.openai_stub import Call, Calls, Cut, OpenAIStub, Say
from tests.support.services import Service
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker]


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """A todo server that is not waited for long."""
    return {"TOOL_TIMEOUT_SECONDS": "3"}


def told(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Return role and words of the messages that a model was sent."""
    return [(item["role"], item["content"]) for item in request["input"] if "role" in item]


async def goes_on(user: ChatUser, stub: OpenAIStub, conversation_id: int) -> dict[str, Any]:
    """Send the conversation's next message; returns the model's request, in which every call has its output."""
    stub.reply(Say("Here again."))
    assert (await user.say("are you there?", conversation_id))["response"] == "Here again."
    request = stub.requests[-1]
    calls, outputs = calls_and_outputs(request)
    assert calls == outputs
    assert len(set(calls)) == len(calls)
    assert told(request)[-1] == ("user", "are you there?")
    return request


def task_titles(user: ChatUser, todo: Service) -> list[str]:
    """Return the titles of the user's tasks in the todo server's own database."""
    rows = execute_sql(
        todo.environment["DATABASE_URL"],
        f"SELECT title FROM tasks WHERE user_id = '{user.user_id}' ORDER BY task_id",  # noqa: S608
    )
    return [title for (title,) in rows]


async def stop(user: ChatUser, run_id: str) -> None:
    """Stop a run that is at work."""
    stopped = await user.http.post(f"/api/{user.user_id}/runs/{run_id}/cancel")
    assert stopped.status_code == 202, stopped.text


async def test_the_model_is_told_what_a_failed_run_did_and_nothing_of_one_that_did_nothing(
    here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    stub.reply(Call("add_task", {"title": "milk"}), Cut(Say("I have added it")))
    failed = (await here.send("add milk")).json()
    conversation = failed["conversation_id"]
    stub.reply(Cut(Say("Let me think")))
    assert (await here.send("think", conversation)).status_code == 502
    request = await goes_on(there, stub, conversation)
    words = told(request)
    assert words[0] == ("user", "add milk")
    assert "failed" in words[1][1]
    assert len(words) == 3
    assert "I have added it" not in json.dumps(request)
    assert [json.loads(output)["title"] for output in sent_outputs(request)] == ["milk"]
    assert await here.said(conversation) == [("user", "are you there?"), ("assistant", "Here again.")]


async def test_the_model_is_told_where_the_user_stopped_it(here: ChatUser, there: ChatUser, stub: OpenAIStub) -> None:
    with held() as never:
        stub.reply(Call("add_task", {"title": "milk"}), Say("one two three four", hold=never))
        async with sending(here, "add milk and count") as live:
            run_id = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
            await stop(there, run_id)
            await live.rest()
    conversation = (await here.read(f"runs/{run_id}"))["conversation_id"]
    request = await goes_on(there, stub, conversation)
    partial = story_of(live.events).answer
    assert partial.startswith("one")
    question, answer, _ = told(request)
    assert question == ("user", "add milk and count")
    assert answer[1].startswith(f"{partial}\n\n")
    assert "stopped" in answer[1].removeprefix(partial)
    assert [json.loads(output)["title"] for output in sent_outputs(request)] == ["milk"]


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        # The todo server still knows what the call came to, and is asked.
        (
            "UPDATE tool_calls SET result = NULL, is_error = NULL, ended_at = NULL WHERE call_index = 0",
            ["milk", "eggs"],
        ),
        ("DELETE FROM tool_calls WHERE call_index = 0", ["eggs"]),
        ("DELETE FROM tool_calls WHERE call_index >= 0", []),
        ("DELETE FROM messages WHERE role = 'assistant'", ["milk", "eggs"]),
        ("DELETE FROM model_responses WHERE response_ordinal >= 0", ["milk", "eggs"]),
    ],
)
async def test_rows_that_were_broken_by_hand_are_repaired_when_they_are_read(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub, todo: Service, damage: str, left: list[str]
) -> None:
    both = Calls((Call("add_task", {"title": "milk"}), Call("add_task", {"title": "eggs"})))
    stub.reply(both, Say("Added."))
    answer = await here.say("two things")
    replicas.sql(f"{damage} AND run_id = '{answer['run_id']}'")
    for user in (here, there):
        request = await goes_on(user, stub, answer["conversation_id"])
        assert [json.loads(output)["title"] for output in sent_outputs(request)] == left
    assert task_titles(here, todo) == ["milk", "eggs"]


async def test_a_call_whose_server_does_not_know_it_is_told_as_void_and_stays_so(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub, todo: Service
) -> None:
    """The run is stopped while nothing of the todo server can be reached; its call arrives when all is over."""
    title = f"milk {here.user_id}"
    call = replicas.to_todo.catch(title.encode(), "request")
    stub.reply(Call("add_task", {"title": title}))
    async with sending(here, "milk") as live:
        run_id = (await live.next()).run_id
        await asyncio.wait_for(call.caught.wait(), 10)
        replicas.to_todo.freeze()
        await stop(here, run_id)
        await live.rest()
    assert live.events[-1].body["outcome"] == {"type": "cancelled"}
    run = await there.read(f"runs/{run_id}")
    assert (run["status"], run["tool_calls"][0]["result"]) == ("cancelled", None)
    unsettled = f"SELECT unsettled FROM runs WHERE run_id = '{run_id}'"  # noqa: S608
    assert replicas.sql(unsettled) == [(True,)]

    request = await goes_on(there, stub, run["conversation_id"])
    (void,) = [json.loads(output) for output in sent_outputs(request)]
    assert "error" in void
    assert (await there.read(f"runs/{run_id}"))["tool_calls"][0]["result"] == void
    call.pass_on()
    replicas.to_todo.thaw()
    assert sent_outputs(await goes_on(here, stub, run["conversation_id"])) == sent_outputs(request)
    assert task_titles(here, todo) == []


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_stop_while_a_call_times_out_finds_out_what_the_call_came_to(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub, todo: Service, lost: str
) -> None:
    title = f"milk {here.user_id}"
    call = replicas.to_todo.catch(title.encode(), "request" if lost == "request" else "answer")
    stub.reply(Call("add_task", {"title": title}))
    async with sending(here, "milk") as live:
        run_id = (await live.next()).run_id
        await asyncio.wait_for(call.caught.wait(), 10)
        await stop(there, run_id)
        await live.rest()
    assert live.events[-1].body.get("outcome") == {"type": "cancelled"}, live.events[-1].data
    run = await there.read(f"runs/{run_id}")
    assert run["status"] == "cancelled"
    result = run["tool_calls"][0]["result"]
    assert result.get("title") == (None if lost == "request" else title)
    assert ("error" in result) == (lost == "request")
    assert story_of(live.events).results == {name: json.dumps(result, separators=(",", ":")) for name in calls_of(live)}
    call.pass_on()
    request = await goes_on(there, stub, run["conversation_id"])
    assert [json.loads(output) for output in sent_outputs(request)] == [result]
    assert task_titles(here, todo) == ([] if lost == "request" else [title])


async def test_a_process_that_comes_up_settles_and_deletes_what_is_due(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub, todo: Service
) -> None:
    title = f"milk {here.user_id}"
    stub.reply(Say("long ago"), Call("add_task", {"title": title}))
    old = await here.say("hello")
    call = replicas.to_todo.catch(title.encode(), "request")
    async with sending(here, "milk") as live:
        run_id = (await live.next()).run_id
        await asyncio.wait_for(call.caught.wait(), 10)
        replicas.to_todo.freeze()
        await live.rest()
    run = await status_of(there, run_id, "failed")
    assert run["error"]["type"] == "todo-server-timeout"
    for name, days in ((old["run_id"], 8), (run_id, 1)):
        ended = (dt.datetime.now(dt.UTC) - dt.timedelta(days=days)).isoformat()
        replicas.sql(f"UPDATE runs SET ended_at = '{ended}' WHERE run_id = '{name}'")  # noqa: S608
    await replicas.second.kill()
    await replicas.second.restart()

    async def settled() -> bool:
        result = (await there.read(f"runs/{run_id}"))["tool_calls"][0]["result"]
        return result is not None and "error" in result

    await until(settled)
    await until(lambda: replicas.sql(f"SELECT unsettled FROM runs WHERE run_id = '{run_id}'") == [(False,)])  # noqa: S608
    call.pass_on()
    replicas.to_todo.thaw()
    await goes_on(here, stub, run["conversation_id"])
    assert task_titles(here, todo) == []
    await until(lambda: replicas.sql(f"SELECT events_kept FROM runs WHERE run_id = '{old['run_id']}'") == [(False,)])  # noqa: S608
    assert (await there.get(f"runs/{old['run_id']}/events")).status_code == 410
    assert story_of((await replayed(there, run_id)).events).faults == []


def calls_of(stream: Any) -> list[str]:
    """Return the ids of the tool calls that a stream tells of."""
    return [event.body["toolCallId"] for event in stream.events if event.body["type"] == "TOOL_CALL_START"]
