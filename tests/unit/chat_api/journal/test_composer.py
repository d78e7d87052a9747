"""Composing: what readers put together from the events is the answer, whatever was streamed before."""

import json
from typing import Any

import pytest
from chat_api.journal.composer import Composer
from chat_api.journal.events import Message
from hypothesis import given
from hypothesis import strategies as st

RUN = "run"
WORDS = st.text("ab ", min_size=1, max_size=3)


def read(composer: Composer) -> list[dict[str, Any]]:
    """The events, with their numbers checked."""
    assert [event.n for event in composer.events] == list(
        range(composer.next_n - len(composer.events), composer.next_n)
    )
    return [json.loads(event.data) for event in composer.events]


def messages(events: list[dict[str, Any]]) -> dict[str, str]:
    """What a client shows: messages by id, without those that were taken back. Checks that it never gets confused."""
    shown: dict[str, str] = {}
    open_id = None
    for event in events:
        match event["type"]:
            case "TEXT_MESSAGE_START":
                assert open_id is None
                assert event["messageId"] not in shown
                open_id = event["messageId"]
                shown[open_id] = ""
            case "TEXT_MESSAGE_CONTENT":
                assert event["messageId"] == open_id
                shown[event["messageId"]] += event["delta"]
            case "TEXT_MESSAGE_END":
                assert event["messageId"] == open_id
                open_id = None
            case "CUSTOM":
                assert open_id is None
                del shown[event["value"]["messageId"]]
    assert open_id is None
    return shown


@given(st.lists(WORDS, max_size=4), st.text("ab ", min_size=1, max_size=6))
def test_the_answer_stands_there_once_and_whole(streamed: list[str], answer: str) -> None:
    composer = Composer(RUN, 1, None)
    for words in streamed:
        composer.say(words)
    composer.finish(answer)
    assert list(messages(read(composer)).values()) == [answer]


@given(st.lists(WORDS, min_size=1, max_size=3), st.booleans(), st.lists(WORDS, max_size=3), st.text("ab", min_size=1))
def test_what_an_earlier_owner_said_stays_only_if_it_is_the_answer(
    before: list[str], ended: bool, after: list[str], answer: str
) -> None:
    earlier = Composer(RUN, 1, None)
    for words in before:
        earlier.say(words)
    assert earlier.message is not None
    if ended:
        earlier.end_text()
    inherited = Message(earlier.message.message_id, earlier.message.text, not ended, is_inherited=True)
    later = Composer(RUN, earlier.next_n + 1, inherited)
    for words in after:
        later.say(words)
    later.finish(answer)
    assert list(messages(read(earlier) + read(later)).values()) == [answer]
    if not after and answer == inherited.text:
        assert all(event["type"] == "TEXT_MESSAGE_END" for event in read(later))


def test_an_answer_that_was_begun_is_completed_in_its_own_message() -> None:
    composer = Composer(RUN, 4, None)
    composer.say("Hel")
    composer.finish("Hello")
    assert [(event["type"], event.get("delta")) for event in read(composer)] == [
        ("TEXT_MESSAGE_START", None),
        ("TEXT_MESSAGE_CONTENT", "Hel"),
        ("TEXT_MESSAGE_CONTENT", "lo"),
        ("TEXT_MESSAGE_END", None),
    ]
    assert {event["messageId"] for event in read(composer)} == {"run:4"}


def test_a_new_message_has_a_new_id() -> None:
    composer = Composer(RUN, 9, Message("run:2", "Hel", is_inherited=True))
    composer.say("Good day")
    assert [event["type"] for event in read(composer)] == [
        "TEXT_MESSAGE_END",
        "CUSTOM",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
    ]
    assert composer.message == Message("run:11", "Good day")


@pytest.mark.parametrize(("is_open", "types"), [(True, ["TEXT_MESSAGE_END"]), (False, [])])
def test_ending_keeps_what_an_earlier_owner_said(is_open: bool, types: list[str]) -> None:
    composer = Composer(RUN, 9, Message("run:2", "Hel", is_open, is_inherited=True))
    assert composer.end_text() == "run:2"
    assert [event["type"] for event in read(composer)] == types


def test_leaving_takes_back_what_an_earlier_owner_said() -> None:
    composer = Composer(RUN, 9, Message("run:2", "Hel", is_inherited=True))
    assert composer.leave_text() is None
    assert [event["type"] for event in read(composer)] == ["TEXT_MESSAGE_END", "CUSTOM"]
    composer = Composer(RUN, 9, Message("run:2", "Hel"))
    assert composer.leave_text() == "run:2"
    assert [event["type"] for event in read(composer)] == ["TEXT_MESSAGE_END"]
    assert composer.message is None
