"""A todo list to talk to: the agent with the offline model over the real todo server, all in this process."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from zoneinfo import ZoneInfo

from agents import ModelSettings
from chat_api.agent.agent import TodoAgent
from chat_api.agent.offline import OfflineModel
from chat_api.agent.providers import ModelProvider
from chat_api.agent.todo_server import TodoServer
from chat_api.agent.turn import ModelStep, PastCall, PastRun, ToolCall, ToolOutcome, Turn, Usage
from mcp import Client
from mcp.server import MCPServer
from mcp_todo_server.database import Database
from mcp_todo_server.tasks.calls import Caller
from mcp_todo_server.tasks.service import TaskService
from mcp_todo_server.tasks.tools import task_tools
from todo_chat_shared.tasks import Task, TaskPage
from todo_chat_shared.tokens import ALL_SCOPES

ZONE = ZoneInfo("Europe/Berlin")
NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=ZONE)
"""A Monday, mid-morning."""
MOST_ROUNDS = 10


@dataclass
class Record:
    """Keeps what the agent reports, as a run's journal does."""

    past: list[PastCall] = field(default_factory=list)

    words: str = ""

    def check_owned(self) -> None:
        """Nobody else is there."""

    def on_stop(self, _: Callable[[], object]) -> AbstractContextManager[None]:
        """Nobody stops this run."""
        return nullcontext()

    def sends(self, call: ToolCall | None = None) -> None:
        """Nothing is measured here."""

    def text(self, delta: str) -> None:
        """Keep the words."""
        self.words += delta

    async def responded(self, step: ModelStep, _: Usage) -> None:
        """Keep what was refused at once; nothing is lost here, so nothing else is kept."""
        self.past += [past for past in step.calls if past.outcome is not None]

    async def call_ended(self, call: ToolCall, outcome: ToolOutcome) -> None:
        """Keep a call with its outcome."""
        self.past.append(PastCall(call, outcome))

    async def settled(self, run_id: str, call: ToolCall, outcome: ToolOutcome) -> None:
        """Every call has its outcome here."""
        raise AssertionError(f"{run_id} has no open call")


class TodoList:
    """One user's list, and the conversation about it."""

    def __init__(self, server: TodoServer, user_id: str) -> None:
        self._server = server
        self._user_id = user_id
        self._history: list[PastRun] = []
        provider = ModelProvider(lambda turn: OfflineModel(turn.now), ModelSettings())
        self._agent = TodoAgent(provider, server, max_rounds=MOST_ROUNDS, model_timeout=30)
        self._others = count()
        self.calls: list[PastCall] = []
        """All calls that the conversation has made."""

    async def say(self, message: str) -> str:
        """Send a message and return the answer."""
        run_id = f"00000000-0000-7000-8000-{len(self._history):012d}"
        record = Record()
        answer = await self._agent.answer(Turn(self._user_id, run_id, message, tuple(self._history), NOW), record)
        assert record.words == answer.text
        self._history.append(PastRun(run_id, message, record.past, answer.text))
        self.calls += record.past
        return answer.text

    async def call(self, name: str, **arguments: object) -> ToolOutcome:
        """Call a tool as another client of the same user would."""
        return await self._server.call(self._user_id, name, arguments, f"setup/0/{next(self._others)}")

    async def tasks(self) -> dict[int, Task]:
        """Return what is stored, deleted tasks included, by number."""
        page = await self.call("list_tasks", status="all", limit=100)
        return {task.task_id: task for task in TaskPage.model_validate_json(page.result).tasks}


@asynccontextmanager
async def open_list(database_url: str, user_id: str) -> AsyncIterator[TodoList]:
    """Open a user's list on a migrated database; the server's clock stands at `NOW`."""
    database = Database(database_url)
    service = TaskService(database, clock=lambda: NOW.astimezone(dt.UTC))
    server = MCPServer("todo", tools=task_tools(service, lambda: Caller(user_id, frozenset(ALL_SCOPES))))
    try:
        async with asyncio.timeout(60), Client(server) as client:
            yield TodoList(TodoServer(client, 15), user_id)
    finally:
        await database.close()
