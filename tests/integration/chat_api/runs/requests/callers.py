"""Users of one process of chat-api, and the streams that they read."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.integration.chat_api.conftest import REQUEST_SECONDS, ChatUser
from tests.support.services import Service
from tests.support.tokens import user_token
from tests.support.waiting import until

WAIT_SECONDS = 40
"""Longest time that anything here is waited for."""
SSE = "text/event-stream"
POLL_SECONDS = 0.02
COUNTING_SECONDS = 15
"""Longest time that a test takes between a run and the look at the minute's or the day's count."""


async def early_in_a_minute() -> None:
    """Wait until what follows is over before the minute is, with which the count of runs begins anew."""
    left = 60 - dt.datetime.now(dt.UTC).second
    if left <= COUNTING_SECONDS:
        await asyncio.sleep(left)


async def early_in_a_day() -> None:
    """Wait until what follows is over before the day is, with which the count of tokens begins anew."""
    now = dt.datetime.now(dt.UTC)
    if (now + dt.timedelta(seconds=COUNTING_SECONDS)).date() != now.date():
        await asyncio.sleep(COUNTING_SECONDS)


class Stream:
    """A run's events, as a caller who asked for them gets them."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.refusal: httpx.Response | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self, http: httpx.AsyncClient, method: str, path: str, **request: Any) -> "Stream":
        """Begin to read."""
        self._task = asyncio.create_task(self._read(http, method, path, **request))
        return self

    async def _read(self, http: httpx.AsyncClient, method: str, path: str, **request: Any) -> None:
        async with http.stream(method, path, **request) as response:
            if response.headers["content-type"].partition(";")[0] != SSE:
                await response.aread()
                self.refusal = response
                return
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self.ids.append(value)
                elif name == "data":
                    self.events.append(json.loads(value))

    @property
    def run_id(self) -> str:
        """The run, as the first event's id names it."""
        return self.ids[0].rpartition(":")[0]

    @property
    def conversation_id(self) -> int:
        """The conversation, as the first event names it."""
        return int(self.events[0]["threadId"])

    @property
    def numbers(self) -> list[int]:
        """The events' numbers in the run."""
        assert {event_id.rpartition(":")[0] for event_id in self.ids} <= {self.run_id}
        return [int(event_id.rpartition(":")[2]) for event_id in self.ids]

    @property
    def types(self) -> list[str]:
        """The events' types, those of one text's pieces and of one call's parts once."""
        names = [event["type"] for event in self.events]
        return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one type."""
        return [event for event in self.events if event["type"] == kind]

    @property
    def text(self) -> str:
        """All words that were streamed."""
        return "".join(event["delta"] for event in self.of("TEXT_MESSAGE_CONTENT"))

    async def first(self, kind: str) -> dict[str, Any]:
        """Wait for the first event of a type."""
        await until(lambda: bool(self.of(kind)))
        return self.of(kind)[0]

    async def end(self) -> "Stream":
        """Wait until the server has closed the stream."""
        assert self._task is not None
        await asyncio.wait_for(self._task, WAIT_SECONDS)
        return self

    async def close(self) -> None:
        """Hang up."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Caller(ChatUser):
    """A user at one process of chat-api."""

    def __init__(self, user_id: str, http: httpx.AsyncClient) -> None:
        super().__init__(user_id, http)
        self.streams: list[Stream] = []

    async def post(
        self, message: str, conversation_id: int | None = None, *, key: str | bytes | None = None, **fields: Any
    ) -> httpx.Response:
        """Send a message, under a key where one is given, and return whatever is answered."""
        return await self.http.post(**self._chat(message, conversation_id, key, fields))

    async def ask(self, message: str, conversation_id: int | None = None, **fields: Any) -> dict[str, Any]:
        """Send a message that is answered with 200."""
        return answer(await self.post(message, conversation_id, **fields))

    def sending(
        self, message: str, conversation_id: int | None = None, **fields: Any
    ) -> "asyncio.Task[httpx.Response]":
        """Send a message whose answer is waited for elsewhere."""
        return asyncio.create_task(self.post(message, conversation_id, **fields))

    def stream(
        self, message: str, conversation_id: int | None = None, *, key: str | None = None, **fields: Any
    ) -> Stream:
        """Send a message and read the run's events."""
        request = self._chat(message, conversation_id, key, fields)
        request["headers"]["Accept"] = SSE
        return self._open(method="POST", path=request.pop("url"), **request)

    def replay(self, run_id: str) -> Stream:
        """Read a run's events from the first on."""
        return self._open(method="GET", path=f"/api/{self.user_id}/runs/{run_id}/events")

    def retry_stream(self, run_id: str) -> Stream:
        """Retry a run and read its events."""
        return self._open(method="POST", path=self._path(run_id, "retry"), headers={"Accept": SSE})

    async def cancel(self, run_id: str) -> httpx.Response:
        """Stop a run."""
        return await self.http.post(self._path(run_id, "cancel"))

    async def retry(self, run_id: str) -> httpx.Response:
        """Go on with a run."""
        return await self.http.post(self._path(run_id, "retry"))

    async def run(self, run_id: str) -> dict[str, Any]:
        """Return a run's state."""
        found: dict[str, Any] = await self.read(f"runs/{run_id}")
        return found

    async def rests(self, run_id: str) -> dict[str, Any]:
        """Wait until a run has ended, and return its state."""
        await self.replay(run_id).end()
        return await self.run(run_id)

    async def begun(self, message: str, conversation_id: int) -> str:
        """Wait until a message is on record as a run of a conversation, and return the run."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                found = [run["run_id"] for run in await self.runs(conversation_id) if run["input"] == message]
                if found:
                    return str(found[0])
                await asyncio.sleep(POLL_SECONDS)

    async def usage(self) -> tuple[int, int, int, int]:
        """Return runs of the minute, and model requests, input tokens and output tokens of the day."""
        report = await self.read("usage")
        tokens = report["tokens_per_day"]
        assert tokens["used"] == tokens["input_tokens"] + tokens["output_tokens"]
        return (
            report["runs_per_minute"]["used"],
            tokens["model_requests"],
            tokens["input_tokens"],
            tokens["output_tokens"],
        )

    def _path(self, run_id: str, what: str) -> str:
        return f"/api/{self.user_id}/runs/{run_id}/{what}"

    def _open(self, **request: Any) -> Stream:
        opened = Stream().open(self.http, **request)
        self.streams.append(opened)
        return opened

    def _chat(
        self, message: str, conversation_id: int | None, key: str | bytes | None, fields: dict[str, Any]
    ) -> dict[str, Any]:
        body = {"message": message, **fields}
        if conversation_id is not None:
            body["conversation_id"] = conversation_id
        headers = {} if key is None else {"Idempotency-Key": key}
        return {"url": f"/api/{self.user_id}/chat", "json": body, "headers": headers}


@asynccontextmanager
async def calling(service: Service, user_id: str) -> AsyncIterator[Caller]:
    """Speak to a service as a user."""
    headers = {"Authorization": f"Bearer {user_token(user_id)}"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=service.base_url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False, limits=limits
    ) as http:
        caller = Caller(user_id, http)
        try:
            yield caller
        finally:
            for opened in caller.streams:
                await opened.close()


def answer(response: httpx.Response) -> dict[str, Any]:
    """Return the answer that a response must be."""
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body
