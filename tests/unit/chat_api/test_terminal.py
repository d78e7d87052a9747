"""The chat in the terminal, against a service that the test answers for."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from chat_api import terminal
from tzlocal import get_localzone_name

from tests.support.tokens import user_token

URL = "http://chat.invalid"
ZONE = get_localzone_name() or "UTC"


class Service:
    """Keeps what was asked and answers `/chat` in turn."""

    def __init__(self, *answers: tuple[int, Any], demo_token: str | None = None) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.tokens: set[str] = set()
        self._answers: Iterator[tuple[int, Any]] = iter(answers)
        self._demo_token = demo_token

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/demo/token":
            if self._demo_token is None:
                return httpx.Response(404, json={})
            return httpx.Response(200, json={"user_id": "demo", "token": self._demo_token})
        self.tokens.add(request.headers["authorization"])
        self.asked.append((request.url.path, json.loads(request.content)))
        status, body = next(self._answers)
        return httpx.Response(status, content=body) if isinstance(body, bytes) else httpx.Response(status, json=body)


def answer(text: str, conversation_id: int = 7, *tools: str) -> tuple[int, Any]:
    calls = [{"tool_name": tool, "parameters": {}, "result": {}} for tool in tools]
    return 200, {"response": text, "conversation_id": conversation_id, "tool_calls": calls}


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Types lines, ends the input, and lets a `Service` answer."""

    def prepare(service: Service, *lines: str) -> None:
        typed = iter(lines)

        def read(_: str) -> str:
            try:
                return next(typed)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", read)
        mocked = partial(httpx.Client, transport=httpx.MockTransport(service))
        monkeypatch.setattr("chat_api.terminal.httpx.Client", mocked)

    return prepare


def test_what_is_typed_is_said_in_one_conversation(type_in: Any, capsys: pytest.CaptureFixture[str]) -> None:
    service = Service(answer("Added.", 7, "add_task"), answer("You have milk."))
    type_in(service, "add milk", "   ", "what have I?")
    token = user_token("ann")
    assert terminal.converse(URL, token, None) == 0
    assert service.asked == [
        ("/api/ann/chat", {"message": "add milk", "timezone": ZONE}),
        ("/api/ann/chat", {"message": "what have I?", "timezone": ZONE, "conversation_id": 7}),
    ]
    assert service.tokens == {f"Bearer {token}"}
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[1:4] == ["     [add_task]", "bot> Added.", "bot> You have milk."]
    assert printed.err == ""


def test_a_conversation_can_be_gone_on_with(type_in: Any) -> None:
    service = Service(answer("Hello again.", 3))
    type_in(service, "hello")
    assert terminal.converse(URL, user_token("ann"), 3) == 0
    assert service.asked == [("/api/ann/chat", {"message": "hello", "timezone": ZONE, "conversation_id": 3})]


def test_a_problem_is_said_and_the_chat_goes_on(type_in: Any, capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"title": "The model failed", "detail": "Try again in a while.", "conversation_id": 7}
    service = Service((502, problem), answer("Added."))
    type_in(service, "add milk", "add milk")
    assert terminal.converse(URL, user_token("ann"), None) == 0
    assert capsys.readouterr().err == "error: The model failed: Try again in a while.\n"
    assert service.asked[1][1] == {"message": "add milk", "timezone": ZONE, "conversation_id": 7}


def test_the_demo_hands_out_a_token(type_in: Any) -> None:
    service = Service(answer("Hello."), demo_token=user_token("demo"))
    type_in(service, "hello")
    assert terminal.converse(URL, None, None) == 0
    assert service.asked == [("/api/demo/chat", {"message": "hello", "timezone": ZONE})]


@pytest.mark.parametrize("token", [None, "no-token", user_token("")])
def test_without_a_token_that_names_a_user_it_says_what_to_set(
    type_in: Any, capsys: pytest.CaptureFixture[str], token: str | None
) -> None:
    service = Service()
    type_in(service, "hello")
    assert terminal.converse(URL, token, None) == 2
    assert "CHAT_API_TOKEN" in capsys.readouterr().err
    assert service.asked == []


def test_a_user_whose_name_means_something_in_a_url_keeps_their_own_path(type_in: Any) -> None:
    service = Service(answer("Hello."))
    type_in(service, "hello")
    assert terminal.converse(URL, user_token("a?b#c/d"), None) == 0
    assert service.asked[0][0] == "/api/a?b#c/d/chat"


def test_text_of_tasks_does_not_drive_the_terminal(type_in: Any, capsys: pytest.CaptureFixture[str]) -> None:
    type_in(Service(answer("Added \x1b[2J#1\x07 milk.\nAnything else?")), "add it")
    assert terminal.converse(URL, user_token("ann"), None) == 0
    assert "bot> Added [2J#1 milk.\nAnything else?" in capsys.readouterr().out


def test_an_answer_that_is_not_the_services_is_said_and_the_chat_goes_on(
    type_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service((502, b"<html>Bad gateway</html>"), answer("Added."))
    type_in(service, "add milk", "add milk")
    assert terminal.converse(URL, user_token("ann"), None) == 0
    assert "HTTP 502" in capsys.readouterr().err
    assert len(service.asked) == 2


@pytest.mark.parametrize(("typed", "approve"), [("y", True), ("no", False), (None, False)])
def test_a_call_that_waits_is_asked_for_and_the_message_goes_on(
    type_in: Any, capsys: pytest.CaptureFixture[str], typed: str | None, approve: bool
) -> None:
    call = {"tool_call_id": "c1", "tool_name": "delete_task", "parameters": {"task_id": 1}}
    waits = {"response": "", "conversation_id": 7, "tool_calls": [], "run_id": "r1", "pending_approvals": [call]}
    service = Service((202, waits), (202, {}), answer("That is that."))
    type_in(service, "delete 1", *([] if typed is None else [typed]))
    assert terminal.converse(URL, user_token("ann"), None) == 0
    message = {"message": "delete 1", "timezone": ZONE}
    assert service.asked == [
        ("/api/ann/chat", message),
        ("/api/ann/runs/r1/approvals", {"decisions": [{"tool_call_id": "c1", "approve": approve}]}),
        ("/api/ann/chat", message),
    ]
    assert "bot> That is that." in capsys.readouterr().out
