"""Finding conversations by words of their titles, in any script, on both databases."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from chat_api.conversations import service
from chat_api.conversations.models import UserRow
from chat_api.conversations.repository import CONVERSATIONS
from chat_api.conversations.service import ConversationService
from chat_api.database import Database, table_of
from sqlalchemy import insert

from tests.integration.chat_api.conftest import ChatUser, OpenClient
from tests.support.openai_stub import OpenAIStub, Say
from tests.support.problems import refused_field

pytestmark = pytest.mark.asyncio(loop_scope="module")

TITLES = (
    "Übersicht für März",
    "STRASSENFEST planen",
    "Straßenfest, zweiter Teil",
    "Ο ΔΡΌΜΟΣ της Κυριακής",
    "Москва: билеты",
    "50% off_sale",
    "50 percent",
    r"C:\path\file",
    "ﬁnal ｐｌａｎ",
    "買い物リスト",
)


async def titled(user: ChatUser, stub: OpenAIStub, *titles: str) -> None:
    """Make conversations with these titles, in their order."""
    for title in titles:
        stub.reply(Say("ok"))
        number = (await user.say("hello"))["conversation_id"]
        path = f"/api/{user.user_id}/conversations/{number}"
        assert (await user.http.patch(path, json={"title": title})).status_code == 200


async def search(user: ChatUser, query: str, **parameters: Any) -> dict[str, Any]:
    path = f"/api/{user.user_id}/conversations"
    response = await user.http.get(path, params={"query": query, **parameters})
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


def shown(page: dict[str, Any]) -> list[str]:
    return [conversation["title"] for conversation in page["items"]]


async def test_words_are_found_whatever_their_case_and_place(ann: ChatUser, stub: OpenAIStub) -> None:
    await titled(ann, stub, *TITLES)
    for query, found in {
        "übersicht": [TITLES[0]],
        "MÄRZ ÜBER": [TITLES[0]],
        "strassenfest": [TITLES[2], TITLES[1]],
        "STRAẞENFEST": [TITLES[2], TITLES[1]],
        "δρόμος": [TITLES[3]],
        "МОСКВА": [TITLES[4]],
        "50%": [TITLES[5]],
        "%": [TITLES[5]],
        "_": [TITLES[5]],
        "0 p": [TITLES[6]],
        "\\": [TITLES[7]],
        r"\p": [TITLES[7]],
        "final plan": [TITLES[8]],
        "買": [TITLES[9]],
        "teil straße": [TITLES[2]],
        "märz москва": [],
        "nowhere": [],
        "\x00": [],
        "'; DROP TABLE conversations; --": [],
    }.items():
        assert shown(await search(ann, query)) == found, query
    assert len((await ann.read("conversations"))["items"]) == len(TITLES)


async def test_nobody_elses_conversations_are_found(ann: ChatUser, client: OpenClient, stub: OpenAIStub) -> None:
    bob = await client(f"{ann.user_id}-bob")
    await titled(ann, stub, "the plan of ann")
    await titled(bob, stub, "the plan of bob")
    assert shown(await search(ann, "plan")) == ["the plan of ann"]
    assert shown(await search(bob, "plan")) == ["the plan of bob"]


async def test_pages_of_what_is_found_neither_skip_nor_repeat(ann: ChatUser, stub: OpenAIStub) -> None:
    await titled(ann, stub, *(f"{'plan' if n % 2 else 'other'} {n}" for n in range(9)))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await search(ann, "PLAN", limit=2, **cursor)
        seen += shown(page)
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 2
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ["plan 7", "plan 5", "plan 3", "plan 1"]


async def test_a_cursor_of_another_search_goes_on_behind_the_same_place(ann: ChatUser, stub: OpenAIStub) -> None:
    await titled(ann, stub, "plan 1", "other 1", "plan 2", "other 2")
    cursor = (await search(ann, "plan", limit=1))["next_cursor"]
    assert shown(await search(ann, "other", cursor=cursor)) == ["other 1"]


async def test_a_deleted_conversation_is_found_no_more(ann: ChatUser, stub: OpenAIStub) -> None:
    await titled(ann, stub, "plan 1", "plan 2")
    await ann.http.delete(f"/api/{ann.user_id}/conversations/1")
    assert shown(await search(ann, "plan")) == ["plan 2"]


@pytest.mark.parametrize("query", ["", " ", "\t\u2003", "x" * 201])
async def test_a_search_needs_a_word_and_has_an_end(ann: ChatUser, query: str) -> None:
    response = await ann.http.get(f"/api/{ann.user_id}/conversations", params={"query": query})
    assert refused_field(response) == "query"
    assert shown(await search(ann, "x" * 200)) == []


async def test_a_long_list_is_looked_through_to_its_end(
    database: Database, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TITLES_PER_READ", 4)
    began = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    rows: Sequence[dict[str, Any]] = [
        {
            "user_id": user_id,
            "conversation_id": n,
            "title": "PLAN" if n in {1, 2, 4, 13} else "other",
            "created_at": began,
            # Several of the same moment: their numbers order them.
            "updated_at": began + dt.timedelta(seconds=n // 3),
            "last_message_id": 0,
        }
        for n in range(1, 21)
    ]
    async with database.writing() as connection:
        await connection.execute(insert(table_of(UserRow)), {"user_id": user_id, "last_conversation_id": 20})
        await connection.execute(insert(CONVERSATIONS), rows)
    conversations = ConversationService(database)

    async def numbers(limit: int, after: tuple[dt.datetime, int] | None = None) -> list[int]:
        found = await conversations.page(user_id, limit, after, ("plan",))
        return [record.conversation_id for record in found]

    assert await numbers(10) == [13, 4, 2, 1]
    assert await numbers(2) == [13, 4]
    assert await numbers(10, (began + dt.timedelta(seconds=1), 4)) == [2, 1]
    assert await numbers(10, (began, 1)) == []
