"""A page's reads of resources: the user's own tasks, and the pages that show them."""

import httpx
import pytest

from tests.integration.chat_api.bridge.conftest import called, json_of
from tests.integration.chat_api.conftest import ChatUser, OpenClient
from tests.support.problems import problem, refused_field

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def read(user: ChatUser, uri: object) -> httpx.Response:
    return await user.http.post(f"/api/{user.user_id}/mcp/resources/read", json={"uri": uri})


async def test_each_user_reads_their_own_tasks_however_soon_after_another(ann: ChatUser, client: OpenClient) -> None:
    bob = await client(f"{ann.user_id}-bob")
    await called(ann, "add_task", title="ann's")
    await called(bob, "add_task", title="bob's")

    for user, title in ((ann, "ann's"), (bob, "bob's"), (ann, "ann's")):
        for uri in ("todo://tasks", "todo://tasks/1"):
            response = await read(user, uri)
            assert response.status_code == httpx.codes.OK, response.text
            held = json_of(response.json())
            (task,) = held["tasks"] if uri == "todo://tasks" else [held]
            assert task["title"] == title


async def test_what_is_read_is_never_an_older_state(ann: ChatUser) -> None:
    await called(ann, "add_task", title="milk")
    assert len(json_of((await read(ann, "todo://tasks")).json())["tasks"]) == 1
    await called(ann, "complete_task", task_id=1)
    assert json_of((await read(ann, "todo://tasks")).json())["tasks"] == []


async def test_the_app_can_be_read(ann: ChatUser) -> None:
    (part,) = (await read(ann, "ui://todo/tasks.html")).json()["contents"]
    assert part["mimeType"].startswith("text/html")
    assert part["text"].startswith("<!doctype html>")


@pytest.mark.parametrize("uri", ["todo://tasks/99", "todo://tasks/x", "todo://nothing", "ui://todo/other.html"])
async def test_what_is_not_there_is_not_found(ann: ChatUser, uri: str) -> None:
    problem(await read(ann, uri), 404, "resource-not-found")


@pytest.mark.parametrize(
    "uri", ["", "tasks", "file:///etc/passwd", "http://127.0.0.1/", "todo:tasks", "todo://a b", "todo://ä", 7, None]
)
async def test_no_other_address_is_passed_on(ann: ChatUser, uri: object) -> None:
    assert refused_field(await read(ann, uri)) == "uri"
