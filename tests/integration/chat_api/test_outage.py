"""The todo server down, hanging, restarted or talking nonsense: 503 or 504, and back without a restart."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from todo_chat_shared.effects import EFFECT_KEY_META

from tests.integration.chat_api.conftest import ChatUser, as_user
from tests.support.asgi import served
from tests.support.chat import failed_run, goes_on, row_counts, todo_rows
from tests.support.databases import sqlite_database
from tests.support.openai_stub import Call, OpenAIStub, Say
from tests.support.openapi import hold_to_contract
from tests.support.services import Service, running_chat_api, running_todo_server
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.tokens import SECRET

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADD = Call("add_task", {"title": "milk"})
TOOL_SECONDS = 3
"""A time-out that a test can wait for, and that a busy machine does not run into which is held up for two seconds."""
RESTART_SECONDS = 60
"""Longest time that a restart may take on a machine busy with other tests."""
TOKEN_BEGINNING = "eyJ"
FORWARDED_HEADERS = ("content-type", "mcp-protocol-version")

Answer = Callable[[Request, Callable[[], Awaitable[Response]]], Awaitable[Response]]


class Front:
    """What stands before the todo server: forwards every request, unless a test says what becomes of it."""

    def __init__(self, todo: Service) -> None:
        self._todo = todo
        self.answer: Answer | None = None
        self.effect_keys: list[str] = []
        """The key of every call that arrived."""

    async def serve(self, request: Request) -> Response:
        """Answer one request."""
        body = json.loads(await request.body())
        if body["method"] == "tools/call":
            self.effect_keys.append(body["params"]["_meta"][EFFECT_KEY_META])

        async def forward() -> Response:
            headers = {name: value for name, value in request.headers.items() if name != "host"}
            async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
                given = await http.post(self._todo.mcp_url, content=await request.body(), headers=headers)
            kept = {name: given.headers[name] for name in FORWARDED_HEADERS if name in given.headers}
            return Response(given.content, given.status_code, kept)

        return await (self.answer(request, forward) if self.answer else forward())


@pytest.fixture(scope="module")
def module_database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SQLite alone: what fails here is not the database."""
    return sqlite_database(tmp_path_factory.mktemp("chat"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(todo: Service) -> AsyncIterator[tuple[Front, str]]:
    """The front and its address."""
    running = Front(todo)
    async with served(Starlette(routes=[Route("/mcp", running.serve, methods=["POST"])])) as address:
        yield running, address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(front: tuple[Front, str]) -> AsyncIterator[TcpProxy]:
    """The connection between chat-api and the front."""
    port = urlsplit(front[1]).port
    assert port is not None
    async with tcp_proxy("127.0.0.1", port) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(module_database_url: str, proxy: TcpProxy, module_stub: OpenAIStub) -> AsyncIterator[Service]:
    """One chat-api, never restarted, that reaches the todo server through proxy and front."""
    url = f"http://127.0.0.1:{proxy.port}/mcp"
    variables = {"TOOL_TIMEOUT_SECONDS": f"{TOOL_SECONDS}", **module_stub.environment()}
    async with running_chat_api(module_database_url, url, **variables) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def mended(ann: ChatUser, front: tuple[Front, str], proxy: TcpProxy) -> AsyncIterator[Front]:
    """Everything works before and after each test; every answer is one that OpenAPI declares."""
    await hold_to_contract(ann.http)
    front[0].effect_keys.clear()
    yield front[0]
    front[0].answer = None
    await proxy.mend()


async def fails(ann: ChatUser, stub: OpenAIStub, url: str, status: int, kind: str) -> int:
    """Send a message whose tool call cannot be made; returns the conversation."""
    messages = row_counts(url)["messages"]
    stub.reply(ADD)
    run = await failed_run(ann, await ann.send("add milk"), status, kind, "add milk")
    # After a first success the tools are known and a call is on record, its outcome unknown.
    assert all(call["result"] is None for call in run["tool_calls"])
    stub.script.clear()
    assert row_counts(url)["messages"] == messages
    return int(run["conversation_id"])


async def works(ann: ChatUser, stub: OpenAIStub, todo: Service, conversation: int) -> None:
    """The very first message after an outage makes its task, and the outage's one was not made behind it."""
    tasks = len(todo_rows(todo.environment["DATABASE_URL"]))
    stub.reply(Call("add_task", {"title": "bread"}), Say("Added."))
    answer = await ann.say("add bread", conversation)
    assert answer["tool_calls"][0]["result"]["title"] == "bread"
    assert len(todo_rows(todo.environment["DATABASE_URL"])) == tasks + 1
    await goes_on(ann, stub, conversation)


async def test_a_todo_server_that_is_down_is_503_and_back_without_a_restart(
    ann: ChatUser, stub: OpenAIStub, todo: Service, proxy: TcpProxy, module_database_url: str
) -> None:
    await proxy.cut()
    for _ in range(2):
        conversation = await fails(ann, stub, module_database_url, 503, "todo-server-unavailable")
    ready = (await ann.http.get("/readyz")).json()
    assert (ready["ready"], ready["todo_server"]) == (True, "unavailable")
    await proxy.mend()
    await works(ann, stub, todo, conversation)


async def test_a_todo_server_that_hangs_is_504_and_back_without_a_restart(
    ann: ChatUser, stub: OpenAIStub, todo: Service, proxy: TcpProxy, mended: Front, module_database_url: str
) -> None:
    proxy.freeze()
    started = time.monotonic()
    conversation = await fails(ann, stub, module_database_url, 504, "todo-server-timeout")
    assert time.monotonic() - started >= TOOL_SECONDS
    await proxy.cut()
    await proxy.mend()
    await works(ann, stub, todo, conversation)

    over = asyncio.Event()

    async def sleep(_: Request, __: Callable[[], Awaitable[Response]]) -> Response:
        await over.wait()
        return Response(status_code=500)

    mended.answer = sleep
    try:
        conversation = await fails(ann, stub, module_database_url, 504, "todo-server-timeout")
    finally:
        over.set()
    mended.answer = None
    await works(ann, stub, todo, conversation)


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """A listener that accepts and says nothing; yields its port, and what ends it."""
    gone = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.transport.abort()

    listener = await asyncio.start_server(say_nothing, "127.0.0.1")

    def end() -> None:
        gone.set()
        listener.close()

    try:
        yield listener.sockets[0].getsockname()[1], end
    finally:
        end()


async def test_a_listener_that_accepts_and_says_nothing_is_504(
    ann: ChatUser, stub: OpenAIStub, todo: Service, module_database_url: str, user_id: str
) -> None:
    variables = {"TOOL_TIMEOUT_SECONDS": f"{TOOL_SECONDS}", **stub.environment()}
    async with (
        silent() as (port, end),
        running_chat_api(module_database_url, f"http://127.0.0.1:{port}/mcp", **variables) as service,
        as_user(service, user_id) as user,
    ):
        await hold_to_contract(user.http)
        conversation = await fails(user, stub, module_database_url, 504, "todo-server-timeout")
        assert stub.requests == []  # the tools were never known, so no model was asked
        end()
        # Now the todo server itself comes up at that address, for the first time.
        async with tcp_proxy("127.0.0.1", todo.port, listen_on=port):
            await works(user, stub, todo, conversation)


NONSENSE: dict[str, Response] = {
    "500": Response('{"error": "no"}', 500, media_type="application/json"),
    "502 in HTML": Response("<html>Bad gateway</html>", 502, media_type="text/html"),
    "403": Response("no", 403, media_type="text/plain"),
    "404": Response("no", 404, media_type="text/plain"),
    "HTML": Response("<html>It works!</html>", media_type="text/html"),
    "empty": Response("", media_type="application/json"),
    "empty object": Response("{}", media_type="application/json"),
    "no result": Response('{"jsonrpc": "2.0", "id": THE_ID, "result": {}}', media_type="application/json"),
    "a result of no shape": Response(
        '{"jsonrpc": "2.0", "id": THE_ID, "result": {"content": 5, "resultType": 5}}', media_type="application/json"
    ),
    "broken JSON": Response('{"jsonrpc": "2.0", "id": 1, "resu', media_type="application/json"),
    "nothing, accepted": Response(status_code=202),
    "elsewhere": RedirectResponse("http://127.0.0.1:1/mcp"),
    "stream that ends": Response(": hello\n\n", media_type="text/event-stream"),
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
async def test_a_todo_server_that_talks_nonsense_is_503(
    ann: ChatUser, stub: OpenAIStub, todo: Service, mended: Front, module_database_url: str, nonsense: Response
) -> None:
    stub.reply(Say("hello"))
    await ann.say("hi")  # the tools are known from here on

    async def talk(request: Request, _: Callable[[], Awaitable[Response]]) -> Response:
        if b"THE_ID" not in nonsense.body:
            return nonsense
        number = str(json.loads(await request.body())["id"]).encode()
        return Response(bytes(nonsense.body).replace(b"THE_ID", number), media_type=nonsense.media_type)

    mended.answer = talk
    tasks = todo_rows(todo.environment["DATABASE_URL"])
    conversation = await fails(ann, stub, module_database_url, 503, "todo-server-unavailable")
    assert todo_rows(todo.environment["DATABASE_URL"]) == tasks
    assert len(set(mended.effect_keys)) == 1
    mended.answer = None
    await works(ann, stub, todo, conversation)


async def test_a_todo_server_with_another_secret_is_503_and_the_log_says_so_without_a_token(
    stub: OpenAIStub, module_database_url: str, user_id: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = sqlite_database(tmp_path_factory.mktemp("other"))
    other_secret = "another-secret-of-the-tests-0123456789"
    async with (
        running_todo_server(url, BETTER_AUTH_SECRET=other_secret) as todo,
        running_chat_api(module_database_url, todo.mcp_url, **stub.environment()) as chat,
        as_user(chat, user_id) as ann,
    ):
        await fails(ann, stub, module_database_url, 503, "todo-server-unavailable")
        assert "BETTER_AUTH_SECRET" in chat.log
        for service in (chat, todo):
            for secret in (TOKEN_BEGINNING, SECRET, other_secret):
                assert secret not in service.log


@pytest.mark.parametrize("took_effect", [True, False], ids=["after its effect", "before its effect"])
async def test_a_todo_server_restarted_in_the_middle_of_a_call_makes_exactly_one_task(
    stub: OpenAIStub, user_id: str, tmp_path_factory: pytest.TempPathFactory, took_effect: bool
) -> None:
    folder = tmp_path_factory.mktemp("restarted")
    async with running_todo_server(sqlite_database(folder)) as todo:
        front = Front(todo)
        restarts: list[asyncio.Task[None]] = []

        async def die_in_the_call(request: Request, forward: Callable[[], Awaitable[Response]]) -> Response:
            if json.loads(await request.body())["method"] != "tools/call" or restarts:
                return await forward()
            if took_effect:
                await forward()
                assert len(todo_rows(todo.environment["DATABASE_URL"])) == 1
            await todo.kill()
            restarts.append(asyncio.create_task(todo.restart()))
            return Response("gone", 502, media_type="text/plain")

        front.answer = die_in_the_call
        patience = {"TOOL_TIMEOUT_SECONDS": f"{RESTART_SECONDS}"}
        async with (
            served(Starlette(routes=[Route("/mcp", front.serve, methods=["POST"])])) as address,
            running_chat_api(sqlite_database(folder), f"{address}/mcp", **patience, **stub.environment()) as chat,
            as_user(chat, user_id) as ann,
        ):
            ann.http.timeout = httpx.Timeout(2 * RESTART_SECONDS)
            stub.reply(ADD, Say("Added."))
            answer = await ann.say("add milk")
            await restarts[0]
        assert answer["tool_calls"][0]["result"]["task_id"] == 1
        assert len(front.effect_keys) >= 2
        assert len(set(front.effect_keys)) == 1
        assert len(todo_rows(todo.environment["DATABASE_URL"])) == 1
