"""A chat in the terminal."""

import asyncio
import sys
from typing import Any, Final

import httpx
import jwt

TIMEOUT_SECONDS: Final = 300.0
GREETING: Final = "Say what you want to do, for example “add milk tomorrow”. Ctrl-D ends the chat."
PROMPT: Final = "you> "


async def converse(url: str, token: str | None, conversation_id: int | None) -> int:
    """Chat until the input ends and return the exit code."""
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS) as client:
        try:
            token = token or await _demo_token(client)
            user_id = _user_of(token) if token else None
            if not token or not user_id:
                _complain("no token: set CHAT_API_TOKEN, or pass --token, to a JWT whose sub is your user")
                return 2
            client.headers["Authorization"] = f"Bearer {token}"
            print(GREETING)
            while (message := await _ask()) is not None:
                if message.strip():
                    conversation_id = await _say(client, user_id, message, conversation_id)
        except httpx.HTTPError as error:
            _complain(f"{url} cannot be reached ({type(error).__name__}): is chat-api running there?")
            return 1
    return 0


async def _ask() -> str | None:
    try:
        return await asyncio.to_thread(input, PROMPT)
    except EOFError:
        print()
        return None


async def _say(client: httpx.AsyncClient, user_id: str, message: str, conversation_id: int | None) -> int | None:
    body: dict[str, Any] = {"message": message}
    if conversation_id is not None:
        body["conversation_id"] = conversation_id
    answer = await client.post(f"/api/{user_id}/chat", json=body)
    said = answer.json()
    if answer.is_success:
        for call in said["tool_calls"]:
            print(f"     [{call['tool_name']}]")
        print(f"bot> {said['response']}")
    else:
        _complain(f"{said['title']}: {said['detail']}")
    started: int | None = said.get("conversation_id", conversation_id)
    return started


async def _demo_token(client: httpx.AsyncClient) -> str | None:
    answer = await client.get("/demo/token")
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
