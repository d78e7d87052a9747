"""A page's calls of tools: on the user's own tasks, once for each key, and refused in words that say what to do."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from todo_chat_shared.effects import EFFECT_KEY_META, SETTLE_META

from tests.integration.chat_api.bridge.conftest import called, sent, text_of, titles
from tests.integration.chat_api.conftest import ChatUser, OpenClient, as_user, execute_sql, running_chat
from tests.support.chat import row_counts
from tests.support.databases import NewDatabase
from tests.support.openai_stub import OpenAIStub
from tests.support.problems import problem, refused_field
from tests.support.services import Service, running_chat_api, running_todo_server
from tests.support.tcp_proxy import tcp_proxy
from tests.support.tokens import user_token

KEY_FIELD = f"_meta.{EFFECT_KEY_META}"

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_call_answers_with_mcps_own_result(ann: ChatUser) -> None:
    response = await sent(ann, "add_task", title="milk", due="2030-03-14", tags=["shop"])

    assert response.status_code == httpx.codes.OK
    assert response.headers["Content-Type"] == "application/json"
    result = response.json()
    assert (result["isError"], result["content"][0]["type"]) == (False, "text")
    assert result["structuredContent"].items() >= {"task_id": 1, "title": "milk", "due": "2030-03-14"}.items()
    assert await titles(ann) == ["milk"]


async def test_sent_twice_under_a_key_it_is_done_once(ann: ChatUser) -> None:
    first = await called(ann, "add_task", "page/1", title="milk")
    again = await asyncio.gather(*(called(ann, "add_task", "page/1", title="milk") for _ in range(5)))

    assert again == [first] * 5
    assert await titles(ann) == ["milk"]


async def test_under_another_key_or_none_it_is_another_call(ann: ChatUser) -> None:
    for key in ("page/1", "page/2", None, None):
        await called(ann, "add_task", key, title="milk")
    assert await titles(ann) == ["milk"] * 4


async def test_a_key_stands_for_one_call_only(ann: ChatUser) -> None:
    await called(ann, "add_task", "page/1", title="milk")
    result = (await sent(ann, "add_task", "page/1", title="bread")).json()
    assert result["isError"] is True
    assert "used for another call" in text_of(result)
    assert await titles(ann) == ["milk"]


async def test_two_users_may_use_one_key_and_see_their_own_tasks_alone(ann: ChatUser, client: OpenClient) -> None:
    bob = await client(f"{ann.user_id}-bob")
    await called(ann, "add_task", "page/1", title="ann's")
    await called(bob, "add_task", "page/1", title="bob's")

    assert (await titles(ann), await titles(bob)) == (["ann's"], ["bob's"])
    await called(bob, "delete_task", task_id=1)
    assert (await titles(ann), await titles(bob)) == (["ann's"], [])


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("complete_task", {"task_id": 99}, "99"),
        ("add_task", {"title": ""}, "title"),
        ("add_task", {}, "title"),
        ("no_such_tool", {}, "no_such_tool"),
    ],
)
async def test_what_the_tool_refuses_is_its_answer(
    ann: ChatUser, name: str, arguments: dict[str, Any], words: str
) -> None:
    response = await sent(ann, name, **arguments)
    assert response.status_code == httpx.codes.OK
    assert response.json()["isError"] is True
    assert words in text_of(response.json())


async def test_a_deletion_is_not_asked_about_and_can_be_undone(ann: ChatUser) -> None:
    await called(ann, "add_task", title="milk")
    assert (await called(ann, "delete_task", task_id=1))["status"] == "deleted"
    assert await titles(ann) == []
    await called(ann, "restore_task", task_id=1)
    assert await titles(ann) == ["milk"]


async def test_of_meta_nothing_but_the_key_is_passed_on(ann: ChatUser) -> None:
    meta = {EFFECT_KEY_META: "page/1", SETTLE_META: True, "progressToken": 7, "else": {"where": 1}}
    body = {"name": "add_task", "arguments": {"title": "milk"}, "_meta": meta}
    response = await ann.http.post(f"/api/{ann.user_id}/mcp/tools/call", json=body)
    # Settled, the call would be void.
    assert response.json()["isError"] is False
    assert await titles(ann) == ["milk"]


async def test_a_runs_key_cannot_be_taken_from_it(ann: ChatUser, stub: OpenAIStub) -> None:
    run_id = "01930000-0000-7000-8000-000000000000"
    response = await sent(ann, "add_task", f"{run_id}/0/0", title="milk")
    assert refused_field(response) == KEY_FIELD
    assert await titles(ann) == []


def _call(**fields: Any) -> dict[str, Any]:
    return {"name": "add_task", "arguments": {"title": "milk"}, **fields}


def _meta(key: Any) -> dict[str, Any]:
    return _call(_meta={EFFECT_KEY_META: key})


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ([], "body"),
        (_call(name=""), "name"),
        (_call(name="add task"), "name"),
        (_call(name="x" * 129), "name"),
        (_call(name=7), "name"),
        (_call(name="ädd"), "name"),
        (_call(arguments=[]), "arguments"),
        (_call(arguments={"title": "a\x00b"}), "arguments"),
        (_call(arguments={"a\ud800": 1}), "arguments"),
        (_call(arguments={"deep": _nested(64)}), "arguments"),
        (_call(arguments={"n": float("inf")}), "arguments"),
        (_call(arguments={"n": float("nan")}), "arguments"),
        (_call(task={"ttl": 1}), "task"),
        (_call(_meta=[]), "_meta"),
        (_meta(""), KEY_FIELD),
        (_meta("with space"), KEY_FIELD),
        (_meta("grün"), KEY_FIELD),
        (_meta("x" * 256), KEY_FIELD),
        (_meta(7), KEY_FIELD),
        (_meta("run/0/1"), KEY_FIELD),
    ],
)
async def test_a_body_that_is_no_call_is_refused_by_field(ann: ChatUser, body: Any, field: str) -> None:
    response = await ann.http.post(
        f"/api/{ann.user_id}/mcp/tools/call",
        content=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    assert refused_field(response) == field
    assert await titles(ann) == []


@pytest.mark.parametrize("key", ["x", "x" * 255, "~!/0", "/1/", "page/1/x", "widget/a1-b2"])
async def test_any_other_key_is_taken(ann: ChatUser, key: str) -> None:
    assert await called(ann, "add_task", key, title="milk") == await called(ann, "add_task", key, title="milk")
    assert await titles(ann) == ["milk"]


CALLS: dict[str, dict[str, Any]] = {
    "tools/call": _call(),
    "resources/read": {"uri": "todo://tasks"},
}


@pytest.mark.parametrize("method", CALLS)
async def test_a_path_of_another_user_is_refused(ann: ChatUser, method: str) -> None:
    response = await ann.http.post(f"/api/{ann.user_id}-not/mcp/{method}", json=CALLS[method])
    problem(response, 403, "forbidden")


@pytest.mark.parametrize("method", CALLS)
async def test_without_a_good_token_nothing_is_looked_at(chat: Service, method: str) -> None:
    async with httpx.AsyncClient(base_url=chat.base_url, trust_env=False) as http:
        for header in ({}, {"Authorization": f"Bearer {user_token('ann', lifetime_seconds=-60)}"}):
            response = await http.post(f"/api/ann/mcp/{method}", content=b"not JSON", headers=header)
            problem(response, 401, "unauthenticated")
            assert response.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_a_body_over_the_limit_is_too_large(new_database: NewDatabase, todo: Service, stub: OpenAIStub) -> None:
    async with (
        running_chat(new_database("sqlite"), todo, stub, MAX_BODY_BYTES="1000") as chat,
        as_user(chat, "over") as user,
    ):
        problem(await sent(user, "add_task", title="x" * 1000), 413, "body-too-large")
        assert await titles(user) == []


async def test_a_todo_server_that_is_away_is_told_in_words_and_leaves_no_trace(new_database: NewDatabase) -> None:
    database_url = new_database("sqlite")
    async with (
        running_todo_server(new_database("sqlite")) as todo,
        running_chat_api(database_url, todo.mcp_url, TOOL_TIMEOUT_SECONDS="3") as chat,
        as_user(chat, "ann") as ann,
    ):
        await todo.stop()
        before = row_counts(database_url)
        for response in (
            await sent(ann, "add_task", "page/1", title="milk"),
            await ann.http.post("/api/ann/mcp/resources/read", json={"uri": "todo://tasks"}),
        ):
            said = problem(response, 503, "todo-server-unavailable")
            assert said["detail"] == "The todo list cannot be reached. Try again in a while."
            assert "run_id" not in said
            assert int(response.headers["Retry-After"]) > 0
        assert row_counts(database_url) == before

        await todo.restart()
        await called(ann, "add_task", "page/1", title="milk")
        assert await titles(ann) == ["milk"]


async def test_a_restart_of_the_todo_server_within_the_time_out_is_not_noticed(new_database: NewDatabase) -> None:
    todo_url = new_database("sqlite")
    async with (
        running_todo_server(todo_url) as todo,
        running_chat_api(new_database("sqlite"), todo.mcp_url, TOOL_TIMEOUT_SECONDS="30") as chat,
        as_user(chat, "ann") as ann,
    ):
        await called(ann, "list_tasks")
        await todo.kill()
        calling = asyncio.create_task(called(ann, "add_task", title="milk"))
        await asyncio.sleep(0.3)
        await todo.restart()
        assert (await calling)["title"] == "milk"
        assert execute_sql(todo_url, "SELECT count(*) FROM tasks") == [(1,)]


async def test_a_todo_server_that_does_not_answer_is_a_time_out(new_database: NewDatabase) -> None:
    async with (
        running_todo_server(new_database("sqlite")) as todo,
        tcp_proxy("127.0.0.1", todo.port) as proxy,
        running_chat_api(
            new_database("sqlite"), f"http://127.0.0.1:{proxy.port}/mcp", TOOL_TIMEOUT_SECONDS="3"
        ) as chat,
        as_user(chat, "ann") as ann,
    ):
        await called(ann, "list_tasks")
        proxy.freeze()
        said = problem(await sent(ann, "add_task", "page/1", title="milk"), 504, "todo-server-timeout")
        assert "run_id" not in said
        await proxy.cut()
        await proxy.mend()
        await called(ann, "add_task", "page/1", title="milk")
        assert await titles(ann) == ["milk"]


async def test_too_many_calls_are_refused_in_words(new_database: NewDatabase) -> None:
    async with (
        running_todo_server(new_database("sqlite"), CALLS_PER_MINUTE="2") as todo,
        running_chat_api(new_database("sqlite"), todo.mcp_url, TOOL_TIMEOUT_SECONDS="10") as chat,
        as_user(chat, "ann") as ann,
    ):
        # The first call of a process lists the tools as well.
        await called(ann, "add_task", title="milk")
        said = problem(await sent(ann, "list_tasks"), 503, "todo-server-unavailable")
        assert said["detail"] == "The todo list takes no more calls this minute. Try again in a minute."
