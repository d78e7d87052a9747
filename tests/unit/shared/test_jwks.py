"""An issuer's published keys: found by id, fetched seldom, kept through the issuer's outages."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from todo_chat_shared import jwks
from todo_chat_shared.jwks import JwksKeys, JwksUnavailableError
from todo_chat_shared.tokens import InvalidTokenError, TokenVerifier

ISSUER = "https://front.example"
SECRET = "a-secret-of-these-tests-0123456789"
KEYS: dict[str, Any] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
}
ALGORITHMS: dict[str, Any] = {"EdDSA": OKPAlgorithm, "ES256": ECAlgorithm, "RS256": RSAAlgorithm}


def public(algorithm: str, key_id: str) -> dict[str, Any]:
    document = ALGORITHMS[algorithm].to_jwk(KEYS[algorithm].public_key(), as_dict=True)
    return {**document, "kid": key_id, "alg": algorithm}


def signed(algorithm: str, key_id: str, **claims: Any) -> str:
    payload = {"sub": "ann", "exp": time.time() + 60, "iss": ISSUER, **claims}
    return jwt.encode(payload, KEYS[algorithm], algorithm, headers={"kid": key_id})


class Issuer:
    """Publishes keys, counts how often it is asked, and can be down or hang."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.down = False
        self.question = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def answer(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.question.set()
        await self.answers.wait()
        if self.down:
            raise httpx.ConnectError("down")
        return httpx.Response(200, json={"keys": self.keys})

    def jwks(self) -> JwksKeys:
        return JwksKeys(f"{ISSUER}/jwks", issuer=ISSUER, transport=httpx.MockTransport(self.answer))

    async def was_asked_again(self) -> None:
        """Return once it was asked since the last time, and its answer, if it gives one, has been read."""
        await asyncio.wait_for(self.question.wait(), 20)
        self.question.clear()
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    # The module's alone: the event loop reads the real clock.
    monkeypatch.setattr(jwks, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
async def test_a_token_of_the_issuer_is_good_under_every_accepted_algorithm(algorithm: str) -> None:
    issuer = Issuer(public(algorithm, "one"))
    verifier = TokenVerifier([SECRET], jwks=issuer.jwks())
    for _ in range(3):
        assert (await verifier.verify(signed(algorithm, "one"))).user_id == "ann"
    assert issuer.asked == 1


async def test_a_shared_secrets_token_stays_good_beside_the_issuer() -> None:
    verifier = TokenVerifier([SECRET], jwks=Issuer().jwks())
    token = jwt.encode({"sub": "ann", "exp": time.time() + 60}, SECRET, "HS256")
    assert (await verifier.verify(token)).user_id == "ann"


async def test_a_public_key_used_as_a_secret_signs_nothing() -> None:
    """The classic confusion of algorithms: HS256 keyed with the published key."""
    key = public("EdDSA", "one")
    verifier = TokenVerifier([SECRET], jwks=Issuer(key).jwks())
    forged = jwt.encode(
        {"sub": "ann", "exp": time.time() + 60, "iss": ISSUER}, key["x"], "HS256", headers={"kid": "one"}
    )
    with pytest.raises(InvalidTokenError, match="signature"):
        await verifier.verify(forged)


async def test_a_symmetric_key_that_an_issuer_publishes_is_not_used() -> None:
    oct_key = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "one", "alg": "HS256"}
    keys = Issuer(oct_key).jwks()
    with pytest.raises(jwt.InvalidKeyError):
        await keys.key_for(signed("EdDSA", "one"))


async def test_a_key_that_is_published_for_encryption_verifies_nothing() -> None:
    keys = Issuer({**public("RS256", "one"), "use": "enc"}, {**public("RS256", "two"), "use": "sig"}).jwks()
    with pytest.raises(jwt.InvalidKeyError):
        await keys.key_for(signed("RS256", "one"))
    assert (await keys.key_for(signed("RS256", "two"))).key_id == "two"


async def test_keys_of_unknown_kinds_do_not_stand_in_the_way_of_the_others() -> None:
    strange: list[Any] = [
        {"kty": "AKP", "kid": "one", "alg": "ML-DSA-44", "pub": "AA"},
        {},
        None,
        "key",
        {"kty": "RSA"},
        {**public("EdDSA", "two"), "use": ["sig"]},
        {**public("EdDSA", "two"), "kid": ["two"]},
        {**public("EdDSA", "two"), "alg": ["EdDSA"]},
        {**public("EdDSA", "two"), "crv": ["Ed25519"]},
    ]
    keys = Issuer(*strange, public("EdDSA", "two")).jwks()
    assert (await keys.key_for(signed("EdDSA", "two"))).key_id == "two"


@pytest.mark.parametrize(("published", "used"), [("EdDSA", "ES256"), ("ES256", "RS256"), ("RS256", "EdDSA")])
async def test_a_keys_own_algorithm_counts_and_not_the_tokens_header(published: str, used: str) -> None:
    verifier = TokenVerifier([SECRET], jwks=Issuer(public(published, "one")).jwks())
    with pytest.raises(InvalidTokenError, match="algorithm is not accepted"):
        await verifier.verify(signed(used, "one"))


async def test_a_token_of_an_unknown_key_is_refused_with_its_reason() -> None:
    verifier = TokenVerifier([SECRET], jwks=Issuer(public("EdDSA", "one")).jwks())
    with pytest.raises(InvalidTokenError, match="a key that the issuer does not publish"):
        await verifier.verify(signed("EdDSA", "two"))


async def test_another_issuer_and_another_audience_are_refused() -> None:
    verifier = TokenVerifier(
        [SECRET], audiences=["here"], jwks_audiences=["extra"], jwks=Issuer(public("EdDSA", "one")).jwks()
    )
    with pytest.raises(InvalidTokenError, match="issuer"):
        await verifier.verify(signed("EdDSA", "one", iss="https://else.example", aud="here"))
    with pytest.raises(InvalidTokenError, match="audience"):
        await verifier.verify(signed("EdDSA", "one", aud="there"))
    assert (await verifier.verify(signed("EdDSA", "one", aud="extra"))).user_id == "ann"
    assert (await verifier.verify(signed("EdDSA", "one", aud="here"))).user_id == "ann"
    secret_token = jwt.encode({"sub": "ann", "exp": time.time() + 60, "aud": "extra"}, SECRET, "HS256")
    with pytest.raises(InvalidTokenError, match="audience"):
        await verifier.verify(secret_token)


async def test_a_rotated_key_is_found_but_made_up_ids_do_not_flood_the_issuer(clock: list[float]) -> None:
    issuer = Issuer(public("EdDSA", "one"))
    keys = issuer.jwks()
    await keys.key_for(signed("EdDSA", "one"))
    issuer.keys.append(public("ES256", "two"))
    clock[0] += jwks.RETRY_SECONDS
    await keys.key_for(signed("ES256", "two"))
    assert issuer.asked == 2
    for number in range(20):
        with pytest.raises(JwksUnavailableError):
            await keys.key_for(signed("EdDSA", f"made-up-{number}"))
    assert issuer.asked == 2


async def test_a_key_newer_than_the_last_fetch_is_not_refused_but_has_to_wait(clock: list[float]) -> None:
    issuer = Issuer(public("EdDSA", "one"))
    keys = issuer.jwks()
    await keys.key_for(signed("EdDSA", "one"))
    issuer.keys.append(public("ES256", "two"))
    clock[0] += jwks.RETRY_SECONDS - 1
    with pytest.raises(JwksUnavailableError):
        await keys.key_for(signed("ES256", "two"))
    assert issuer.asked == 1
    clock[0] += 1
    assert (await keys.key_for(signed("ES256", "two"))).key_id == "two"


async def test_a_key_that_a_fetch_did_not_find_is_refused_at_once_until_one_finds_it(clock: list[float]) -> None:
    issuer = Issuer(public("EdDSA", "one"))
    keys = issuer.jwks()
    for _ in range(20):
        with pytest.raises(jwt.InvalidKeyError):
            await keys.key_for(signed("ES256", "two"))
    assert issuer.asked == 1
    # Many made-up ones are forgotten again.
    for number in range(jwks.UNPUBLISHED_MAX + 1):
        clock[0] += jwks.RETRY_SECONDS
        with pytest.raises(jwt.InvalidKeyError):
            await keys.key_for(signed("EdDSA", f"made-up-{number}"))
    with pytest.raises(JwksUnavailableError):
        await keys.key_for(signed("ES256", "two"))
    issuer.keys.append(public("ES256", "two"))
    clock[0] += jwks.RETRY_SECONDS
    assert (await keys.key_for(signed("ES256", "two"))).key_id == "two"


async def test_a_withdrawn_key_is_refused_at_once(clock: list[float]) -> None:
    issuer = Issuer(public("EdDSA", "one"))
    keys = issuer.jwks()
    await keys.key_for(signed("EdDSA", "one"))
    issuer.keys = [public("ES256", "two")]
    clock[0] += jwks.RETRY_SECONDS
    await keys.key_for(signed("ES256", "two"))
    with pytest.raises(jwt.InvalidKeyError):
        await keys.key_for(signed("EdDSA", "one"))
    assert issuer.asked == 2


async def test_keys_outlive_an_outage_of_the_issuer_for_a_day(clock: list[float]) -> None:
    issuer = Issuer(public("EdDSA", "one"))
    keys = issuer.jwks()
    await keys.key_for(signed("EdDSA", "one"))
    await issuer.was_asked_again()
    fetched_at = clock[0]
    issuer.down = True
    clock[0] += jwks.FRESH_SECONDS + 1
    assert (await keys.key_for(signed("EdDSA", "one"))).key_id == "one"
    await issuer.was_asked_again()
    clock[0] = fetched_at + jwks.KEEP_SECONDS
    assert (await keys.key_for(signed("EdDSA", "one"))).key_id == "one"
    await issuer.was_asked_again()
    clock[0] += jwks.RETRY_SECONDS
    with pytest.raises(JwksUnavailableError):
        await keys.key_for(signed("EdDSA", "one"))
    issuer.down = False
    clock[0] += jwks.RETRY_SECONDS
    assert (await keys.key_for(signed("EdDSA", "one"))).key_id == "one"


async def test_known_keys_are_served_at_once_while_the_issuer_hangs_and_it_is_asked_once(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "TIMEOUT_SECONDS", 3600)
    issuer = Issuer(public("EdDSA", "one"))
    keys = issuer.jwks()
    await keys.key_for(signed("EdDSA", "one"))
    await issuer.was_asked_again()
    clock[0] += jwks.FRESH_SECONDS + 1
    issuer.answers.clear()
    issuer.keys = [public("ES256", "two")]
    async with asyncio.timeout(20):
        for _ in range(20):
            assert (await keys.key_for(signed("EdDSA", "one"))).key_id == "one"
    await issuer.was_asked_again()
    clock[0] += jwks.RETRY_SECONDS
    # Those who give up waiting for a new key do not end the fetch for the others.
    given_up = asyncio.create_task(keys.key_for(signed("ES256", "two")))
    waiting = asyncio.create_task(keys.key_for(signed("ES256", "two")))
    await asyncio.sleep(0)
    given_up.cancel()
    issuer.answers.set()
    assert (await waiting).key_id == "two"
    assert issuer.asked == 2
    with pytest.raises(jwt.InvalidKeyError):
        await keys.key_for(signed("EdDSA", "one"))


async def test_during_an_outage_an_unknown_key_is_unavailable_however_often_it_is_asked_for(
    clock: list[float],
) -> None:
    issuer = Issuer(public("EdDSA", "one"))
    keys = issuer.jwks()
    await keys.key_for(signed("EdDSA", "one"))
    issuer.down = True
    clock[0] += jwks.RETRY_SECONDS
    for _ in range(3):
        with pytest.raises(JwksUnavailableError):
            await keys.key_for(signed("ES256", "two"))
    assert issuer.asked == 2


async def test_an_issuer_that_answers_too_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "TIMEOUT_SECONDS", 0.2)

    async def drip(_request: httpx.Request) -> httpx.Response:
        async def body() -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.05)
                yield b" "

        return httpx.Response(200, content=body())

    keys = JwksKeys(f"{ISSUER}/jwks", transport=httpx.MockTransport(drip))
    async with asyncio.timeout(20):
        with pytest.raises(JwksUnavailableError):
            await keys.key_for(signed("EdDSA", "one"))


async def test_an_address_that_cannot_be_one_is_unavailable_not_a_defect() -> None:
    keys = JwksKeys("http://[bad", transport=httpx.MockTransport(lambda _request: httpx.Response(200)))
    with pytest.raises(JwksUnavailableError):
        await keys.key_for(signed("EdDSA", "one"))


async def test_an_issuer_that_never_answered_is_unavailable_not_a_bad_token(clock: list[float]) -> None:
    issuer = Issuer(public("EdDSA", "one"))
    issuer.down = True
    verifier = TokenVerifier([SECRET], jwks=issuer.jwks())
    with pytest.raises(JwksUnavailableError):
        await verifier.verify(signed("EdDSA", "one"))
    issuer.down = False
    clock[0] += jwks.RETRY_SECONDS
    assert (await verifier.verify(signed("EdDSA", "one"))).user_id == "ann"


@pytest.mark.parametrize("document", [[], {}, {"keys": 3}])
async def test_what_is_no_key_set_counts_as_unavailable(document: Any) -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json=document))
    keys = JwksKeys("https://front.example/jwks", transport=transport)
    with pytest.raises(JwksUnavailableError):
        await keys.key_for(signed("EdDSA", "one"))
