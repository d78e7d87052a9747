"""The todo server as chat-api calls it: a real MCP client on a transport that the test answers for."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from chat_api.agent import todo_server
from chat_api.agent.errors import ToolsTimeoutError, ToolsUnavailableError, UnknownResourceError
from chat_api.agent.todo_server import TodoServer, connect
from chat_api.agent.turn import ToolOutcome
from todo_chat_shared.effects import EFFECT_KEY_META, SETTLE_META
from todo_chat_shared.tokens import ALL_SCOPES, MCP_AUDIENCE, SERVICE_TOKEN_SECONDS, TokenVerifier

SECRET = "a-secret-of-these-tests-0123456789"
URL = "http://todo.invalid/mcp"
KEY = "run-1/0/0"

Answer = Callable[[httpx2.Request, dict[str, Any]], Awaitable[httpx2.Response]]


class Server:
    """Keeps the requests that arrived and answers them one after the other; the last answer stays.

    A test of calls need not care for `tools/list`, which the MCP client asks for by itself to check a result.
    """

    def __init__(self, *answers: Answer, method: str = "tools/call") -> None:
        self.requests: list[httpx2.Request] = []
        self._answers = list(answers)
        self._method = method

    def answer_with(self, answer: Answer) -> None:
        """Answer with this from now on."""
        self._answers = [answer]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The JSON-RPC requests."""
        return [json.loads(request.content) for request in self.requests]

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        if body["method"] != self._method:
            return await LISTED(request, body)
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return await answer(request, body)


def result(**fields: Any) -> Answer:
    """Answer with a JSON-RPC result."""

    async def answer(_: httpx2.Request, body: dict[str, Any]) -> httpx2.Response:
        value = {"resultType": "complete", **fields}
        return httpx2.Response(200, json={"jsonrpc": "2.0", "id": body["id"], "result": value})

    return answer


LISTED = result(tools=[{"name": "add_task", "inputSchema": {"type": "object"}}], ttlMs=0, cacheScope="private")


def text(words: str, **fields: Any) -> Answer:
    """Answer with a tool's result."""
    return result(content=[{"type": "text", "text": words}], **fields)


def status(code: int) -> Answer:
    """Answer with a bare HTTP status."""

    async def answer(_: httpx2.Request, __: dict[str, Any]) -> httpx2.Response:
        return httpx2.Response(code)

    return answer


def busy(retry_after: str) -> Answer:
    """Answer that the user has sent too many calls."""

    async def answer(_: httpx2.Request, __: dict[str, Any]) -> httpx2.Response:
        error = {"code": -32010, "message": "too many calls"}
        refusal = {"jsonrpc": "2.0", "id": None, "error": error}
        return httpx2.Response(429, json=refusal, headers={"Retry-After": retry_after})

    return answer


def rpc_error(code: int) -> Answer:
    """Answer with a JSON-RPC error."""

    async def answer(_: httpx2.Request, body: dict[str, Any]) -> httpx2.Response:
        error = {"code": code, "message": "temporarily unavailable"}
        return httpx2.Response(200, json={"jsonrpc": "2.0", "id": body["id"], "error": error})

    return answer


async def refuse(request: httpx2.Request, _: dict[str, Any]) -> httpx2.Response:
    """Answer nothing: the connection is refused."""
    raise httpx2.ConnectError("refused", request=request)


async def cut(request: httpx2.Request, _: dict[str, Any]) -> httpx2.Response:
    """Take the request and drop the connection."""
    raise httpx2.RemoteProtocolError("server disconnected", request=request)


async def dawdle(_: httpx2.Request, __: dict[str, Any]) -> httpx2.Response:
    """Take the request and say nothing."""
    await asyncio.sleep(30)
    raise AssertionError("nobody waits that long")


Open = Callable[..., Any]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the client of a `Server`, as `connect` does it."""

    @asynccontextmanager
    async def open_client(server: Server, timeout_seconds: float = 5) -> AsyncIterator[TodoServer]:
        async def arrive(_: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
            return await server(request)

        monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", arrive)
        async with connect(URL, SECRET, timeout_seconds) as todo:
            yield todo

    return open_client


async def test_a_call_is_one_request_with_arguments_and_effect_key(opened: Open) -> None:
    server = Server(text('{"task_id": 1}', structuredContent={"task_id": 1, "title": "milk"}))
    async with opened(server) as todo:
        outcome = await todo.call("ann", "add_task", {"title": "milk"}, KEY)
    assert outcome == ToolOutcome('{"task_id":1,"title":"milk"}', is_error=False)
    (body,) = server.bodies
    assert body["method"] == "tools/call"
    assert (body["params"]["name"], body["params"]["arguments"]) == ("add_task", {"title": "milk"})
    assert body["params"]["_meta"][EFFECT_KEY_META] == KEY
    assert SETTLE_META not in body["params"]["_meta"]


async def test_settling_is_the_same_call_marked_so_and_sent_until_there_is_an_outcome(opened: Open) -> None:
    server = Server(refuse, status(503), text("never carried out", isError=True))
    async with opened(server) as todo:
        outcome = await todo.settle("ann", "add_task", {"title": "milk"}, KEY)
    assert outcome == ToolOutcome('{"error":"never carried out"}', is_error=True)
    sent = [body["params"] for body in server.bodies]
    assert [(one["name"], one["arguments"]) for one in sent] == [("add_task", {"title": "milk"})] * 3
    assert [(one["_meta"][EFFECT_KEY_META], one["_meta"][SETTLE_META]) for one in sent] == [(KEY, True)] * 3


async def test_what_cannot_be_settled_in_time_stays_unknown(opened: Open) -> None:
    async with opened(Server(dawdle), timeout_seconds=0.2) as todo:
        with pytest.raises(ToolsTimeoutError):
            await todo.settle("ann", "add_task", {}, KEY)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(refuse, id="refused"),
        pytest.param(cut, id="cut"),
        pytest.param(status(500), id="500"),
        pytest.param(status(503), id="503"),
        pytest.param(rpc_error(-32603), id="JSON-RPC error"),
    ],
)
async def test_a_call_without_an_outcome_is_sent_again_under_the_same_key(opened: Open, failure: Answer) -> None:
    server = Server(failure, failure, text("{}", structuredContent={"task_id": 1}))
    async with opened(server) as todo:
        outcome = await todo.call("ann", "add_task", {"title": "milk"}, KEY)
    assert outcome == ToolOutcome('{"task_id":1}', is_error=False)
    sent = [(body["params"]["arguments"], body["params"]["_meta"][EFFECT_KEY_META]) for body in server.bodies]
    assert sent == [({"title": "milk"}, KEY)] * 3


async def test_a_call_over_the_users_limit_is_sent_again_when_the_server_takes_it(opened: Open) -> None:
    server = Server(busy("1"), text("{}", structuredContent={"task_id": 1}))
    async with opened(server) as todo:
        started = time.monotonic()
        outcome = await todo.call("ann", "add_task", {"title": "milk"}, KEY)
        assert time.monotonic() - started >= 1
    assert outcome == ToolOutcome('{"task_id":1}', is_error=False)
    assert [body["params"]["_meta"][EFFECT_KEY_META] for body in server.bodies] == [KEY] * 2


async def test_a_limit_that_outlasts_the_time_out_is_not_waited_for_and_is_no_outcome(opened: Open) -> None:
    server = Server(busy("60"))
    async with opened(server, timeout_seconds=30) as todo, asyncio.timeout(15):
        with pytest.raises(ToolsUnavailableError, match="no more calls this minute"):
            await todo.call("ann", "add_task", {}, KEY)
    assert len(server.requests) == 1


@pytest.mark.parametrize("retry_after", ["", "soon", "Mon, 23 Nov 2026 10:00:00 GMT", "-1", "²"])
async def test_a_limit_without_a_usable_time_is_tried_again_like_any_failure(opened: Open, retry_after: str) -> None:
    server = Server(busy(retry_after), text("{}", structuredContent={"task_id": 1}))
    async with opened(server) as todo:
        assert not (await todo.call("ann", "add_task", {}, KEY)).is_error


async def test_a_refusal_of_the_tool_is_an_outcome_and_not_sent_again(opened: Open) -> None:
    server = Server(text("there is no task 99\x00", isError=True))
    async with opened(server) as todo:
        outcome = await todo.call("ann", "get_task", {"task_id": 99}, KEY)
    assert outcome == ToolOutcome('{"error":"there is no task 99"}', is_error=True)
    assert len(server.requests) == 1


async def test_an_answer_without_structure_is_its_text(opened: Open) -> None:
    async with opened(Server(text("plain words"))) as todo:
        assert (await todo.call("ann", "x", {}, KEY)).result == '{"text":"plain words"}'


async def test_what_cannot_be_stored_is_cleaned_from_results(opened: Open) -> None:
    async with opened(Server(text("{}", structuredContent={"title": "a\x00b"}))) as todo:
        assert (await todo.call("ann", "x", {}, KEY)).result == '{"title":"ab"}'


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refused_token_is_not_sent_again(opened: Open, code: int) -> None:
    server = Server(status(code))
    async with opened(server) as todo:
        with pytest.raises(ToolsUnavailableError, match="operator"):
            await todo.call("ann", "add_task", {}, KEY)
    assert len(server.requests) == 1


async def test_one_users_failed_transport_does_not_touch_the_others(opened: Open) -> None:
    served: set[str] = set()

    def by_user(request: httpx2.Request, body: dict[str, Any]) -> Awaitable[httpx2.Response]:
        user = body["params"]["arguments"]["for"]
        if user == "ann":
            # Ann's connection is cut until the others have their answers; then there is nothing more to wait for.
            return (status(404) if served == {"bob", "cyd"} else cut)(request, body)
        served.add(user)
        return text("{}", structuredContent={"n": 1})(request, body)

    async with opened(Server(by_user)) as todo:
        calls = [todo.call(user, "x", {"for": user}, KEY) for user in ("ann", "bob", "ann", "cyd")]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes[::2]] == [ToolsUnavailableError] * 2
        assert outcomes[1::2] == [ToolOutcome('{"n":1}', is_error=False)] * 2
        assert (await todo.call("bob", "x", {"for": "bob"}, KEY)).result == '{"n":1}'


@pytest.fixture
def short_of_time(monkeypatch: pytest.MonkeyPatch) -> float:
    """A time-out in which a call is sent three times and then given up, and which a held-up machine keeps to."""
    monkeypatch.setattr(todo_server, "FIRST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(todo_server, "LONGEST_PAUSE_SECONDS", 60)
    return 3


async def test_a_server_that_cannot_be_reached_is_given_up_within_the_time_out(
    opened: Open, short_of_time: float
) -> None:
    server = Server(refuse)
    async with opened(server, timeout_seconds=short_of_time) as todo, asyncio.timeout(15):
        with pytest.raises(ToolsUnavailableError, match="cannot be reached"):
            await todo.call("ann", "add_task", {}, KEY)
    assert len(server.requests) >= 2


async def test_a_server_that_does_not_answer_times_out(opened: Open) -> None:
    server = Server(dawdle)
    async with opened(server, timeout_seconds=0.5) as todo, asyncio.timeout(15):
        with pytest.raises((ToolsTimeoutError, ToolsUnavailableError)) as failed:
            await todo.call("ann", "add_task", {}, KEY)
    assert failed.type is ToolsTimeoutError


async def test_each_request_carries_a_fresh_token_of_the_user_for_the_todo_server_alone(opened: Open) -> None:
    server = Server(text("{}", structuredContent={}))
    users = [f"user-{n}" for n in range(20)]
    async with opened(server) as todo:
        await asyncio.gather(*(todo.call(user, "list_tasks", {"query": user}, KEY) for user in users))
    assert len(server.requests) == len(users)
    verifier = TokenVerifier(secrets=[SECRET], audiences=[MCP_AUDIENCE])
    for request, body in zip(server.requests, server.bodies, strict=True):
        token = request.headers["authorization"].removeprefix("Bearer ")
        identity = await verifier.verify(token)
        assert identity.user_id == body["params"]["arguments"]["query"]
        assert identity.scopes == frozenset(ALL_SCOPES)
        assert 0 < identity.expires_at - time.time() <= SERVICE_TOKEN_SECONDS


FRESH = "chat_api.agent.todo_server.TOOLS_FRESH_SECONDS"


async def test_the_tool_list_is_fetched_once_and_then_when_it_is_old(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(LISTED, method="tools/list")
    async with opened(server) as todo:
        first = await todo.tools("ann")
        assert [tool.name for tool in first] == ["add_task"]
        assert await todo.tools("bob") is first
        assert len(server.requests) == 1
        monkeypatch.setattr(FRESH, -1)
        assert await todo.tools("ann") is not first
    assert [body["method"] for body in server.bodies] == ["tools/list", "tools/list"]


async def test_an_old_tool_list_serves_where_no_new_one_can_be_had(
    opened: Open, monkeypatch: pytest.MonkeyPatch, short_of_time: float
) -> None:
    server = Server(LISTED, refuse, method="tools/list")
    async with opened(server, timeout_seconds=short_of_time) as todo:
        first = await todo.tools("ann")
        monkeypatch.setattr(FRESH, -1)
        assert await todo.tools("ann") is first
    assert len(server.requests) > 1


async def test_without_any_tool_list_there_is_no_turn(opened: Open, short_of_time: float) -> None:
    async with opened(Server(refuse, method="tools/list"), timeout_seconds=short_of_time) as todo:
        with pytest.raises(ToolsUnavailableError):
            await todo.tools("ann")


async def test_turns_that_wait_for_the_first_tool_list_wait_no_longer_than_one_does(opened: Open) -> None:
    async with opened(Server(refuse, method="tools/list"), timeout_seconds=1) as todo:
        # One after the other they would take half a minute.
        async with asyncio.timeout(15):
            failures = await asyncio.gather(*(todo.tools("ann") for _ in range(30)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [ToolsUnavailableError] * 30


async def test_a_server_that_says_nothing_of_its_tools_is_slow_and_not_away(opened: Open) -> None:
    async with opened(Server(dawdle, method="tools/list"), timeout_seconds=1) as todo:
        with pytest.raises(ToolsTimeoutError):
            await todo.tools("ann")


async def test_a_turn_that_comes_later_waits_its_own_time_for_the_first_tool_list(opened: Open) -> None:
    server = Server(status(503), method="tools/list")
    async with opened(server, timeout_seconds=1) as todo:
        first = asyncio.create_task(todo.tools("ann"))
        await asyncio.sleep(0.5)
        later = asyncio.create_task(todo.tools("bob"))
        with pytest.raises(ToolsUnavailableError):
            await first
        server.answer_with(LISTED)
        assert [tool.name for tool in await later] == ["add_task"]


@pytest.mark.parametrize(
    "answer", [status(400), status(404), status(413), status(421), rpc_error(-32601), rpc_error(-32602)]
)
async def test_what_the_server_will_never_take_is_not_sent_again(opened: Open, answer: Answer) -> None:
    server = Server(answer)
    async with opened(server) as todo:
        with pytest.raises(ToolsUnavailableError, match="operator"):
            await todo.call("ann", "add_task", {}, KEY)
    assert len(server.requests) == 1


async def test_many_turns_at_once_fetch_the_tool_list_once(opened: Open) -> None:
    server = Server(LISTED, method="tools/list")
    async with opened(server) as todo:
        lists = await asyncio.gather(*(todo.tools("ann") for _ in range(20)))
    assert len(server.requests) == 1
    assert all(tools is lists[0] for tools in lists)


async def test_a_result_can_be_had_as_mcp_words_it_and_clean(opened: Open) -> None:
    server = Server(text("a\x00b", structuredContent={"n": None, "t": "\x00c"}), text("no", isError=True))
    async with opened(server) as todo:
        done = await todo.result("ann", "add_task", {"title": "milk"}, KEY)
        refused = await todo.result("ann", "add_task", {}, KEY)
    assert json.loads(done) == {
        "content": [{"type": "text", "text": "ab"}],
        "structuredContent": {"n": None, "t": "c"},
        "isError": False,
        "resultType": "complete",
    }
    assert json.loads(refused)["isError"] is True
    assert [body["params"]["_meta"][EFFECT_KEY_META] for body in server.bodies] == [KEY] * 2


PAGE = result(contents=[{"uri": "ui://x", "mimeType": "text/html", "text": "<p>"}], ttlMs=60_000, cacheScope="public")


async def test_a_resource_is_read_for_its_user_each_time(opened: Open) -> None:
    server = Server(PAGE, method="resources/read")
    async with opened(server) as todo:
        for user in ("ann", "bob", "bob"):
            read = json.loads(await todo.read(user, "ui://x"))
            assert read["contents"] == [{"uri": "ui://x", "mimeType": "text/html", "text": "<p>"}]
    verifier = TokenVerifier(secrets=[SECRET], audiences=[MCP_AUDIENCE])
    tokens = [request.headers["authorization"].removeprefix("Bearer ") for request in server.requests]
    assert [(await verifier.verify(token)).user_id for token in tokens] == ["ann", "bob", "bob"]


async def test_a_page_that_is_nobodys_is_read_without_any_scope(opened: Open) -> None:
    server = Server(PAGE, method="resources/read")
    async with opened(server) as todo:
        assert await todo.document("ui://x") == "<p>"
    (request,) = server.requests
    verifier = TokenVerifier(secrets=[SECRET], audiences=[MCP_AUDIENCE])
    identity = await verifier.verify(request.headers["authorization"].removeprefix("Bearer "))
    assert identity.scopes == frozenset()


@pytest.mark.parametrize("status_code", [200, 400])
async def test_what_is_not_there_is_not_asked_for_again(opened: Open, status_code: int) -> None:
    async def unknown(_: httpx2.Request, body: dict[str, Any]) -> httpx2.Response:
        error = {"code": -32602, "message": "Unknown resource"}
        return httpx2.Response(status_code, json={"jsonrpc": "2.0", "id": body["id"], "error": error})

    server = Server(unknown, method="resources/read")
    async with opened(server) as todo:
        with pytest.raises(UnknownResourceError):
            await todo.read("ann", "todo://tasks/9")
    assert len(server.requests) == 1


async def test_a_resource_is_asked_for_again_where_there_was_no_answer(opened: Open) -> None:
    server = Server(refuse, status(503), PAGE, method="resources/read")
    async with opened(server) as todo:
        assert await todo.document("ui://x") == "<p>"
    assert len(server.requests) == 3


@pytest.mark.parametrize("contents", [[], [{"uri": "ui://x", "mimeType": "image/png", "blob": "AA=="}]])
async def test_what_is_no_text_is_no_page(opened: Open, contents: list[dict[str, str]]) -> None:
    server = Server(result(contents=contents, ttlMs=0, cacheScope="private"), method="resources/read")
    async with opened(server) as todo:
        with pytest.raises(UnknownResourceError):
            await todo.document("ui://x")
