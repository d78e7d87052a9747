"""Neither service ever logs a token or a secret: not as it is run, and not with every logger told to say everything."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.integration.chat_api.conftest import as_user
from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.databases import NewDatabase
from tests.support.openai_stub import Call, OpenAIStub, Say, running_openai_stub
from tests.support.services import Service, free_port, running_chat_api, running_todo_server
from tests.support.tokens import SECRET, mcp_token, user_token

PREVIOUS_SECRET = "the-previous-secret-of-the-tests-0123456789"
ANY_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+")
SAY_EVERYTHING = """
import logging

logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
logging.Logger.setLevel = lambda logger, level: None
"""


@pytest.fixture(params=["as it is run", "everything"])
def loudness(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Variables that make Python and the libraries log what they can be asked for, or all that they have in them."""
    asked_for = {"OPENAI_LOG": "debug", "PYTHONASYNCIODEBUG": "1"}
    if request.param == "as it is run":
        return asked_for
    # Python imports a module of this name by itself as it starts.
    (tmp_path / "sitecustomize.py").write_text(SAY_EVERYTHING)
    return {**asked_for, "PYTHONPATH": str(tmp_path)}


@pytest.fixture
async def stub() -> AsyncIterator[OpenAIStub]:
    async with running_openai_stub() as running:
        yield running


def bad_tokens() -> list[str]:
    """Tokens that are refused, each for another reason."""
    claims = {"sub": "ann", "exp": time.time() + 3600}
    return [
        user_token("ann", lifetime_seconds=-3600),
        user_token("ann", secret="another-secret-of-the-tests-0123456789"),
        jwt.encode({**claims, "aud": "somebody-else"}, SECRET, "HS256"),
        jwt.encode({**claims, "sub": ""}, SECRET, "HS256"),
        jwt.encode(claims, "", "none"),
        # Its issuer does not answer.
        jwt.encode(claims, ed25519.Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": "one"}),
        "a-word-that-is-no-token-at-all",
    ]


async def statuses(service: Service, path: str, tokens: list[str]) -> set[int]:
    """Send every token to a service, as it should be sent and in two wrong ways; returns how it answered."""
    answered = set()
    async with httpx.AsyncClient(base_url=service.base_url, timeout=30, trust_env=False) as http:
        for token in tokens:
            for header in (f"Bearer {token}", f"Bearer  {token} {token}", f"Token {token}"):
                response = await http.post(path, json={"message": "hello"}, headers={"authorization": header})
                answered.add(response.status_code)
    return answered


async def test_no_token_and_no_secret_stands_in_a_log(
    new_database: NewDatabase, stub: OpenAIStub, loudness: dict[str, str]
) -> None:
    variables = {
        **loudness,
        "BETTER_AUTH_SECRET_PREVIOUS": PREVIOUS_SECRET,
        "AUTH_JWKS_URL": f"http://127.0.0.1:{free_port()}/jwks",
    }
    good, bad = [user_token("ann"), mcp_token("ann")], bad_tokens()
    stub.reply(Call("add_task", {"title": "milk"}), Call("list_tasks", {}), Say("done"))
    async with (
        running_todo_server(new_database("sqlite"), **variables) as todo,
        running_chat_api(new_database("sqlite"), todo.mcp_url, **stub.environment(), **variables) as chat,
    ):
        async with as_user(chat, "ann") as ann:
            assert len((await ann.say("add milk"))["tool_calls"]) == 2
        async with mcp_client(todo.mcp_url, good[1]) as client:
            assert not (await client.call_tool("list_tasks", {})).is_error
        assert await statuses(chat, "/api/ann/chat", [*bad, good[1]]) == {401, 503}
        assert await statuses(todo, "/mcp", [*bad, good[0]]) == {401, 503}
        await todo.kill()
        stub.reply(Call("add_task", {"title": "bread"}))
        chat.environment["TOOL_TIMEOUT_SECONDS"] = "1"
        await chat.stop()
        await chat.restart()
        async with as_user(chat, "ann") as ann:
            assert (await ann.send("add bread")).status_code in {503, 504}
        logs = {service.program: service.log for service in (todo, chat)}

    # The logs that are searched are those of what happened here.
    assert "a token cannot be checked at the moment" in logs["mcp-todo-server"]
    assert "the todo server cannot be reached" in logs["chat-api"]
    for program, log in logs.items():
        assert (" DEBUG " in log) == ("PYTHONPATH" in loudness), program
        assert not ANY_TOKEN.search(log), program
        for secret in (*good, *bad, SECRET, PREVIOUS_SECRET, "sk-stub-key-of-the-tests"):
            assert secret not in log, (program, secret)
