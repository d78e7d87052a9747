"""The seed's rules of isolation, each a test by name: nobody reads, changes or even notices what is another user's."""

import pytest

from tests.integration.chat_api.conftest import ChatUser, OpenClient
from tests.support.openai_stub import Call, OpenAIStub, Say
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = {"get", "post", "patch", "delete", "put"}


@pytest.fixture
def others_id(user_id: str) -> str:
    """Another user than `ann`."""
    return f"{user_id}-other"


async def test_a_path_of_another_user_than_the_tokens_is_403_on_every_route(
    ann: ChatUser, others_id: str, client: OpenClient, stub: OpenAIStub
) -> None:
    stub.reply(Say("hello"))
    answer = await ann.say("hello")
    bob = await client(others_id)
    paths = (await ann.http.get("/openapi.json")).json()["paths"]
    asked = set()
    for template, operations in paths.items():
        if "{user_id}" not in template:
            continue
        path = template.format(user_id=ann.user_id, conversation_id=answer["conversation_id"], run_id=answer["run_id"])
        for method in METHODS & operations.keys():
            # No body at all: strangers are not even told what is wrong with theirs.
            response = await bob.http.request(method, path)
            assert response.status_code == 403, (method, path, response.text)
            assert response.json()["type"] == "forbidden"
            assert (await bob.http.request(method, path, json={"message": "hi", "title": "x"})).status_code == 403
            asked.add((method, template))
    assert len(asked) >= 8
    assert len(stub.requests) == 1
    assert await ann.said(answer["conversation_id"]) == [("user", "hello"), ("assistant", "hello")]


async def test_anothers_conversation_is_404_read_continued_renamed_and_deleted(
    ann: ChatUser, others_id: str, client: OpenClient, stub: OpenAIStub
) -> None:
    stub.answer = lambda _: Say("fine")
    await ann.say("first")
    answer = await ann.say("the secret of ann")
    number = answer["conversation_id"]
    bob = await client(others_id)
    await bob.say("bob's own")
    own = f"/api/{bob.user_id}/conversations"
    asked = len(stub.requests)

    async def attempts(conversation_id: int) -> list[tuple[int, str]]:
        path = f"{own}/{conversation_id}"
        responses = [
            await bob.http.get(path),
            await bob.http.get(f"{path}/messages"),
            await bob.http.get(f"{path}/runs"),
            await bob.http.patch(path, json={"title": "mine now"}),
            await bob.http.delete(path),
            await bob.send("and then?", conversation_id),
        ]
        assert all(response.headers["content-type"] == "application/problem+json" for response in responses)
        return [
            (response.status_code, response.json()["detail"].replace(f"{conversation_id}", "N"))
            for response in responses
        ]

    refused = await attempts(number)
    assert [status for status, _ in refused] == [404] * 6
    assert refused == await attempts(4711), "another's conversation must look like none at all"
    assert (await bob.get(f"runs/{answer['run_id']}")).status_code == 404

    assert len(stub.requests) == asked
    assert [item["title"] for item in (await bob.read("conversations"))["items"]] == ["bob's own"]
    kept = await ann.read(f"conversations/{number}")
    assert kept["title"] == "the secret of ann"
    assert await ann.said(number) == [("user", "the secret of ann"), ("assistant", "fine")]
    assert len(await ann.runs(number)) == 1


async def test_users_numbers_count_from_1_and_tell_nothing_of_others(
    ann: ChatUser, others_id: str, client: OpenClient, stub: OpenAIStub
) -> None:
    stub.answer = lambda request: Say(f"{len(request['input'])} item")
    bob = await client(others_id)
    for user in (ann, bob, ann, bob):
        answer = await user.say(f"of {user.user_id}")
        assert (answer["message_id"], answer["response"]) == (2, "1 item")
    for user in (ann, bob):
        listed = (await user.read("conversations"))["items"]
        assert sorted(item["id"] for item in listed) == [1, 2]
        assert {content for n in (1, 2) for role, content in await user.said(n) if role == "user"} == {
            f"of {user.user_id}"
        }


async def test_deleting_ones_own_conversation_leaves_the_others_same_number(
    ann: ChatUser, others_id: str, client: OpenClient, stub: OpenAIStub
) -> None:
    stub.answer = lambda _: Say("fine")
    bob = await client(others_id)
    for user in (ann, bob):
        assert (await user.say("hello"))["conversation_id"] == 1
    assert (await ann.http.delete(f"/api/{ann.user_id}/conversations/1")).status_code == 204
    assert (await ann.get("conversations/1")).status_code == 404
    assert len(await bob.messages(1)) == 2
    assert (await ann.say("again"))["conversation_id"] == 2, "numbers are never used twice"


@pytest.mark.parametrize("place", ["user_id", "sub", "_meta"])
async def test_a_model_that_passes_user_id_in_a_tools_arguments_gains_nothing(
    ann: ChatUser, others_id: str, client: OpenClient, stub: OpenAIStub, place: str
) -> None:
    bob = await client(others_id)
    stub.reply(Call("add_task", {"title": "the secret of bob"}), Say("Added."))
    await bob.say("add my secret")

    claim = {place: {"sub": others_id} if place == "_meta" else others_id}
    stub.reply(
        Call("list_tasks", {"status": "all", **claim}),
        Call("get_task", {"task_id": 1, **claim}),
        Call("add_task", {"title": "planted", **claim}),
        Call("update_task", {"task_id": 1, "title": "overwritten", **claim}),
        Call("delete_task", {"task_id": 1, **claim}),
        Say("Done."),
    )
    answer = await ann.say("show me bob's tasks")
    assert [call["parameters"][place] for call in answer["tool_calls"]] == [claim[place]] * 5
    assert "the secret of bob" not in str(answer)
    assert "the secret of bob" not in str(stub.requests[2:])

    stub.reply(Call("list_tasks", {"status": "all"}), Say("These."))
    tasks = (await bob.say("list"))["tool_calls"][0]["result"]["tasks"]
    assert [(task["title"], task["status"]) for task in tasks] == [("the secret of bob", "open")]


async def test_the_todo_server_never_sees_the_users_own_token(
    ann: ChatUser, chat: Service, todo: Service, stub: OpenAIStub
) -> None:
    # The user's token names no audience and no scope; the todo server answers it with 401.
    refused = await ann.http.post(todo.mcp_url, json={})
    assert refused.status_code == 401
    stub.reply(Call("add_task", {"title": "milk"}), Say("Added."))
    assert (await ann.say("add milk"))["tool_calls"][0]["result"]["title"] == "milk"
    sent = ann.http.headers["authorization"].removeprefix("Bearer ")
    assert sent not in f"{stub.requests}{stub.headers}{chat.log}{todo.log}"
