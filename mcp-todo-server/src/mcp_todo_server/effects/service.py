"""Exactly one effect per key, however often the call is sent; or none, once the call was settled before it came."""

import datetime as dt
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from todo_chat_shared.effects import EFFECT_KEY_MAX_CHARS, EFFECT_KEY_META, SETTLE_META

from mcp_todo_server.database import Database, Session
from mcp_todo_server.effects.models import EffectRow
from mcp_todo_server.effects.repository import EffectRepository

VOID: Final = "this call was stopped before it was carried out; nothing was changed"
"""What a call that was settled before it came is told, and every repeat of it."""
UNREADABLE: Final = ""
"""Stands for the hash of a request whose arguments this release does not take.

Another release, running beside this one or after it, may take them. So such a request is compared with no other:
its settling tells what is stored under the key, and where nothing is, binds every release.
"""

_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{EFFECT_KEY_MAX_CHARS}}}")


class EffectKeyError(Exception):
    """The call is refused for what its `_meta` says of its effect. The text says why; nothing was changed."""


class VoidedError(EffectKeyError):
    """The call was settled before it came, and is void. The text is the same, to the byte, each time."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One call of one user under a key."""

    user_id: str
    key: str
    request_hash: str


def effect_of(user_id: str, key: Any, tool: str, canonical_arguments: str | None) -> Effect | None:
    """Return the effect that a call asks for; None where it carries no key.

    `canonical_arguments` is None where the call's arguments are refused.

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
    if canonical_arguments is None:
        return Effect(user_id, key, UNREADABLE)
    request = f"{tool}\n{canonical_arguments}".encode()
    return Effect(user_id, key, hashlib.sha256(request).hexdigest())


def asks_to_settle(settle: Any) -> bool:
    """Tell whether a call is to be settled instead of carried out; None, for a call that does not say, is no.

    Raises:
        EffectKeyError: It is not a boolean.
    """
    if settle is not None and not isinstance(settle, bool):
        raise EffectKeyError(f"{SETTLE_META} must be true or false, beside {EFFECT_KEY_META}")
    return bool(settle)


async def perform_once(
    session: Session, effect: Effect | None, now: dt.datetime, act: Callable[[], Awaitable[str]]
) -> str:
    """Return what `act` answers, or what it answered when the effect's key was first used.

    Key and answer are written in the session's transaction, with whatever `act` writes: all or nothing. Where
    `act` raises, the caller's transaction rolls back and the key is free again.

    Raises:
        VoidedError: The call was settled before it came.
        EffectKeyError: The key was used for another request.
    """
    if effect is None:
        return await act()
    effects = EffectRepository(session)
    if await effects.claim(_row(effect, now)):
        result = await act()
        await effects.store(effect.user_id, effect.key, result)
        return result
    return _answer(effect, await effects.read(effect.user_id, effect.key))


async def is_known(session: Session, effect: Effect | None) -> bool:
    """Tell whether the effect's key was used or settled before."""
    return effect is not None and await EffectRepository(session).read(effect.user_id, effect.key) is not None


async def settle(database: Database, effect: Effect | None, now: dt.datetime) -> str:
    """Return what the call answered when it was carried out, or see to it that it never is.

    A call that is just being carried out is waited for. Works in a transaction of its own.

    Raises:
        VoidedError: It has not been carried out, and is void from now on.
        EffectKeyError: There is no key, or it was used for another request.
    """
    if effect is None:
        raise EffectKeyError(f"{SETTLE_META} needs {EFFECT_KEY_META}: the key of the call to settle")
    row = _row(effect, now, result=VOID, void=True)
    async with database.writing() as session:
        effects = EffectRepository(session)
        if not await effects.claim(row):
            return _answer(effect, await effects.read(effect.user_id, effect.key))
    # Said only once it is committed.
    return _answer(effect, row)


def _row(effect: Effect, now: dt.datetime, *, result: str | None = None, void: bool = False) -> EffectRow:
    return EffectRow(
        user_id=effect.user_id,
        effect_key=effect.key,
        request_hash=effect.request_hash,
        result=result,
        void=void,
        created_at=now,
    )


def _answer(effect: Effect, stored: EffectRow | None) -> str:
    if stored is None or stored.result is None:
        raise RuntimeError("an effect key is taken, but what was answered under it is not there")
    if len({effect.request_hash, stored.request_hash} - {UNREADABLE}) > 1:
        raise EffectKeyError(
            f"{EFFECT_KEY_META} {effect.key} was used for another call; a key stands for one call only"
        )
    if stored.void:
        raise VoidedError(stored.result)
    return stored.result
