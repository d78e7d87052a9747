"""How a run's owner names it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunKey:
    """A run as its owner holds it: whoever claims the run raises the attempt, and earlier owners write no more."""

    user_id: str
    run_id: str
    attempt: int
    """The fencing token, counted from 1."""
