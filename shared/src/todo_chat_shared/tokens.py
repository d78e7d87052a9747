"""JSON Web Tokens (RFC 7519): verifying those that callers send, minting those that chat-api and operators need.

A token proves one thing, its `sub`: the user. Which algorithm may sign it follows from configuration alone (the
shared secret means HS256, a JWKS key means that key's own algorithm), never from the token's header (RFC 8725,
section 3.1).
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from todo_chat_shared.jwks import JwksKeys, JwksUnavailableError

MCP_AUDIENCE: Final = "mcp-todo-server"
"""`aud` of every token that mcp-todo-server accepts."""
SCOPE_READ: Final = "tasks:read"
SCOPE_WRITE: Final = "tasks:write"
ALL_SCOPES: Final = (SCOPE_READ, SCOPE_WRITE)

LEEWAY_SECONDS: Final = 30
"""Clock skew forgiven when `exp`, `nbf` and `iat` are compared with this machine's clock."""
SERVICE_TOKEN_SECONDS: Final = 120
"""Longest life of a token that chat-api mints for one MCP request."""
SECRET_MIN_BYTES: Final = 32
"""An HMAC key is at least as long as the hash's output (RFC 7518, section 3.2)."""
USER_ID_MAX_CHARS: Final = 255

_HS256: Final = "HS256"
_PLACEHOLDERS: Final = (
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "your-secret",
    "your_secret",
    "replace-me",
)


class InvalidTokenError(Exception):
    """The token proves nothing. The text says why, holds nothing of the token, and may be shown to its sender."""


def check_secret(secret: str) -> str:
    """Return `secret` if it can sign tokens.

    Raises:
        ValueError: It has fewer than 32 bytes, or is a placeholder that somebody forgot to replace.
    """
    if len(secret.encode()) < SECRET_MIN_BYTES:
        raise ValueError(f"must have at least {SECRET_MIN_BYTES} bytes; make one with: openssl rand -base64 32")
    lowered = secret.lower()
    if any(word in lowered for word in _PLACEHOLDERS):
        raise ValueError("is a placeholder; make a real one with: openssl rand -base64 32")
    return secret


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says."""

    user_id: str
    scopes: frozenset[str]
    expires_at: int
    """Seconds since the epoch."""
    issued_at: float | None
    """Seconds since the epoch; None where the token carries no `iat`."""
    claims: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Verifies bearer tokens against the shared secrets and, where configured, an issuer's published keys."""

    secrets: Sequence[str] = field(repr=False)
    """HS256 secrets, each of which verifies: the current one, then those being rotated out."""
    audiences: Sequence[str] = ()
    """A token's `aud` must name one of them. Without any, a token that names an audience is made for somebody
    else and is refused."""
    issuer: str | None = None
    """`iss` that an HS256 token must carry; None accepts any."""
    jwks_audiences: Sequence[str] = ()
    """Further audiences that are right for a token verified by `jwks`."""
    jwks: JwksKeys | None = None
    """Keys of an issuer whose asymmetrically signed tokens are accepted as well."""

    async def verify(self, token: str) -> Identity:
        """Return the identity that `token` proves.

        Raises:
            InvalidTokenError: The signature, a time, the audience, the issuer or the subject is not right.
            JwksUnavailableError: The issuer's keys cannot be had at the moment.
        """
        try:
            algorithm = str(jwt.get_unverified_header(token).get("alg"))
            if algorithm == _HS256:
                claims = self._verify_with_secrets(token)
            elif self.jwks is not None:
                claims = await self._verify_with_jwks(token, self.jwks)
            else:
                raise jwt.InvalidAlgorithmError
            return _identity(claims)
        except jwt.PyJWTError as error:
            raise InvalidTokenError(_reason(error)) from None
        except (ValueError, TypeError, OverflowError):
            # PyJWT lets a few malformed headers and claims through as plain errors of the decoder.
            raise InvalidTokenError("the token is malformed") from None

    def _verify_with_secrets(self, token: str) -> dict[str, Any]:
        failure: jwt.PyJWTError = jwt.InvalidSignatureError()
        for secret in self.secrets:
            try:
                return self._decode(token, secret, _HS256, self.issuer, self.audiences)
            except jwt.InvalidSignatureError as error:
                failure = error
        raise failure

    async def _verify_with_jwks(self, token: str, keys: JwksKeys) -> dict[str, Any]:
        key = await keys.key_for(token)
        audiences = (*self.audiences, *self.jwks_audiences)
        return self._decode(token, key.key, key.algorithm_name, keys.issuer, audiences)

    @staticmethod
    def _decode(token: str, key: Any, algorithm: str, issuer: str | None, audiences: Sequence[str]) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=list(audiences) or None,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub"]},
        )


def mint(
    secret: str,
    user_id: str,
    *,
    audience: str | None = None,
    scopes: Sequence[str] = (),
    lifetime_seconds: float,
    now: float | None = None,
) -> str:
    """Sign an HS256 token for `user_id` that ends `lifetime_seconds` from `now` (default: this machine's clock)."""
    issued_at = time.time() if now is None else now
    claims: dict[str, Any] = {
        "sub": user_id,
        "iat": math.floor(issued_at),
        "exp": math.floor(issued_at + lifetime_seconds),
    }
    if audience is not None:
        claims["aud"] = audience
    if scopes:
        claims["scope"] = " ".join(scopes)
    return jwt.encode(claims, secret, algorithm=_HS256)


def mint_service_token(secret: str, user_id: str, scopes: Sequence[str] = ALL_SCOPES) -> str:
    """Sign the token that chat-api sends with one MCP request in the name of `user_id`."""
    return mint(secret, user_id, audience=MCP_AUDIENCE, scopes=scopes, lifetime_seconds=SERVICE_TOKEN_SECONDS)


def _identity(claims: dict[str, Any]) -> Identity:
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject.strip() or len(subject) > USER_ID_MAX_CHARS:
        raise InvalidTokenError(f"the token's sub must be a text of 1 to {USER_ID_MAX_CHARS} characters")
    if not subject.isprintable():
        raise InvalidTokenError("the token's sub holds control characters")
    scope = claims.get("scope")
    issued_at = claims.get("iat")
    return Identity(
        user_id=subject,
        scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
        expires_at=int(claims["exp"]),
        issued_at=None if issued_at is None else float(issued_at),
        claims=claims,
    )


def _reason(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "the token has expired"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet"
        case jwt.InvalidAudienceError():
            return "the token is made for another audience"
        case jwt.InvalidIssuerError():
            return "the token comes from another issuer"
        case jwt.MissingRequiredClaimError():
            return f"the token has no {error.claim}"
        case jwt.InvalidSignatureError():
            return "the token's signature does not match"
        case jwt.InvalidAlgorithmError():
            return "the token's algorithm is not accepted here"
        case jwt.InvalidKeyError():
            return "the token is signed with a key that the issuer does not publish"
        case _:
            return "the token is malformed"


__all__ = [
    "ALL_SCOPES",
    "LEEWAY_SECONDS",
    "MCP_AUDIENCE",
    "SCOPE_READ",
    "SCOPE_WRITE",
    "Identity",
    "InvalidTokenError",
    "JwksUnavailableError",
    "TokenVerifier",
    "check_secret",
    "mint",
    "mint_service_token",
]
