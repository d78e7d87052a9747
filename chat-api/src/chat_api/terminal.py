"""A chat in the terminal."""

import json
import sys
import unicodedata
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import httpx
import jwt
from tzlocal import get_localzone_name

TIMEOUT_SECONDS: Final = 900.0
"""Longer than a run may take: its rounds have time-outs of their own."""
GREETING: Final = "Say what you want to do, for example “add milk tomorrow”. Ctrl-D ends the chat."
PROMPT: Final = "you> "


def converse(url: str, token: str | None, conversation_id: int | None) -> int:
    """Chat until the input ends and return the exit code."""
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
        try:
            token = token or _demo_token(client)
            user_id = _user_of(token) if token else None
            if not token or not user_id:
                _complain("no token: set CHAT_API_TOKEN, or pass --token, to a JWT whose sub is your user")
                return 2
            client.headers["Authorization"] = f"Bearer {token}"
            print(GREETING)
            while (message := _ask()) is not None:
                if message.strip():
                    conversation_id = _say(client, user_id, message, conversation_id)
        except httpx.ConnectError:
            _complain(f"{url} cannot be reached: is chat-api running there?")
            return 1
        except httpx.HTTPError as error:
            _complain(f"the answer was lost ({type(error).__name__}); your message may still be carried out")
            return 1
    return 0


def _ask() -> str | None:
    try:
        return input(PROMPT)
    except (EOFError, KeyboardInterrupt):
        print()
        return None


def _say(client: httpx.Client, user_id: str, message: str, conversation_id: int | None) -> int | None:
    body: dict[str, Any] = {"message": message, "timezone": get_localzone_name() or "UTC"}
    if conversation_id is not None:
        body["conversation_id"] = conversation_id
    user_path = f"/api/{quote(user_id, safe='')}"
    key = {"Idempotency-Key": str(uuid4())}
    answer = client.post(f"{user_path}/chat", json=body, headers=key)
    while answer.status_code == httpx.codes.ACCEPTED:
        waiting = answer.json()
        decisions = [
            {"tool_call_id": call["tool_call_id"], "approve": _allows(call)} for call in waiting["pending_approvals"]
        ]
        client.post(f"{user_path}/runs/{waiting['run_id']}/approvals", json={"decisions": decisions})
        # The same message again: it joins its run, whoever has decided on the calls.
        answer = client.post(f"{user_path}/chat", json=body, headers=key)
    try:
        said = answer.json()
    except ValueError:
        _complain(f"no answer of chat-api's (HTTP {answer.status_code}): is something else in between?")
        return conversation_id
    if answer.is_success:
        for call in said["tool_calls"]:
            print(f"     [{_plain(call['tool_name'])}]")
        print(f"bot> {_plain(said['response'])}")
    else:
        _complain(_plain(f"{said['title']}: {said['detail']}"))
    started: int | None = said.get("conversation_id", conversation_id)
    return started


def _allows(call: dict[str, Any]) -> bool:
    """Ask whether a call may be sent; whoever ends the input denies it."""
    try:
        said = input(_plain(f"allow {call['tool_name']} {json.dumps(call['parameters'], ensure_ascii=False)}? [y/N] "))
    except (EOFError, KeyboardInterrupt):
        print()
        return False
    return said.strip().lower() in {"y", "yes"}


def _plain(text: str) -> str:
    """Drop what could drive the terminal: a task's title is somebody's text, not a command to the screen."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


def _demo_token(client: httpx.Client) -> str | None:
    answer = client.get("/demo/token")
    return str(answer.json()["token"]) if answer.is_success else None


def _user_of(token: str) -> str | None:
    try:
        # Only to know which path to call: the service is what verifies the token.
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    subject = claims.get("sub")
    return subject if isinstance(subject, str) else None


def _complain(text: str) -> None:
    print(f"error: {text}", file=sys.stderr)
