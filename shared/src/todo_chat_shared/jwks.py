"""An issuer's published keys (JSON Web Key Set, RFC 7517), fetched without blocking and kept for a while."""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import jwt

ALGORITHMS: Final = frozenset({"EdDSA", "RS256", "ES256"})
"""Asymmetric algorithms accepted from an issuer. A symmetric key in a JWKS would be everybody's secret."""
FRESH_SECONDS: Final = 300
"""Age from which the keys are fetched again."""
KEEP_SECONDS: Final = 24 * 3600
"""Age from which keys that could not be fetched again verify nothing more."""
RETRY_SECONDS: Final = 10
"""Shortest time between two fetches, so that tokens with made-up key ids cannot flood the issuer."""
UNPUBLISHED_MAX: Final = 100
"""Most key ids remembered for not being published."""
TIMEOUT_SECONDS: Final = 2
"""Longest time of one fetch; less than a service gives the whole check of a token."""

logger = logging.getLogger(__name__)


class JwksUnavailableError(Exception):
    """The issuer's keys cannot be had at the moment; the same token may be good later."""


@dataclass(slots=True)
class JwksKeys:
    """Keys of one issuer. Unknown key ids lead to a fresh fetch, which is how a rotation is noticed.

    At most one fetch is under way. Who needs a key that is not there waits for it; known keys are served
    meanwhile, so that an issuer that hangs holds nobody up.
    """

    url: str
    issuer: str | None = None
    """`iss` that tokens signed by these keys must carry; None accepts any."""
    transport: httpx.AsyncBaseTransport | None = None
    """Replaces the network in tests."""
    _keys: dict[str | None, jwt.PyJWK] = field(default_factory=dict)
    # Ids that the last fetches did not find: whoever sends them is told so at once, not to come again.
    _unpublished: deque[str | None] = field(default_factory=lambda: deque(maxlen=UNPUBLISHED_MAX))
    _fetched_at: float = -float("inf")
    _tried_at: float = -float("inf")
    _failed: bool = False
    _fetching: asyncio.Task[None] | None = None

    async def key_for(self, token: str) -> jwt.PyJWK:
        """Return the key that signed `token`, by the `kid` of its header.

        Raises:
            jwt.InvalidKeyError: The issuer publishes no such key.
            JwksUnavailableError: The keys cannot be fetched, or were fetched too short a while ago to be fetched
                again: the key may have been published since.
        """
        key_id = jwt.get_unverified_header(token).get("kid")
        age = time.monotonic() - self._fetched_at
        # Keys that were good minutes ago still are: an issuer's outage does not lock its users out.
        known = key_id in self._keys and age <= KEEP_SECONDS
        if not known or age > FRESH_SECONDS:
            self._start_fetch()
        if not known:
            await self._fetched_for(key_id)
        try:
            return self._keys[key_id]
        except KeyError:
            raise jwt.InvalidKeyError("unknown key") from None

    def _start_fetch(self) -> None:
        now = time.monotonic()
        under_way = self._fetching is not None and not self._fetching.done()
        if not under_way and now - self._tried_at >= RETRY_SECONDS:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetched_for(self, key_id: str | None) -> None:
        """Wait for the fetch that is under way.

        Raises:
            JwksUnavailableError: It fails, or there is none and nothing is known of the key.
        """
        if self._fetching is not None and not self._fetching.done():
            # Shielded: a caller who gives up must not end it for the others.
            await asyncio.shield(self._fetching)
            if not self._failed and key_id not in self._keys:
                self._unpublished.append(key_id)
        elif key_id not in self._unpublished:
            raise JwksUnavailableError("the issuer's keys were asked for too short a while ago to ask again")
        if self._failed:
            raise JwksUnavailableError("the issuer's keys cannot be fetched")

    async def _fetch(self) -> None:
        self._failed = True
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=self.transport) as client,
            ):
                response = await client.get(self.url)
                response.raise_for_status()
                keys = _parse(response.json())
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            logger.warning("the issuer's keys cannot be fetched: %r", error)
            return
        self._unpublished.extend(self._keys.keys() - keys.keys())
        self._keys = keys
        self._failed = False
        self._fetched_at = time.monotonic()


def _parse(document: Any) -> dict[str | None, jwt.PyJWK]:
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a JSON Web Key Set")
    keys: dict[str | None, jwt.PyJWK] = {}
    for entry in entries:
        try:
            key = jwt.PyJWK(entry)
            # A key may be published for encryption alone (RFC 7517, section 4.2).
            if key.algorithm_name in ALGORITHMS and key.public_key_use in {None, "sig"}:
                keys[key.key_id] = key
        except (jwt.PyJWTError, TypeError, AttributeError):
            continue  # a key of a kind we do not know is of no use here, and no reason to refuse the others
    return keys
