"""Requests that say something the API does not take: refused by name, nothing stored, the next one fine."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.chat_api.conftest import ChatUser
from tests.support.chat import nothing_stored, row_counts
from tests.support.openai_stub import OpenAIStub, Say
from tests.support.openapi import hold_to_contract
from tests.support.problems import problem, refused_field

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_BODY_BYTES = 1024 * 1024
MAX_MESSAGE_CHARS = 8000
JSON = {"content-type": "application/json"}


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def contract(ann: ChatUser) -> None:
    """Every answer here is one that OpenAPI declares."""
    await hold_to_contract(ann.http)


BODIES: dict[str, tuple[Any, str]] = {
    "no message": ({}, "message"),
    "empty message": ({"message": ""}, "message"),
    "blank message": ({"message": " \t\r\n\u00a0\u2003"}, "message"),
    "message null": ({"message": None}, "message"),
    "message a number": ({"message": 1}, "message"),
    "message true": ({"message": True}, "message"),
    "message a list": ({"message": ["hi"]}, "message"),
    "message an object": ({"message": {"text": "hi"}}, "message"),
    "message with U+0000": ({"message": "hi\x00"}, "message"),
    "message too long": ({"message": "x" * (MAX_MESSAGE_CHARS + 1)}, "message"),
    "message too long in emoji": ({"message": "😀" * (MAX_MESSAGE_CHARS + 1)}, "message"),
    "conversation_id 0": ({"message": "hi", "conversation_id": 0}, "conversation_id"),
    "conversation_id -1": ({"message": "hi", "conversation_id": -1}, "conversation_id"),
    "conversation_id 2^63": ({"message": "hi", "conversation_id": 2**63}, "conversation_id"),
    "conversation_id 10^400": ({"message": "hi", "conversation_id": 10**400}, "conversation_id"),
    "conversation_id a text": ({"message": "hi", "conversation_id": "1"}, "conversation_id"),
    "conversation_id 1.0": ({"message": "hi", "conversation_id": 1.0}, "conversation_id"),
    "conversation_id true": ({"message": "hi", "conversation_id": True}, "conversation_id"),
    "conversation_id a list": ({"message": "hi", "conversation_id": [1]}, "conversation_id"),
    "unknown field": ({"message": "hi", "mesage": "hi"}, "mesage"),
    "user_id in the body": ({"message": "hi", "user_id": "bob"}, "user_id"),
    "on_busy of no meaning": ({"message": "hi", "on_busy": "sometimes"}, "on_busy"),
    "field's name with U+0000": ({"message": "hi", "a\x00": 1}, "a\x00"),
    "timezone unknown": ({"message": "hi", "timezone": "Mars/Base"}, "timezone"),
    "timezone empty": ({"message": "hi", "timezone": ""}, "timezone"),
    "timezone a number": ({"message": "hi", "timezone": 1}, "timezone"),
    "timezone null": ({"message": "hi", "timezone": None}, "timezone"),
    "timezone a folder": ({"message": "hi", "timezone": "America"}, "timezone"),
    "timezone a path": ({"message": "hi", "timezone": "../../etc/passwd"}, "timezone"),
    "timezone with U+0000": ({"message": "hi", "timezone": "UTC\x00"}, "timezone"),
    "timezone too long": ({"message": "hi", "timezone": "x" * 65}, "timezone"),
    "a list": ([], "body"),
    "null": (None, "body"),
    "a text": ("hi", "body"),
}
RAW: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "body"),
    "broken": (b'{"messa', "body"),
    "trailing comma": (b'{"message": "hi",}', "body"),
    "two values": (b'{"message": "hi"}{}', "body"),
    "not UTF-8": (b'{"message": "\xff"}', "body"),
    "nested 9000 deep": (b'{"message": ' + b"[" * 9000 + b"]" * 9000 + b"}", "body"),
    "a number of 5000 digits": (b'{"message": "hi", "conversation_id": ' + b"9" * 5000 + b"}", "body"),
    "NaN": (b'{"message": "hi", "conversation_id": NaN}', "conversation_id"),
    "infinite": (b'{"message": "hi", "conversation_id": 1e999}', "conversation_id"),
    "half a surrogate pair": (b'{"message": "hi \\ud83d"}', "message"),
    "the other half": (b'{"message": "\\ude00 hi"}', "message"),
    "halves the wrong way round": (b'{"message": "\\ude00\\ud83d"}', "message"),
    "half a surrogate pair in a name": (b'{"message": "hi", "\\ud83d": 1}', "body"),
    "half a surrogate pair in timezone": (b'{"message": "hi", "timezone": "\\ud83d"}', "timezone"),
}


@pytest.mark.parametrize(("body", "field"), BODIES.values(), ids=BODIES.keys())
async def test_a_body_that_means_nothing_is_422_with_the_field(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, body: Any, field: str
) -> None:
    async with nothing_stored(ann, stub, module_database_url):
        assert refused_field(await ann.http.post(f"/api/{ann.user_id}/chat", json=body)) == field


@pytest.mark.parametrize(("body", "field"), RAW.values(), ids=RAW.keys())
async def test_a_body_that_is_no_json_or_holds_what_no_database_keeps_is_422(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, body: bytes, field: str
) -> None:
    async with nothing_stored(ann, stub, module_database_url):
        response = await ann.http.post(f"/api/{ann.user_id}/chat", content=body, headers=JSON)
        assert refused_field(response) == field


@pytest.mark.parametrize(
    "media_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"],
)
async def test_a_body_that_does_not_say_it_is_json_is_422(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, media_type: str | None
) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    async with nothing_stored(ann, stub, module_database_url):
        response = await ann.http.post(f"/api/{ann.user_id}/chat", content=b'{"message": "hi"}', headers=headers)
        assert refused_field(response) == "body"


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_an_over_long_body_is_413(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, chunked: bool
) -> None:
    body = b'{"message": "hi"}'.ljust(MAX_BODY_BYTES + 1)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    async with nothing_stored(ann, stub, module_database_url):
        content = pieces() if chunked else body
        response = await ann.http.post(f"/api/{ann.user_id}/chat", content=content, headers=JSON)
        assert str(MAX_BODY_BYTES) in problem(response, 413, "body-too-large")["detail"]
        renamed = await ann.http.patch(f"/api/{ann.user_id}/conversations/1", content=body, headers=JSON)
        problem(renamed, 413, "body-too-large")


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_a_body_just_as_long_as_allowed_is_taken(ann: ChatUser, stub: OpenAIStub, chunked: bool) -> None:
    body = b'{"message": "hi"}'.ljust(MAX_BODY_BYTES)

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:100]
        yield body[100:]

    stub.reply(Say("fine"))
    content = pieces() if chunked else body
    response = await ann.http.post(f"/api/{ann.user_id}/chat", content=content, headers=JSON)
    assert response.json()["response"] == "fine"


@pytest.mark.parametrize("character", ["x", "😀"])
async def test_a_message_just_as_long_as_allowed_is_taken(ann: ChatUser, stub: OpenAIStub, character: str) -> None:
    message = character * MAX_MESSAGE_CHARS
    stub.reply(Say("fine"))
    answer = await ann.say(message)
    assert await ann.said(answer["conversation_id"]) == [("user", message), ("assistant", "fine")]


async def test_of_a_name_given_twice_the_last_one_counts(ann: ChatUser, stub: OpenAIStub) -> None:
    stub.reply(Say("fine"))
    body = b'{"message": "first", "message": "second"}'
    answer = (await ann.http.post(f"/api/{ann.user_id}/chat", content=body, headers=JSON)).json()
    assert await ann.said(answer["conversation_id"]) == [("user", "second"), ("assistant", "fine")]


@pytest.mark.parametrize("number", [1, 7, 2**63 - 1])
async def test_a_conversation_that_is_not_there_is_404_and_is_not_made(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, number: int
) -> None:
    async with nothing_stored(ann, stub, module_database_url):
        problem(await ann.send("hi", number), 404, "conversation-not-found")
        for path in ("", "/messages", "/runs"):
            problem(await ann.get(f"conversations/{number}{path}"), 404, "conversation-not-found")


TITLES = ["", " \n", "two\nlines", "nul\x00", "esc\x1b[31m", "\u2028", "x" * 201, 5, None, ["x"]]


@pytest.mark.parametrize("title", TITLES, ids=map(repr, range(len(TITLES))))
async def test_a_title_that_is_no_line_of_text_is_422_and_the_old_one_stays(
    ann: ChatUser, stub: OpenAIStub, title: Any
) -> None:
    stub.reply(Say("fine"))
    path = f"/api/{ann.user_id}/conversations/{(await ann.say('the first words'))['conversation_id']}"
    assert refused_field(await ann.http.patch(path, json={"title": title})) == "title"
    assert refused_field(await ann.http.patch(path, json={"title": "good", "id": 5})) == "id"
    assert (await ann.http.get(path)).json()["title"] == "the first words"


def cursor(*key: str | int) -> str:
    """Make a cursor's outer shape around a key that this service never gives out."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


QUERIES = {
    "cursor no base64": ("conversations?cursor=!", "cursor"),
    "cursor no JSON": ("conversations?cursor=eyJ", "cursor"),
    "cursor of another list": (f"conversations/1/messages?cursor={cursor('x')}", "cursor"),
    "cursor with U+0000": (f"conversations/1/runs?cursor={cursor(chr(0))}", "cursor"),
    "cursor with half a surrogate pair": (f"conversations/1/runs?cursor={cursor(chr(0xD800))}", "cursor"),
    "cursor 2^63": (f"conversations/1/messages?cursor={cursor(2**63)}", "cursor"),
    "cursor before all times": (f"conversations?cursor={cursor('0001-01-01T00:00:00+14:00', 1)}", "cursor"),
    "cursor after all times": (f"conversations?cursor={cursor('9999-12-31T23:59:59-14:00', 1)}", "cursor"),
    "cursor of no time": (f"conversations?cursor={cursor('yesterday', 1)}", "cursor"),
    "cursor nested 9000 deep": (f"conversations?cursor={base64.urlsafe_b64encode(b'[' * 9000).decode()}", "cursor"),
    "limit 0": ("conversations?limit=0", "limit"),
    "limit 101": ("conversations?limit=101", "limit"),
    "limit a word": ("conversations?limit=many", "limit"),
    "order of no meaning": ("conversations/1/messages?order=up", "order"),
    "conversation 0": ("conversations/0", "conversation_id"),
    "conversation 2^63": (f"conversations/{2**63}/messages", "conversation_id"),
    "conversation a word": ("conversations/last/runs", "conversation_id"),
    "conversation with U+0000": ("conversations/1%00", "conversation_id"),
    "run with U+0000": ("runs/%00", "run_id"),
    "run of no text": ("runs/%ff", "run_id"),
    "run of 65 characters": (f"runs/{'x' * 65}", "run_id"),
}


@pytest.mark.parametrize(("path", "field"), QUERIES.values(), ids=QUERIES.keys())
async def test_a_path_or_query_that_means_nothing_is_422_with_its_part(ann: ChatUser, path: str, field: str) -> None:
    assert refused_field(await ann.get(path)) == field


async def test_what_no_operation_answers_to_is_a_problem_as_well(ann: ChatUser, module_database_url: str) -> None:
    ann.http.event_hooks = {}
    before = row_counts(module_database_url)
    problem(await ann.http.get("/nowhere"), 404, "not-found")
    problem(await ann.http.put(f"/api/{ann.user_id}/chat", json={"message": "hi"}), 405, "method-not-allowed")
    refused = await ann.http.get("/docs", headers={"host": "evil.example"})
    problem(refused, 421, "host-not-allowed")
    assert row_counts(module_database_url) == before


TEXTS = {
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 𝔘",
    "right to left": "قائمة \u202bמטלות\u202c שלי \u200f\u2067abc\u2069",
    "combining": "e\u0301 \u0065\u0323\u0302 é \u1100\u1161\u11a8 각",
    "control characters": "a\x01b\x07c\x1b[31md\x7fe\x85f",
    "line breaks": "a\nb\r\nc\td\u2028e\u2029f",
    "invisible": "a\u200bb\u00adc\ufeffd\u2060e",
    "beyond the first plane, and noncharacters": "\U0010fffd \ufffe\uffff \U0001f9ff",
    "quotes and backslashes": '\'; DROP TABLE runs; -- \\ \\u0000 %s :name "$1"',
    "markup": "<script>alert(1)</script> &amp; {{x}}",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
async def test_a_text_is_kept_to_the_code_point(ann: ChatUser, stub: OpenAIStub, text: str) -> None:
    sent = f"  {text} "
    stub.reply(Say(text))
    answer = await ann.say(sent)
    assert answer["response"] == text
    assert await ann.said(answer["conversation_id"]) == [("user", sent), ("assistant", text)]
    assert (await ann.read(f"runs/{answer['run_id']}"))["input"] == sent
    assert stub.requests[-1]["input"][-1]["content"] == sent
    # Escaped or not, a text on the wire is the same text.
    stub.reply(Say("fine"))
    body = json.dumps({"message": sent, "conversation_id": answer["conversation_id"]}).encode("ascii")
    await ann.http.post(f"/api/{ann.user_id}/chat", content=body, headers=JSON)
    assert (await ann.said(answer["conversation_id"]))[2] == ("user", sent)
