"""Tokens that prove nothing are 401, whatever else a request holds, and nothing is stored for their senders."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import jwt
import pytest

from tests.integration.chat_api.conftest import REQUEST_SECONDS, ChatUser
from tests.support.chat import nothing_stored
from tests.support.databases import sqlite_database
from tests.support.openai_stub import OpenAIStub, Say
from tests.support.openapi import hold_to_contract
from tests.support.problems import problem
from tests.support.services import Service
from tests.support.tokens import SECRET

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_SECRET = "another-secret-of-the-tests-0123456789"
DAY = 24 * 3600
"""Longer than the tests take from their collection, when most of these tokens are signed, to the last of them."""


@pytest.fixture(scope="module")
def module_database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SQLite alone: no database is asked before a token is verified."""
    return sqlite_database(tmp_path_factory.mktemp("chat"))


def signed(key: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """Sign a good user's token, but for what is given; a claim that is None is left out."""
    every = {"sub": "ann", "exp": time.time() + DAY, **claims}
    return jwt.encode({name: value for name, value in every.items() if value is not None}, key, algorithm)


def by_hand(algorithm: str, key: str = SECRET, claims: bytes | None = None) -> str:
    """Sign with HMAC and the secret under a header that names another algorithm."""
    good = json.dumps({"sub": "ann", "exp": time.time() + DAY}).encode()
    header = json.dumps({"alg": algorithm, "typ": "JWT"}).encode()
    signing_input = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, claims or good))
    signature = hmac.new(key.encode(), signing_input, hashlib.sha256).digest()
    return (signing_input + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


WITHOUT_ALGORITHM = jwt.encode({"sub": "ann", "exp": time.time() + DAY}, "", "none")

TOKENS = {
    "one word": ("abc", "malformed"),
    "two parts": ("abc.def", "malformed"),
    "three parts of nothing": ("..", "malformed"),
    "not ASCII": ("ä.ö.ü", "malformed"),
    "claims that are a list": (by_hand("HS256", claims=b"[]"), "malformed"),
    "claims that are no JSON": (by_hand("HS256", claims=b"{"), "malformed"),
    "expired": (signed(exp=time.time() - 60), "expired"),
    "exp a text": (signed(exp="soon"), "malformed"),
    "exp infinite": (by_hand("HS256", claims=b'{"sub": "ann", "exp": 1e999}'), "malformed"),
    "nbf in the future": (signed(nbf=time.time() + DAY), "not valid yet"),
    "iat in the future": (signed(iat=time.time() + DAY), "not valid yet"),
    "iat a text": (signed(iat="now"), "malformed"),
    "iat beyond any float": (
        by_hand("HS256", claims=b'{"sub": "ann", "exp": 9999999999, "iat": -1' + b"0" * 400 + b"}"),
        "malformed",
    ),
    "wrong secret": (signed(OTHER_SECRET), "signature"),
    "signature of another token": (
        f"{signed().rpartition('.')[0]}.{signed(sub='bob').rpartition('.')[2]}",
        "signature",
    ),
    "no algorithm": (WITHOUT_ALGORITHM, "algorithm"),
    "no algorithm, and a signature": (by_hand("none"), "algorithm"),
    "algorithm in capitals only": (by_hand("hs256"), "algorithm"),
    "HS512 with the secret": (signed(algorithm="HS512", key=SECRET * 2), "algorithm"),
    "RS256 signed with the secret": (by_hand("RS256"), "algorithm"),
    "ES256 signed with the secret": (by_hand("ES256"), "algorithm"),
    "EdDSA signed with the secret": (by_hand("EdDSA"), "algorithm"),
    "for another audience": (signed(aud="somebody-else"), "audience"),
    "for mcp-todo-server": (signed(aud="mcp-todo-server"), "audience"),
    "for several audiences": (signed(aud=["mcp-todo-server", "chat-api"]), "audience"),
    "without sub": (signed(sub=None), "no sub"),
    "without exp": (signed(exp=None), "no exp"),
    "sub empty": (signed(sub=""), "sub"),
    "sub blank": (signed(sub=" \u00a0"), "sub"),
    "sub a number": (by_hand("HS256", claims=b'{"sub": 5, "exp": 9999999999}'), "malformed"),
    "sub a list": (by_hand("HS256", claims=b'{"sub": ["ann"], "exp": 9999999999}'), "malformed"),
    "sub with a control character": (signed(sub="an\nn"), "control characters"),
    "sub with U+0000": (signed(sub="ann\x00"), "control characters"),
    "sub with half a surrogate pair": (signed(sub="ann\ud800"), "control characters"),
    "sub of 256 characters": (signed(sub="a" * 256), "sub"),
}


@pytest.mark.parametrize(("token", "reason"), TOKENS.values(), ids=TOKENS.keys())
async def test_a_token_that_proves_nothing_is_401_with_its_reason(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, token: str, reason: str
) -> None:
    await hold_to_contract(ann.http)
    async with nothing_stored(ann, stub, module_database_url):
        # The body is broken as well: strangers are not told of it.
        response = await ann.http.post(
            "/api/ann/chat", content=b'{"messa', headers=[(b"authorization", f"Bearer {token}".encode())]
        )
        body = problem(response, 401, "unauthenticated")
    assert reason in body["detail"]
    challenge = response.headers["www-authenticate"]
    prefix = 'Bearer realm="todo-chat", error="invalid_token", error_description="'
    assert challenge.startswith(prefix)
    assert reason in challenge.removeprefix(prefix)
    assert token not in response.text + challenge


@pytest.mark.parametrize("header", ["", "Basic YTpi", "bearer", "Bearer", "Token abc", signed()])
async def test_without_a_bearer_token_the_answer_names_the_scheme(
    ann: ChatUser, stub: OpenAIStub, module_database_url: str, header: str
) -> None:
    async with nothing_stored(ann, stub, module_database_url):
        response = await ann.http.post("/api/ann/chat", json={"message": "hi"}, headers={"authorization": header})
        problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="todo-chat"'


async def test_every_operation_of_the_api_wants_the_paths_own_user(ann: ChatUser, chat: Service) -> None:
    contract = await hold_to_contract(ann.http)
    async with httpx.AsyncClient(base_url=chat.base_url, timeout=REQUEST_SECONDS, trust_env=False) as stranger:
        for method, template, _ in contract.operations():
            path = template.replace("{conversation_id}", "1").replace("{run_id}", "x")
            if "{user_id}" not in path:
                continue
            refused = await stranger.request(method, path.replace("{user_id}", ann.user_id))
            problem(refused, 401, "unauthenticated")
            assert "www-authenticate" in refused.headers
            contract.check(refused)
            problem(await ann.http.request(method, path.replace("{user_id}", "somebody-else")), 403, "forbidden")
    assert {status for _, status in contract.seen} == {401, 403}


@pytest.mark.parametrize(
    "claims",
    [{}, {"nbf": 10}, {"iat": 10}, {"iat": None}, {"kid": "x"}],
    ids=["plain", "clock skew in nbf", "clock skew in iat", "no iat", "claims of others"],
)
async def test_a_good_token_is_let_in(chat: Service, stub: OpenAIStub, user_id: str, claims: dict[str, Any]) -> None:
    stub.reply(Say("fine"))
    async with httpx.AsyncClient(base_url=chat.base_url, timeout=REQUEST_SECONDS, trust_env=False) as http:
        # Times are seconds from now, when the token is sent.
        told: dict[str, Any] = {
            name: time.time() + value if isinstance(value, int) else value for name, value in claims.items()
        }
        headers = {"authorization": f"bearer {signed(sub=user_id, **told)}"}
        response = await http.post(f"/api/{user_id}/chat", json={"message": "hi"}, headers=headers)
    assert response.json()["response"] == "fine"
