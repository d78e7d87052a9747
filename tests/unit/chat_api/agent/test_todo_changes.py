"""Changes of tasks as chat-api listens to them: a real MCP client on a transport that the test answers for."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from chat_api.agent import todo_changes
from chat_api.agent.todo_changes import FOLLOWERS_MAX, TaskChanges, watch
from chat_api.background import background
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from todo_chat_shared.tokens import MCP_AUDIENCE, TokenVerifier

SECRET = "a-secret-of-these-tests-0123456789"
URL = "http://todo.invalid/mcp"
TASKS = "todo://tasks"
PAUSE_MIN, PAUSE_MAX, OWN_PAUSE_MAX = 0.01, 0.05, 0.2
"""Pauses that a test can wait for."""


class Stream(httpx2.AsyncByteStream):
    """A stream of changes, as the todo server has it open for one user."""

    def __init__(self, user_id: str, request_id: str) -> None:
        self.user_id = user_id
        self.closed = asyncio.Event()
        self._request_id = request_id
        self._meta = {SUBSCRIPTION_ID_META_KEY: request_id}
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()

    def acknowledge(self) -> None:
        self._notify("notifications/subscriptions/acknowledged", notifications={"resourceSubscriptions": [TASKS]})

    def change(self) -> None:
        self._notify("notifications/resources/updated", uri=TASKS)

    def end(self) -> None:
        """End in good order, as a server does that stops."""
        self._send(id=self._request_id, result={"resultType": "complete", "_meta": self._meta})
        self._parts.put_nowait(None)

    def refuse(self) -> None:
        """Say within the stream that there is none to be had."""
        self._send(id=self._request_id, error={"code": -32603, "message": "too many"})
        self._parts.put_nowait(None)

    def drop(self) -> None:
        """End in the middle, as a server does that is killed."""
        self._parts.put_nowait(None)

    def _notify(self, method: str, **params: Any) -> None:
        self._send(method=method, params={**params, "_meta": self._meta})

    def _send(self, **message: Any) -> None:
        self._parts.put_nowait(f"event: message\ndata: {json.dumps({'jsonrpc': '2.0', **message})}\n\n".encode())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (part := await self._parts.get()) is not None:
            yield part

    async def aclose(self) -> None:
        self.closed.set()


class Server:
    """The todo server: which users have asked it for changes, and the streams that it has answered with."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.asked_at: list[float] = []
        """When that was, by the loop's clock."""
        self.streams: list[Stream] = []
        self.answer: Callable[[Stream], httpx2.Response] = opened
        self._came = asyncio.Event()

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        assert body["method"] == "subscriptions/listen"
        assert body["params"]["notifications"] == {"resourceSubscriptions": [TASKS]}
        token = request.headers["Authorization"].removeprefix("Bearer ")
        user_id = (await TokenVerifier([SECRET], [MCP_AUDIENCE]).verify(token)).user_id
        self.asked.append(user_id)
        self.asked_at.append(asyncio.get_running_loop().time())
        self._came.set()
        stream = Stream(user_id, body["id"])
        response = self.answer(stream)
        if response.is_success:
            self.streams.append(stream)
        return response

    async def stream(self, n: int) -> Stream:
        """Return the n-th stream, counted from 0, as soon as it was asked for."""
        await self._until(lambda: len(self.streams) > n)
        return self.streams[n]

    async def is_asked_in_no_hurry(self, user_id: str, longest: float) -> None:
        """See that a user's changes are asked for again and again, in pauses that grow to the longest."""
        await self._until(lambda: self.asked.count(user_id) > 5)
        times = [at for asked, at in zip(self.asked, self.asked_at, strict=True) if asked == user_id]
        for n, (before, after) in enumerate(pairwise(times)):
            # How much longer than its pause it takes is the machine's affair.
            assert after - before > 0.9 * min(PAUSE_MIN * 2**n, longest), times

    async def _until(self, came: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not came():
                self._came.clear()
                await self._came.wait()


def opened(stream: Stream) -> httpx2.Response:
    """Answer with a stream that begins at once."""
    stream.acknowledge()
    return silent(stream)


def silent(stream: Stream) -> httpx2.Response:
    """Answer with a stream in which nothing comes."""
    return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, stream=stream)


def away(_: Stream) -> httpx2.Response:
    """Do not answer: nothing listens there."""
    raise httpx2.ConnectError("refused")


def status(code: int) -> Callable[[Stream], httpx2.Response]:
    """Answer with a bare HTTP status."""
    return lambda _: httpx2.Response(code)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()

    async def arrive(_: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        return await server(request)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", arrive)
    return server


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = {"PAUSE_MIN": PAUSE_MIN, "PAUSE_MAX": PAUSE_MAX, "OWN_PAUSE_MAX": OWN_PAUSE_MAX}
    for name, seconds in pauses.items():
        monkeypatch.setattr(todo_changes, name, seconds)


@pytest.fixture
async def nothing_is_left() -> AsyncIterator[None]:
    """See that no task goes on when all followers have left."""
    before = asyncio.all_tasks()
    yield
    left: set[asyncio.Task[Any]] = set()
    for _ in range(100):
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        if not left:
            break
        await asyncio.sleep(0.01)
    assert not left


@pytest.fixture
async def changes(nothing_is_left: None, server: Server) -> AsyncIterator[TaskChanges]:
    async with watch(URL, SECRET) as watched:
        yield watched


async def all_has_come() -> None:
    """Let what was sent come as far as it can: here nothing on its way waits for anything but turns of the loop."""
    for _ in range(500):
        await asyncio.sleep(0)


class Follower:
    """One that follows a user's tasks."""

    def __init__(self, told: AsyncGenerator[bool]) -> None:
        self._told = told
        self._heard: asyncio.Queue[bool | None] = asyncio.Queue()

    async def follow(self) -> None:
        try:
            async with aclosing(self._told) as told:
                async for changed in told:
                    self._heard.put_nowait(changed)
        finally:
            self._heard.put_nowait(None)

    async def hears(self, seconds: float = 5) -> bool | None:
        """Return what is told next, None at the end."""
        async with asyncio.timeout(seconds):
            return await self._heard.get()

    async def hears_nothing(self, seconds: float = 0.1) -> None:
        with pytest.raises(TimeoutError):
            await self.hears(seconds)


@asynccontextmanager
async def following(changes: TaskChanges, user_id: str = "ann", seconds: float = 60) -> AsyncIterator[Follower]:
    """Follow a user's tasks as long as the context lasts."""
    follower = Follower(changes.follow(user_id, seconds))
    async with background(follower.follow()):
        yield follower


async def test_a_change_is_told_to_all_who_follow_over_one_stream(server: Server, changes: TaskChanges) -> None:
    async with following(changes) as one, following(changes) as other:
        assert (await one.hears(), await other.hears()) == (True, True)  # changes are listened to
        stream = await server.stream(0)
        for _ in range(3):
            stream.change()
            assert (await one.hears(), await other.hears()) == (True, True)
        async with following(changes) as late:
            assert await late.hears() is True
        assert server.asked == ["ann"]


async def test_each_user_is_told_of_their_own(server: Server, changes: TaskChanges) -> None:
    async with following(changes, "ann") as ann, following(changes, "bob") as bob:
        assert (await ann.hears(), await bob.hears()) == (True, True)
        assert sorted(server.asked) == ["ann", "bob"]
        (anns,) = (stream for stream in server.streams if stream.user_id == "ann")
        anns.change()
        assert await ann.hears() is True
        await bob.hears_nothing()


async def test_changes_that_are_not_fetched_are_told_as_one(server: Server, changes: TaskChanges) -> None:
    async with aclosing(changes.follow("ann", 60)) as told:
        assert await anext(told) is True
        stream = await server.stream(0)
        for _ in range(5):
            stream.change()
        await all_has_come()
        assert await anext(told) is True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(told)


async def test_the_last_to_leave_ends_the_listening(server: Server, changes: TaskChanges) -> None:
    async with following(changes) as one:
        await one.hears()
        async with following(changes):
            pass
        assert not (await server.stream(0)).closed.is_set()
    async with asyncio.timeout(5):
        await server.streams[0].closed.wait()
    async with following(changes) as again:
        assert await again.hears() is True
    assert server.asked == ["ann", "ann"]


@pytest.mark.parametrize("how", ["end", "drop"])
async def test_a_stream_that_ends_is_opened_again_and_told_once(server: Server, changes: TaskChanges, how: str) -> None:
    async with following(changes) as follower:
        await follower.hears()
        getattr(await server.stream(0), how)()
        assert await follower.hears() is True
        (await server.stream(1)).change()
        assert await follower.hears() is True
        await follower.hears_nothing()


@pytest.mark.parametrize("answer", [away, status(500), status(503), silent], ids=["away", "500", "503", "silent"])
async def test_a_server_that_is_away_is_waited_for_without_noise(
    server: Server,
    changes: TaskChanges,
    answer: Callable[[Stream], httpx2.Response],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if answer is silent:
        monkeypatch.setattr(todo_changes, "OPEN_SECONDS", 0.05)
    caplog.set_level(logging.INFO, todo_changes.__name__)
    server.answer = answer
    async with following(changes, "ann") as ann, following(changes, "bob") as bob:
        for user_id in ("ann", "bob"):
            await server.is_asked_in_no_hurry(user_id, PAUSE_MAX)
        await ann.hears_nothing()
        monkeypatch.setattr(todo_changes, "OPEN_SECONDS", 5)
        server.answer = opened
        assert (await ann.hears(), await bob.hears()) == (True, True)
    lines = [record.getMessage() for record in caplog.records if record.name == todo_changes.__name__]
    if answer is not silent:
        assert [line.partition(":")[0] for line in lines] == [
            "changes of tasks are not told at the moment",
            "changes of tasks are told again",
        ]


@pytest.mark.parametrize("code", [401, 403, 429])
async def test_a_user_who_is_refused_keeps_nobody_waiting(
    server: Server, changes: TaskChanges, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda stream: status(code)(stream) if stream.user_id == "ann" else opened(stream)
    async with following(changes, "ann") as ann:
        await server.is_asked_in_no_hurry("ann", OWN_PAUSE_MAX)
        await ann.hears_nothing()
        async with following(changes, "bob") as bob:
            assert await bob.hears() is True
        # With these words begins what everybody would wait for.
        assert "changes of tasks are not told at the moment" not in caplog.text
        server.answer = opened
        assert await ann.hears() is True


async def test_a_refusal_within_the_stream_is_one(server: Server, changes: TaskChanges) -> None:
    def refuse(stream: Stream) -> httpx2.Response:
        stream.refuse()
        return silent(stream)

    server.answer = refuse
    async with following(changes) as follower:
        await server.is_asked_in_no_hurry("ann", OWN_PAUSE_MAX)
        await follower.hears_nothing()
        server.answer = opened
        assert await follower.hears() is True


async def test_streams_that_do_not_last_are_not_opened_in_a_hurry(server: Server, changes: TaskChanges) -> None:
    def brief(stream: Stream) -> httpx2.Response:
        stream.acknowledge()
        stream.drop()
        return silent(stream)

    server.answer = brief
    async with following(changes):
        await server.is_asked_in_no_hurry("ann", OWN_PAUSE_MAX)


async def test_one_users_failure_ends_nobody_elses_stream(server: Server, changes: TaskChanges) -> None:
    async with following(changes, "bob") as bob:
        await bob.hears()
        server.answer = away
        async with following(changes, "ann") as ann:
            await ann.hears_nothing(0.2)
            (await server.stream(0)).change()
            assert await bob.hears() is True
        assert server.asked.count("bob") == 1


async def test_a_follower_hears_now_and_then_that_there_is_nothing(
    server: Server, changes: TaskChanges, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with aclosing(changes.follow("ann", 60)) as told:
        assert await anext(told) is True
        monkeypatch.setattr(todo_changes, "IDLE_SECONDS", 0.05)
        assert [await anext(told) for _ in range(2)] == [False, False]


async def test_following_ends_when_its_time_is_over(server: Server, changes: TaskChanges) -> None:
    async with following(changes) as long:
        await long.hears()
        async with following(changes, seconds=0.2) as short:
            assert await short.hears() is True
            # That nothing has changed it hears as well, unless its time is over before it listens again.
            while (heard := await short.hears()) is not None:
                assert heard is False
        (await server.stream(0)).change()
        assert await long.hears() is True


async def test_so_many_may_follow_one_user(server: Server, changes: TaskChanges) -> None:
    followers = [changes.follow("ann", 60) for _ in range(FOLLOWERS_MAX)]
    for follower in followers[:-1]:
        await anext(follower)
    assert not changes.is_full("ann")
    await anext(followers[-1])
    assert changes.is_full("ann")
    assert not changes.is_full("bob")
    await followers[0].aclose()
    assert not changes.is_full("ann")
    for follower in followers:
        await follower.aclose()


async def test_closing_ends_what_is_followed_and_what_comes_later(server: Server, changes: TaskChanges) -> None:
    async with following(changes) as follower:
        await follower.hears()
        changes.close()
        assert await follower.hears() is None
    async with following(changes) as late:
        assert await late.hears() is None


async def test_a_defect_is_logged_and_does_not_end_the_listening(
    server: Server, changes: TaskChanges, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Stream) -> httpx2.Response:
        raise ZeroDivisionError

    server.answer = broken
    async with following(changes) as follower:
        await server.is_asked_in_no_hurry("ann", PAUSE_MAX)
        await follower.hears_nothing()
        assert "listening to the todo server met a defect" in caplog.text
        assert "ZeroDivisionError" in caplog.text
        server.answer = opened
        assert await follower.hears() is True
