"""The order that a user gives by hand.

Tasks have positions with gaps between them, and a moved task gets one inside a gap. Those that nobody has moved share
the last position and stand in the order of their numbers. A move to among or behind them gives those before that
place positions of their own: every task is written once for that, however many moves there are.
"""

from typing import Final

from todo_chat_shared.tasks import TASK_ID_MAX

from mcp_todo_server.tasks.models import NOT_MOVED, TaskRow
from mcp_todo_server.tasks.repository import TaskRepository

GAP: Final = 2**32
"""Between two positions when they are given. Each move into the same gap halves it."""
_ROOMY: Final = 2**16
"""A used up gap is made wide again by spreading so many of the tasks after it that the gaps between those are at
least this: 16 moves into one of them, then, before it is used up in turn."""
_SPREAD_FIRST: Final = 16


class Order:
    """One user's order, within the caller's transaction, in which nobody else moves a task of that user."""

    def __init__(self, tasks: TaskRepository, user_id: str) -> None:
        self._tasks = tasks
        self._user_id = user_id

    async def move(self, row: TaskRow, target: TaskRow | None) -> bool:
        """Put a task right before another one, or last; tells whether it was anywhere else.

        Changes of the two rows have to be written before.
        """
        place = await self._settled(target)
        previous = await self._tasks.neighbours(self._user_id, place, 1, before=True)
        await self._tasks.refresh(row)
        if previous and previous[0][1] == row.task_id:
            return False
        if target is None:
            row.position = previous[0][0] + GAP
        elif not previous:
            row.position = target.position - GAP
        else:
            before = previous[0][0]
            if target.position - before < 2:
                await self._make_room(before, place)
            row.position = (before + target.position) // 2
        return True

    async def _settled(self, target: TaskRow | None) -> tuple[int, int]:
        """Return the place of a task, or of the end, having given positions to the tasks that stand before it."""
        if target is None:
            await self._tasks.give_places(self._user_id, TASK_ID_MAX, GAP)
            return NOT_MOVED, 0
        if target.position == NOT_MOVED:
            await self._tasks.give_places(self._user_id, target.task_id, GAP)
            await self._tasks.refresh(target)
        return target.position, target.task_id

    async def _make_room(self, before: int, place: tuple[int, int]) -> None:
        """Spread the task at `place`, and as many after it as need be, over the positions after `before`."""
        count = _SPREAD_FIRST
        while True:
            crowded = [place, *await self._tasks.neighbours(self._user_id, place, count, before=False)]
            if len(crowded) <= count:
                step = GAP
                break
            end = crowded.pop()[0]
            step = (end - before) // (len(crowded) + 1)
            if step >= _ROOMY:
                break
            count *= 4
        positions = {number: before + step * rank for rank, (_, number) in enumerate(crowded, start=1)}
        await self._tasks.place(self._user_id, positions)
