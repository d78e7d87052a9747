"""Exactly one effect per key, however often the call is sent."""

import datetime as dt
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from todo_chat_shared.effects import EFFECT_KEY_MAX_CHARS, EFFECT_KEY_META

from mcp_todo_server.database import Session
from mcp_todo_server.effects.repository import EffectRepository

_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{EFFECT_KEY_MAX_CHARS}}}")


class EffectKeyError(Exception):
    """The effect key cannot be used for this call. The text says why; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One call of one user under a key."""

    user_id: str
    key: str
    request_hash: str


def effect_of(user_id: str, key: Any, tool: str, canonical_arguments: str) -> Effect | None:
    """Return the effect that a call asks for; None where it carries no key.

    Raises:
        EffectKeyError: The key is malformed.
    """
    if key is None:
        return None
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise EffectKeyError(
            f"{EFFECT_KEY_META} must be a text of 1 to {EFFECT_KEY_MAX_CHARS} visible ASCII characters, "
            'such as "run-7/0/1"'
        )
    request = f"{tool}\n{canonical_arguments}".encode()
    return Effect(user_id, key, hashlib.sha256(request).hexdigest())


async def perform_once(
    session: Session, effect: Effect | None, now: dt.datetime, act: Callable[[], Awaitable[str]]
) -> str:
    """Return what `act` answers, or what it answered when the effect's key was first used.

    Key and answer are written in the session's transaction, with whatever `act` writes: all or nothing. Where
    `act` raises, the caller's transaction rolls back and the key is free again.

    Raises:
        EffectKeyError: The key was used for another request.
    """
    if effect is None:
        return await act()
    effects = EffectRepository(session)
    if await effects.claim(effect.user_id, effect.key, effect.request_hash, now):
        result = await act()
        await effects.store(effect.user_id, effect.key, result)
        return result
    earlier = await effects.read(effect.user_id, effect.key)
    if earlier is None or earlier.result is None:
        raise RuntimeError("an effect key is taken, but what was answered under it is not there")
    if earlier.request_hash != effect.request_hash:
        raise EffectKeyError(
            f"{EFFECT_KEY_META} {effect.key} was used for another call; a key stands for one call only"
        )
    return earlier.result
