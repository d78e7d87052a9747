"""The states of a run and the moves between them: the one table of what may follow what."""

from collections.abc import Mapping
from typing import Final, Literal

RunStatus = Literal["queued", "running", "requires_action", "completed", "failed", "cancelled"]

MOVES: Final[Mapping[RunStatus, frozenset[RunStatus]]] = {
    "queued": frozenset({"running", "cancelled"}),
    "running": frozenset({"requires_action", "completed", "failed", "cancelled"}),
    "requires_action": frozenset({"running", "cancelled"}),
    "completed": frozenset(),
    # Retry goes on with both; nothing of what they did is done again.
    "failed": frozenset({"running"}),
    "cancelled": frozenset({"running"}),
}
"""From each state, the states that may follow it."""

AttemptEnding = Literal["requires_action", "failed", "cancelled", "lost", "released"]
"""How an attempt came to its end that another one has followed: in a state in which the run rested, lost with its
process, or given up by a process that stopped in good order."""

ACTIVE: Final[tuple[RunStatus, ...]] = ("running", "requires_action")
"""States of a run that its conversation waits for; a conversation has one such run at most."""

ENDED: Final[tuple[RunStatus, ...]] = ("completed", "failed", "cancelled")
"""States in which a run rests."""

RETRIABLE: Final[tuple[RunStatus, ...]] = tuple(status for status in ENDED if "running" in MOVES[status])
"""Ended states that a retry goes on from."""


def sources(target: RunStatus) -> tuple[RunStatus, ...]:
    """Return the states from which a run may come to `target`."""
    return tuple(source for source, targets in MOVES.items() if target in targets)
