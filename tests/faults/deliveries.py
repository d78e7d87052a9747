"""Messages under way: what their sender means to do, and what the sender is told."""

from dataclasses import dataclass, field

from tests.faults.plans import Plan
from tests.faults.streams import Event


@dataclass(frozen=True)
class Delivery:
    """One message, and what its sender does around it."""

    plan: Plan
    replica: int
    """Where it is sent first; what is sent again goes to the other one, and so on."""
    key: str | None
    stream: bool = False
    twice: bool = False
    """Sent to both replicas at the same time; it has a key then."""
    rival: Plan | None = None
    """Another message, sent to the other replica at the same time."""
    on_busy: str | None = None
    hang_up_after: float | None = None
    cancel_after: float | None = None
    replaces: bool = False
    """Takes the place of the message before it."""
    retry: bool = False
    """Go on with it where it fails."""
    approve: bool = True
    """What is decided where it asks."""


@dataclass
class Sent:
    """What became of one message, as far as its sender was told."""

    plan: Plan
    key: str | None
    run_ids: set[str] = field(default_factory=set)
    refused: bool = False
    """By a 409: it is not on record then."""
    conversation_id: int | None = None


@dataclass
class Reading:
    """What one connection, with its reconnections, got of a run's events."""

    events: list[Event] = field(default_factory=list)
