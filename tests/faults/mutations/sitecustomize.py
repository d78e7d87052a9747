"""Takes one mechanism out of a service while its process starts.

Python imports a module of this name by itself where it finds one on its path; the suite puts this folder there, and
the mutation's name beside it. One that finds nothing to take out ends the process: it must not pass for a mutation
that nobody sees.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

_NOTHING_TO_TAKE_OUT: Final = 70


def no_effect_key() -> None:
    """Calls travel without a key that the todo server knows."""
    from chat_api.agent import todo_server

    if "EFFECT_KEY_META" not in vars(todo_server):
        raise LookupError("the effect key has another name")
    vars(todo_server)["EFFECT_KEY_META"] = "io.todo-chat/nothing"


def no_row_lock() -> None:
    """The journal's writer compares attempt and status without locking the row that they stand in."""
    from chat_api.journal import postgresql

    fence = postgresql._HELD
    unlocked = fence.replace("FOR SHARE OF runs", "")
    if unlocked == fence:
        raise LookupError("the fence takes no row lock")
    vars(postgresql)["_HELD"] = unlocked


def no_journal() -> None:
    """Events are written; responses, calls and outcomes are not."""
    from chat_api.journal import postgresql
    from chat_api.journal.records import Entry

    write = postgresql.append

    async def append(connection: Any, entries: Sequence[Entry]) -> Any:
        bare = [replace(entry, responses=[], calls=[], outcomes=[]) for entry in entries]
        return await write(connection, bare)

    vars(postgresql)["append"] = append


def two_commits() -> None:
    """A run's end is committed by itself, and its messages in a transaction of their own."""
    from chat_api.runs import repository

    end = repository.end

    async def committed(connection: Any, *arguments: Any, **options: Any) -> Any:
        ended = await end(connection, *arguments, **options)
        await connection.exec_driver_sql("COMMIT")
        return ended

    vars(repository)["end"] = committed


def no_settling() -> None:
    """A call without an outcome is taken for void, and the todo server is not told."""
    from chat_api.agent.todo_server import TodoServer
    from chat_api.agent.turn import ToolOutcome

    if "settle" not in vars(TodoServer):
        raise LookupError("the todo server has no settling")

    async def settle(*_: Any) -> ToolOutcome:
        return ToolOutcome('{"error":"stopped"}', is_error=True)

    vars_of: Any = TodoServer
    vars_of.settle = settle


def keys_purged_early() -> None:
    """The todo server forgets every effect key at the next call."""
    from mcp_todo_server.effects.repository import EffectRepository
    from sqlalchemy import text

    claim = EffectRepository.claim
    purge = text("DELETE FROM effects")

    async def forgetful(self: Any, *arguments: Any) -> Any:
        await self._session.execute(purge)
        return await claim(self, *arguments)

    vars_of: Any = EffectRepository
    vars_of.claim = forgetful


MUTATIONS: Final[dict[str, Callable[[], None]]] = {
    mutation.__name__.replace("_", " "): mutation
    for mutation in (no_effect_key, no_row_lock, no_journal, two_commits, no_settling, keys_purged_early)
}

if "FAULTS_MUTATION" in os.environ:
    try:
        MUTATIONS[os.environ["FAULTS_MUTATION"]]()
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(_NOTHING_TO_TAKE_OUT)
