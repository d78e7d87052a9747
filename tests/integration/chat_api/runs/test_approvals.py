"""Tool calls that wait for the user: nothing is sent before a decision, which is made once, and nothing gets stuck."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio

from tests.integration.chat_api.conftest import ChatUser, as_user, running_chat
from tests.integration.chat_api.runs.conftest import (
    Replicas,
    held,
    kinds,
    replayed,
    sending,
    status_of,
    story_of,
)
from tests.support.chat import calls_and_outputs, sent_outputs
from tests.support.openai_stub import Call, Calls, OpenAIStub, Say
from tests.support.problems import problem, refused_field
from tests.support.services import Service
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker]

EXPIRES_SECONDS = 86_400
SOON_SECONDS = 3600
"""Longer than any test takes: one that needs approvals to expire moves their time."""
DELETE = Call("delete_task", {"task_id": 1})


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Calls that can destroy something wait."""
    return {"TOOL_APPROVAL": "destructive"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cautious(module_replicas: Replicas, todo: Service, module_stub: OpenAIStub) -> AsyncIterator[Service]:
    """A third replica, at which every call waits, and that for an hour."""
    settings = {"TOOL_APPROVAL": "always", "APPROVAL_EXPIRES_SECONDS": str(SOON_SECONDS)}
    async with running_chat(module_replicas.url, todo, module_stub, **settings) as service:
        yield service


async def decide(user: ChatUser, run_id: str, *decisions: tuple[str, bool] | tuple[str, bool, str]) -> httpx.Response:
    """Send decisions: of each call its id, whether it is allowed, and perhaps why not."""
    names = ("tool_call_id", "approve", "reason")
    body = {"decisions": [dict(zip(names, decision, strict=False)) for decision in decisions]}
    return await user.http.post(f"/api/{user.user_id}/runs/{run_id}/approvals", json=body)


async def waiting_run(
    user: ChatUser, stub: OpenAIStub, *calls: Call, conversation_id: int | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Send a message whose calls wait for approval; returns the answer, and the ids of the calls."""
    stub.reply(Calls(calls))
    response = await user.send("please", conversation_id)
    assert response.status_code == 202, response.text
    answer: dict[str, Any] = response.json()
    return answer, [call["tool_call_id"] for call in answer["pending_approvals"]]


async def task_statuses(user: ChatUser, stub: OpenAIStub) -> list[tuple[str, str]]:
    """Return titles and states of the user's tasks, as a turn of a conversation of its own lists them."""
    stub.reply(Call("list_tasks", {"status": "all"}), Say("There."))
    answer = await user.say("list all")
    return [(task["title"], task["status"]) for task in answer["tool_calls"][0]["result"]["tasks"]]


async def add(user: ChatUser, stub: OpenAIStub, *titles: str) -> int:
    """Add tasks, which asks for no approval, and return the conversation."""
    stub.reply(Calls(tuple(Call("add_task", {"title": title}) for title in titles)), Say("Added."))
    answer = await user.say("add some")
    assert answer["status"] == "completed"
    conversation: int = answer["conversation_id"]
    return conversation


async def test_a_call_that_can_destroy_waits_and_is_sent_when_it_is_allowed(
    here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    conversation = await add(here, stub, "milk")
    answer, (call,) = await waiting_run(here, stub, DELETE, conversation_id=conversation)
    assert (answer["status"], answer["response"], answer["message_id"]) == ("requires_action", "", None)
    assert answer["conversation_id"] == conversation
    assert answer["tool_calls"] == [{"tool_name": "delete_task", "parameters": {"task_id": 1}, "result": None}]
    (pending,) = answer["pending_approvals"]
    assert (pending["tool_name"], pending["parameters"]) == ("delete_task", {"task_id": 1})
    expires_in = dt.datetime.fromisoformat(pending["expires_at"]) - dt.datetime.now(dt.UTC)
    assert EXPIRES_SECONDS - 60 < expires_in.total_seconds() <= EXPIRES_SECONDS
    run = await there.read(f"runs/{answer['run_id']}")
    assert (run["status"], run["pending_approvals"], run["ended_at"]) == ("requires_action", [pending], None)
    assert (await there.read(f"conversations/{conversation}"))["active_run_id"] == answer["run_id"]
    assert await task_statuses(here, stub) == [("milk", "open")]

    stub.reply(Say("Deleted."))
    decided = await decide(there, answer["run_id"], (call, True))
    assert decided.status_code == 202
    assert decided.json()["run_id"] == answer["run_id"]
    run = await status_of(here, answer["run_id"], "completed")
    assert run["pending_approvals"] == []
    assert run["tool_calls"][0]["result"]["status"] == "deleted"
    assert await task_statuses(here, stub) == [("milk", "deleted")]
    assert (await here.said(conversation))[2:] == [("user", "please"), ("assistant", "Deleted.")]


async def test_a_denied_call_is_never_sent_and_the_model_is_told_why(
    here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    await add(here, stub, "milk", "eggs")
    calls = (DELETE, Call("list_tasks"), Call("delete_task", {"task_id": 2}))
    answer, (milk, eggs) = await waiting_run(here, stub, *calls)
    # Calls of one response are carried out in their order, so the one in between waits as well.
    assert [call["result"] for call in answer["tool_calls"]] == [None, None, None]
    stub.reply(Say("One is left."))
    assert (await decide(there, answer["run_id"], (eggs, True), (milk, False, "I need it"))).status_code == 202
    run = await status_of(here, answer["run_id"], "completed")
    assert "I need it" in run["tool_calls"][0]["result"]["error"]
    assert [task["title"] for task in run["tool_calls"][1]["result"]["tasks"]] == ["milk", "eggs"]
    assert run["tool_calls"][2]["result"]["status"] == "deleted"
    outputs = [json.loads(output) for output in sent_outputs(stub.requests[-1])]
    assert outputs == [call["result"] for call in run["tool_calls"]]
    sent, answered = calls_and_outputs(stub.requests[-1])
    assert sent == answered
    assert await task_statuses(here, stub) == [("milk", "open"), ("eggs", "deleted")]


async def test_a_stream_ends_with_the_interruption_and_its_replay_goes_on_behind_it(
    here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    await add(here, stub, "milk")
    stub.reply(Calls((DELETE,), say="I will delete it."), Say("Deleted."))
    async with sending(here, "please") as live:
        events = await live.rest()
    finished = events[-1].body
    run_id = events[0].run_id
    (pending,) = (await there.read(f"runs/{run_id}"))["pending_approvals"]
    assert finished["type"] == "RUN_FINISHED"
    assert finished["outcome"]["type"] == "interrupt"
    (interrupt,) = finished["outcome"]["interrupts"]
    assert interrupt["id"] == interrupt["toolCallId"] == pending["tool_call_id"]
    assert dt.datetime.fromisoformat(interrupt["expiresAt"]) == dt.datetime.fromisoformat(pending["expires_at"])
    assert kinds(events)[-4:] == ["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "RUN_FINISHED"]
    # Who looks while it waits gets the same, and is not kept.
    assert bytes((await replayed(there, run_id)).raw) == bytes(live.raw)

    assert (await decide(there, run_id, (interrupt["id"], True))).status_code == 202
    behind = await replayed(here, run_id, events[-1])
    assert kinds(behind.events)[:2] == ["RUN_STARTED", "TOOL_CALL_RESULT"]
    assert behind.events[-1].body["outcome"] == {"type": "success"}
    assert behind.events[0].body["runId"] == events[0].body["runId"]
    for user in (here, there):
        assert bytes((await replayed(user, run_id)).raw) == bytes(live.raw + behind.raw)
    assert story_of([*events, *behind.events]).answer == "Deleted."


async def test_a_decision_is_made_once(here: ChatUser, there: ChatUser, stub: OpenAIStub) -> None:
    await add(here, stub, "milk")
    answer, (call,) = await waiting_run(here, stub, DELETE)
    stub.reply(Say("Done."))
    users = [here, there] * 3
    decisions = await asyncio.gather(
        *(decide(user, answer["run_id"], (call, place % 2 == 0)) for place, user in enumerate(users))
    )
    assert sorted(decision.status_code for decision in decisions) == [202] + [409] * 5
    accepted = [decision.status_code for decision in decisions].index(202)
    run = await status_of(here, answer["run_id"], "completed")
    problem(await decide(there, answer["run_id"], (call, True)), 409, "already-decided")
    assert ("error" in run["tool_calls"][0]["result"]) == (accepted % 2 == 1)
    whole = await replayed(here, answer["run_id"])
    assert kinds(whole.events).count("RUN_STARTED") == kinds(whole.events).count("RUN_FINISHED") == 2
    assert run["attempt"] == 2


async def test_a_decision_takes_the_conversation_before_the_run(
    replicas: Replicas, here: ChatUser, stub: OpenAIStub
) -> None:
    await add(here, stub, "milk")
    answer, (call,) = await waiting_run(here, stub, DELETE)
    stub.reply(Say("Deleted."))
    with psycopg.connect(replicas.url) as other:
        # Somebody ends the run: the conversation first, as everywhere, then the run.
        other.execute(
            "SELECT 1 FROM conversations WHERE user_id = %s AND conversation_id = %s FOR UPDATE",
            (here.user_id, answer["conversation_id"]),
        )
        deciding = asyncio.create_task(decide(here, answer["run_id"], (call, True)))
        blocked = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        await until(lambda: replicas.sql(blocked) == [(1,)])
        # Had the decision locked the run, each of the two would now wait for the other.
        other.execute("SELECT 1 FROM runs WHERE run_id = %s FOR UPDATE NOWAIT", (answer["run_id"],))
    assert (await deciding).status_code == 202
    await status_of(here, answer["run_id"], "completed")


async def test_a_stop_that_meets_the_pause_is_heeded(replicas: Replicas, here: ChatUser, stub: OpenAIStub) -> None:
    conversation = await add(here, stub, "milk")
    hold = asyncio.Event()
    stub.reply(Calls((DELETE,), hold=hold))
    async with sending(here, "please", conversation) as live:
        await until(lambda: stub.open)
        run_id = (await here.read(f"conversations/{conversation}"))["active_run_id"]

        async def is_at_its_pause() -> bool:
            waits = "wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE' AND datname = current_database()"
            is_waiting = replicas.sql(f"SELECT 1 FROM pg_stat_activity WHERE {waits}") != []  # noqa: S608
            return is_waiting or (await here.read(f"runs/{run_id}"))["status"] == "requires_action"

        with psycopg.connect(replicas.url) as other:
            # What a stop does: the conversation is locked, and the run, found running, is asked to stop.
            other.execute(
                "SELECT 1 FROM conversations WHERE user_id = %s AND conversation_id = %s FOR UPDATE",
                (here.user_id, conversation),
            )
            hold.set()
            await until(is_at_its_pause)
            other.execute(
                "UPDATE runs SET cancel_requested = true WHERE user_id = %s AND run_id = %s AND status = 'running'",
                (here.user_id, run_id),
            )
        await live.rest()
    assert (await here.read(f"runs/{run_id}"))["status"] == "cancelled"
    assert await task_statuses(here, stub) == [("milk", "open")]


async def test_decisions_have_to_be_those_that_the_run_waits_for(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    await add(here, stub, "milk", "eggs")
    answer, (first, second) = await waiting_run(here, stub, DELETE, Call("delete_task", {"task_id": 2}))
    run_id = answer["run_id"]
    for wrong in (
        [(first, True)],
        [(first, True), (first, True)],
        [(first, True), (second, True), (second, True)],
        [(first, True), ("call_unknown_0_0", True)],
    ):
        assert refused_field(await decide(there, run_id, *wrong)) == "decisions"
    bodies: list[dict[str, Any]] = [{"decisions": []}, {}, {"decisions": [{"tool_call_id": first}]}]
    for body in bodies:
        refused = await here.http.post(f"/api/{here.user_id}/runs/{run_id}/approvals", json=body)
        problem(refused, 422, "invalid-request")
    async with as_user(replicas.second, f"{here.user_id}-other") as other:
        problem(await decide(other, run_id, (first, True), (second, True)), 404, "run-not-found")
    assert (await here.read(f"runs/{run_id}"))["pending_approvals"] == answer["pending_approvals"]
    stub.reply(Say("Nothing was deleted."))
    assert (await decide(there, run_id, (second, False), (first, False))).status_code == 202
    await status_of(here, run_id, "completed")
    assert await task_statuses(here, stub) == [("milk", "open"), ("eggs", "open")]


async def test_a_run_that_waits_for_nothing_takes_no_decision(here: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(Say("fine"))
    run_id = (await here.say("hello"))["run_id"]
    problem(await decide(here, run_id, ("call_x_0_0", True)), 409, "already-decided")
    with held() as go_on:
        stub.reply(Say("one two", hold=go_on))
        async with sending(here, "count") as live:
            running = (await live.until("TEXT_MESSAGE_CONTENT")).run_id
            problem(await decide(here, running, ("call_x_0_0", True)), 409, "already-decided")
            go_on.set()
            await live.rest()
    assert kinds(live.events).count("RUN_STARTED") == 1


async def test_what_waits_survives_the_end_of_every_process(
    replicas: Replicas, here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    await add(here, stub, "milk")
    answer, (call,) = await waiting_run(here, stub, DELETE)
    await asyncio.gather(replicas.first.kill(), replicas.second.stop())
    await replicas.second.restart()
    run = await there.read(f"runs/{answer['run_id']}")
    assert (run["status"], run["pending_approvals"]) == ("requires_action", answer["pending_approvals"])
    stub.reply(Say("Deleted."))
    assert (await decide(there, answer["run_id"], (call, True))).status_code == 202
    run = await status_of(there, answer["run_id"], "completed")
    assert run["tool_calls"][0]["result"]["status"] == "deleted"
    assert story_of((await replayed(there, answer["run_id"])).events).answer == "Deleted."


async def test_where_every_call_waits_one_that_nobody_decided_on_is_denied_in_the_end(
    replicas: Replicas, cautious: Service, here: ChatUser, stub: OpenAIStub
) -> None:
    async with as_user(cautious, here.user_id) as ann:
        answer, (call,) = await waiting_run(ann, stub, Call("list_tasks"))
        (pending,) = answer["pending_approvals"]
        expires_in = dt.datetime.fromisoformat(pending["expires_at"]) - dt.datetime.now(dt.UTC)
        assert SOON_SECONDS - 60 < expires_in.total_seconds() <= SOON_SECONDS
        stub.reply(Say("Then not."))
        hour_over = f"approval_expires_at = approval_expires_at - {SOON_SECONDS}"
        replicas.sql(f"UPDATE runs SET {hour_over} WHERE run_id = '{answer['run_id']}'")  # noqa: S608
        run = await status_of(ann, answer["run_id"], "completed")
    assert "nobody decided in time" in run["tool_calls"][0]["result"]["error"]
    assert sent_outputs(stub.requests[-1]) == [json.dumps(run["tool_calls"][0]["result"], separators=(",", ":"))]
    problem(await decide(here, answer["run_id"], (call, True)), 409, "already-decided")
    assert await here.said(answer["conversation_id"]) == [("user", "please"), ("assistant", "Then not.")]
    assert story_of((await replayed(here, answer["run_id"])).events).answer == "Then not."


async def test_each_round_of_calls_waits_anew(cautious: Service, here: ChatUser, stub: OpenAIStub) -> None:
    async with as_user(cautious, here.user_id) as ann:
        answer, (first,) = await waiting_run(ann, stub, Call("add_task", {"title": "milk"}))
        stub.reply(Call("list_tasks"))
        assert (await decide(ann, answer["run_id"], (first, True))).status_code == 202

        async def second_round() -> dict[str, Any] | None:
            run: dict[str, Any] = await ann.read(f"runs/{answer['run_id']}")
            return run if [call["tool_call_id"] for call in run["pending_approvals"]] not in ([], [first]) else None

        run = await until(second_round)
        (second,) = [call["tool_call_id"] for call in run["pending_approvals"]]
        stub.reply(Say("One task."))
        assert (await decide(ann, answer["run_id"], (second, True))).status_code == 202
        run = await status_of(ann, answer["run_id"], "completed")
        assert [task["title"] for task in run["tool_calls"][1]["result"]["tasks"]] == ["milk"]
    assert len(stub.requests) == 3


async def test_a_waiting_run_is_stopped_at_once(here: ChatUser, there: ChatUser, stub: OpenAIStub) -> None:
    conversation = await add(here, stub, "milk")
    answer, (call,) = await waiting_run(here, stub, DELETE, conversation_id=conversation)
    problem(await here.send("meanwhile", conversation), 409, "run-active")
    stopped = await there.http.post(f"/api/{there.user_id}/runs/{answer['run_id']}/cancel")
    assert (stopped.status_code, stopped.json()["status"]) == (202, "cancelled")
    assert stopped.json()["pending_approvals"] == []
    problem(await decide(here, answer["run_id"], (call, True)), 409, "already-decided")
    whole = await replayed(here, answer["run_id"])
    assert whole.events[-1].body["outcome"] == {"type": "cancelled"}
    assert "TOOL_CALL_RESULT" in kinds(whole.events)
    await goes_on_told_of_the_stop(here, stub, conversation, answer)


async def test_a_message_may_interrupt_a_waiting_run(here: ChatUser, there: ChatUser, stub: OpenAIStub) -> None:
    conversation = await add(here, stub, "milk")
    answer, (call,) = await waiting_run(here, stub, DELETE, conversation_id=conversation)
    stub.reply(Say("Kept."))
    interrupting = await there.say("keep it", conversation, on_busy="interrupt")
    assert interrupting["response"] == "Kept."
    assert (await here.read(f"runs/{answer['run_id']}"))["status"] == "cancelled"
    problem(await decide(here, answer["run_id"], (call, True)), 409, "already-decided")
    calls, outputs = calls_and_outputs(stub.requests[-1])
    assert calls == outputs
    assert call in calls
    assert await task_statuses(here, stub) == [("milk", "open")]


async def test_a_message_that_waits_for_a_waiting_run_has_its_turn_after_it(
    here: ChatUser, there: ChatUser, stub: OpenAIStub
) -> None:
    conversation = await add(here, stub, "milk")
    answer, (call,) = await waiting_run(here, stub, DELETE, conversation_id=conversation)
    async with asyncio.TaskGroup() as sends:
        queued = sends.create_task(there.say("and then?", conversation, on_busy="enqueue"))

        async def waits() -> bool:
            return bool((await here.runs(conversation))[0]["status"] == "queued")

        await until(waits)
        stub.reply(Say("Deleted."), Say("That was all."))
        assert (await decide(here, answer["run_id"], (call, True))).status_code == 202
    assert queued.result()["response"] == "That was all."
    assert (await here.said(conversation))[2:] == [
        ("user", "please"),
        ("assistant", "Deleted."),
        ("user", "and then?"),
        ("assistant", "That was all."),
    ]


async def goes_on_told_of_the_stop(
    user: ChatUser, stub: OpenAIStub, conversation: int, stopped: dict[str, Any]
) -> None:
    """See that the model is told of a call that was never sent, with an output that says so."""
    stub.reply(Say("All right."))
    assert (await user.say("and now?", conversation))["response"] == "All right."
    calls, outputs = calls_and_outputs(stub.requests[-1])
    assert calls == outputs
    assert stopped["pending_approvals"][0]["tool_call_id"] in calls
    assert "stopped before this call was sent" in sent_outputs(stub.requests[-1])[-1]
    assert await task_statuses(user, stub) == [("milk", "open")]
