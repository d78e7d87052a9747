"""An issuer's published keys (JSON Web Key Set, RFC 7517), fetched without blocking and kept for a while."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import jwt

ALGORITHMS: Final = frozenset({"EdDSA", "RS256", "ES256"})
"""Asymmetric algorithms accepted from an issuer. A symmetric key in a JWKS would be everybody's secret."""
FRESH_SECONDS: Final = 300
"""Age from which the keys are fetched again."""
RETRY_SECONDS: Final = 10
"""Shortest time between two fetches, so that tokens with made-up key ids cannot flood the issuer."""
TIMEOUT_SECONDS: Final = 5


class JwksUnavailableError(Exception):
    """The issuer's keys cannot be had at the moment; the same token may be good later."""


@dataclass(slots=True)
class JwksKeys:
    """Keys of one issuer. Unknown key ids lead to a fresh fetch, which is how a rotation is noticed."""

    url: str
    issuer: str | None = None
    """`iss` that tokens signed by these keys must carry; None accepts any."""
    transport: httpx.AsyncBaseTransport | None = None
    """Replaces the network in tests."""
    _keys: dict[str | None, jwt.PyJWK] = field(default_factory=dict)
    _fetched_at: float = -float("inf")
    _tried_at: float = -float("inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def key_for(self, token: str) -> jwt.PyJWK:
        """Return the key that signed `token`, by the `kid` of its header.

        Raises:
            jwt.InvalidKeyError: The issuer publishes no such key.
            JwksUnavailableError: The keys cannot be fetched.
        """
        key_id = jwt.get_unverified_header(token).get("kid")
        if key_id not in self._keys or time.monotonic() - self._fetched_at > FRESH_SECONDS:
            await self._refresh(key_id)
        try:
            return self._keys[key_id]
        except KeyError:
            raise jwt.InvalidKeyError("unknown key") from None

    async def _refresh(self, key_id: str | None) -> None:
        async with self._lock:
            now = time.monotonic()
            known = key_id in self._keys
            if known and now - self._fetched_at <= FRESH_SECONDS:
                return  # somebody else fetched while this one waited for the lock
            if now - self._tried_at < RETRY_SECONDS:
                if not self._keys:
                    raise JwksUnavailableError("the issuer's keys cannot be fetched")
                return
            self._tried_at = now
            try:
                async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=self.transport) as client:
                    response = await client.get(self.url)
                    response.raise_for_status()
                    self._keys = _parse(response.json())
            except (httpx.HTTPError, ValueError) as error:
                # Keys that were good minutes ago still are: an issuer's outage does not lock its users out.
                if not known:
                    raise JwksUnavailableError("the issuer's keys cannot be fetched") from error
                return
            self._fetched_at = now


def _parse(document: Any) -> dict[str | None, jwt.PyJWK]:
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a JSON Web Key Set")
    keys: dict[str | None, jwt.PyJWK] = {}
    for entry in entries:
        try:
            key = jwt.PyJWK(entry)
        except (jwt.PyJWTError, TypeError, AttributeError):
            continue  # a key of a kind we do not know is of no use here, and no reason to refuse the others
        if key.algorithm_name in ALGORITHMS:
            keys[key.key_id] = key
    return keys
