"""Tokens: what proves a user, and what does not."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from todo_chat_shared import tokens
from todo_chat_shared.tokens import InvalidTokenError, TokenVerifier, check_secret, mint, mint_service_token

SECRET = "a-secret-of-these-tests-0123456789"
OTHER_SECRET = "another-secret-of-these-tests-0123"


DAY = 24 * 3600
"""Parameters are made long before the tests run."""


def signed(secret: str = SECRET, **claims: Any) -> str:
    return jwt.encode({"sub": "ann", "exp": time.time() + DAY, **claims}, secret, "HS256")


async def test_a_minted_token_proves_its_user_and_scopes() -> None:
    before = time.time()
    token = mint(SECRET, "ann", audience="here", scopes=["tasks:read"], lifetime_seconds=60)
    after = time.time()
    identity = await TokenVerifier([SECRET], audiences=["here"]).verify(token)
    assert identity.user_id == "ann"
    assert identity.scopes == {"tasks:read"}
    assert identity.issued_at is not None
    assert before - 1 <= identity.issued_at <= after


async def test_a_service_token_lives_two_minutes_and_is_for_the_todo_server() -> None:
    before = time.time()
    token = mint_service_token(SECRET, "ann")
    after = time.time()
    identity = await TokenVerifier([SECRET], audiences=[tokens.MCP_AUDIENCE]).verify(token)
    assert identity.scopes == {"tasks:read", "tasks:write"}
    assert before + 119 <= identity.expires_at <= after + 120


async def test_a_secret_being_rotated_out_still_verifies() -> None:
    verifier = TokenVerifier([SECRET, OTHER_SECRET])
    assert (await verifier.verify(signed(OTHER_SECRET))).user_id == "ann"
    assert (await verifier.verify(signed())).user_id == "ann"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (signed(exp=time.time() - 60), "expired"),
        (signed(nbf=time.time() + DAY), "not valid yet"),
        (signed(iat=time.time() + DAY), "not valid yet"),
        (signed(OTHER_SECRET), "signature"),
        (signed(aud="somebody-else"), "audience"),
        (signed(sub=""), "sub"),
        (signed(sub="   "), "sub"),
        (signed(sub="x" * 256), "sub"),
        (signed(sub="a\x00b"), "control characters"),
        (jwt.encode({"exp": time.time() + DAY}, SECRET, "HS256"), "no sub"),
        (jwt.encode({"sub": "ann"}, SECRET, "HS256"), "no exp"),
        (jwt.encode({"sub": "ann", "exp": time.time() + DAY}, "", "none"), "algorithm"),
        (jwt.encode({"sub": "ann", "exp": time.time() + DAY}, SECRET * 2, "HS512"), "algorithm"),
        ("", "malformed"),
        ("a.b.c", "malformed"),
        ("not a token", "malformed"),
    ],
    # A token holds the time of its making, and workers that run the tests together need the same names.
    ids=lambda value: "token" if value.count(".") == 2 else value,
)
async def test_what_proves_nothing_is_refused_with_its_reason(token: str, reason: str) -> None:
    with pytest.raises(InvalidTokenError, match=reason):
        await TokenVerifier([SECRET]).verify(token)


async def test_a_token_just_past_its_end_is_forgiven_the_clocks_skew() -> None:
    assert (await TokenVerifier([SECRET]).verify(signed(exp=time.time() - 10))).user_id == "ann"


async def test_the_audience_is_required_where_one_is_configured() -> None:
    verifier = TokenVerifier([SECRET], audiences=["here"])
    with pytest.raises(InvalidTokenError, match="aud"):
        await verifier.verify(signed())
    with pytest.raises(InvalidTokenError, match="audience"):
        await verifier.verify(signed(aud="there"))
    assert (await verifier.verify(signed(aud=["there", "here"]))).user_id == "ann"


async def test_the_issuer_is_required_where_one_is_configured() -> None:
    verifier = TokenVerifier([SECRET], issuer="https://front.example")
    with pytest.raises(InvalidTokenError, match="iss"):
        await verifier.verify(signed())
    with pytest.raises(InvalidTokenError, match="issuer"):
        await verifier.verify(signed(iss="https://else.example"))
    assert (await verifier.verify(signed(iss="https://front.example"))).user_id == "ann"


async def test_a_changed_payload_no_longer_matches_its_signature() -> None:
    header, _, signature = signed().split(".")
    forged = base64.urlsafe_b64encode(json.dumps({"sub": "bob", "exp": time.time() + 60}).encode())
    with pytest.raises(InvalidTokenError, match="signature"):
        await TokenVerifier([SECRET]).verify(f"{header}.{forged.decode().rstrip('=')}.{signature}")


def test_a_short_secret_and_a_placeholder_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        check_secret("x" * 31)
    with pytest.raises(ValueError, match="placeholder"):
        check_secret("please-CHANGEME-0123456789-0123456789")
    assert check_secret("ü" * 16) == "ü" * 16


def test_nothing_secret_stands_in_a_verifiers_text() -> None:
    assert SECRET not in repr(TokenVerifier([SECRET]))
