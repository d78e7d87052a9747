"""A change that any number of tasks may wait for."""

import asyncio


class Signal:
    """Wakes whoever waits at that moment; later waiters wait for the next time.

    A waiter looks at the state first and calls `wait` without another await in between: then no change is missed.
    """

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def notify(self) -> None:
        """Wake all who wait."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Return at the next `notify`."""
        await self._next.wait()
