"""Counting calls: so many of one user in a minute that begins with the first of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

WINDOW_SECONDS: Final = 60


@dataclass(slots=True)
class _Window:
    began_at: float
    calls: int


class CallLimit:
    """Counts each user's calls in this process.

    Replicas count apart: a count that they shared would cost each reading call a write, and the limit is there to
    keep one user from wearing a process out. Memory is bounded by the users of the last two minutes.
    """

    def __init__(self, calls_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls_per_minute = calls_per_minute
        self._clock = clock
        # Two generations: when the older one is let go, every window in it has ended.
        self._windows: dict[str, _Window] = {}
        self._older: dict[str, _Window] = {}
        self._turned_at = clock()

    def take(self, user_id: str) -> float:
        """Count a call that is within the limit.

        Returns:
            0, or the seconds after which the user's next call is taken; then this one was not counted.
        """
        now = self._clock()
        if now - self._turned_at >= WINDOW_SECONDS:
            self._older, self._windows, self._turned_at = self._windows, {}, now
        window = self._windows.get(user_id) or self._older.get(user_id)
        if window is None or now - window.began_at >= WINDOW_SECONDS:
            window = self._windows[user_id] = _Window(now, 0)
        if window.calls >= self._calls_per_minute:
            return window.began_at + WINDOW_SECONDS - now
        window.calls += 1
        return 0.0
