"""Before tasks are deleted the person is asked, where the client can ask; an answer counts for what was asked."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
import pytest_asyncio
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import (
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
)
from mcp_todo_server.tasks.confirmation import state_security

from tests.integration.mcp_todo_server.conftest import effect_meta, mcp_client
from tests.support.services import Service, clean_environment, running_todo_server
from tests.support.tokens import SECRET, mcp_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODERN = "2026-07-28"
DECLINED = "the user was asked and did not agree: nothing of this call was done; do not try again unless the user asks"


class Person:
    """Whoever sits at a client: gives the same answer each time and remembers the questions."""

    def __init__(self, action: Literal["accept", "decline", "cancel"] = "accept") -> None:
        self.action = action
        self.asked: list[str] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        assert isinstance(params, ElicitRequestFormParams)
        assert params.requested_schema == {"type": "object", "properties": {}}
        self.asked.append(params.message)
        return ElicitResult(action=self.action)


class Unreachable(Person):
    """A client that says it can ask and then cannot."""

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        await super().__call__(context, params)
        return ErrorData(code=-32603, message="the window is gone")


def text_of(result: CallToolResult) -> str:
    return str(result.model_dump()["content"][0]["text"])


async def statuses(client: Client) -> dict[int, str]:
    listed = await client.call_tool("list_tasks", {"status": "all"})
    assert listed.structured_content is not None
    return {task["task_id"]: task["status"] for task in listed.structured_content["tasks"]}


Connect = Callable[[Person | None], AbstractAsyncContextManager[Client]]


@pytest.fixture
def connect(server: Service, token: str) -> Connect:
    """Connects a client with this person over HTTP."""
    return lambda person: mcp_client(server.mcp_url, token, MODERN, elicitation_callback=person)


@pytest.fixture(params=["http", MODERN, "legacy"])
def connect_anyhow(request: pytest.FixtureRequest, connect: Connect, tmp_path: Path) -> Connect:
    """The same, and over standard input and output in both eras: all that can carry a question."""
    return connect if request.param == "http" else lambda person: stdio(tmp_path, request.param, person)


@asynccontextmanager
async def stdio(folder: Path, mode: str, person: Person | None) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=str(Path(sys.executable).parent / "mcp-todo-server"),
        args=["stdio", "--user", "me"],
        env=clean_environment(HOME=str(folder), XDG_DATA_HOME=str(folder)),
    )
    with (folder / "stderr.log").open("a") as errors:
        async with Client(stdio_client(parameters, errlog=errors), mode=mode, elicitation_callback=person) as client:
            yield client


async def test_who_agrees_is_asked_once_and_the_task_is_deleted(connect_anyhow: Connect) -> None:
    person = Person()
    async with connect_anyhow(person) as client:
        await client.call_tool("add_task", {"title": "Buy milk"})
        result = await client.call_tool("delete_task", {"task_id": 1})
        assert result.structured_content is not None
        assert result.structured_content["status"] == "deleted"
        assert person.asked == ['Delete task 1 "Buy milk"? It can be restored.']


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_who_does_not_agree_keeps_everything_and_the_model_is_told(
    connect_anyhow: Connect, action: Literal["decline", "cancel"]
) -> None:
    async with connect_anyhow(Person(action)) as client:
        await client.call_tool("batch_tasks", {"add": ["one", "two"]})
        for name, arguments in (
            ("delete_task", {"task_id": 1}),
            ("batch_tasks", {"complete": [1], "add": ["three"], "delete": [2]}),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error
            assert text_of(result).startswith(DECLINED)
        assert await statuses(client) == {1: "open", 2: "open"}


async def test_a_batch_asks_one_question_about_all_that_it_deletes(connect: Connect) -> None:
    person = Person()
    async with connect(person) as client:
        await client.call_tool("batch_tasks", {"add": [f"task {number}" for number in range(1, 13)] + ["x" * 100]})
        await client.call_tool("batch_tasks", {"delete": [2, 1, 99], "complete": [3]})
        await client.call_tool("batch_tasks", {"delete": [*range(1, 14)]})
        assert person.asked[0] == 'Delete 2 tasks: 1 "task 1", 2 "task 2"? They can be restored.'
        assert person.asked[1].startswith('Delete 11 tasks: 3 "task 3", 4 "task 4"')
        assert person.asked[1].endswith('12 "task 12" and 1 more? They can be restored.')
        assert set((await statuses(client)).values()) == {"deleted"}


async def test_nobody_is_asked_where_nothing_would_be_deleted(connect: Connect) -> None:
    person = Person("decline")
    async with connect(person) as client:
        assert text_of(await client.call_tool("delete_task", {"task_id": 1})).startswith("task_id 1 does not exist")
        assert text_of(await client.call_tool("delete_task", {"task_id": "x"})).startswith("task_id must be")
        await client.call_tool("batch_tasks", {"add": ["one"], "complete": [1]})
        await client.call_tool("reopen_task", {"task_id": 1})
        assert person.asked == []


async def test_a_task_that_is_deleted_already_is_not_asked_about_again(connect: Connect) -> None:
    person = Person()
    async with connect(person) as client:
        await client.call_tool("add_task", {"title": "x"})
        for _ in range(2):
            assert not (await client.call_tool("delete_task", {"task_id": 1})).is_error
        assert len(person.asked) == 1


async def test_a_client_without_the_capability_has_a_plain_tool(connect: Connect) -> None:
    async with connect(None) as client:
        await client.call_tool("add_task", {"title": "x"})
        assert not (await client.call_tool("delete_task", {"task_id": 1})).is_error
        assert await statuses(client) == {1: "deleted"}


async def test_a_repeat_under_its_key_hears_its_answer_and_nobody_is_asked(connect: Connect) -> None:
    person, meta = Person(), effect_meta(f"{uuid.uuid4()}/0/0")
    async with connect(person) as client:
        await client.call_tool("add_task", {"title": "x"})
        first = await client.call_tool("delete_task", {"task_id": 1}, meta=meta)
        await client.call_tool("restore_task", {"task_id": 1})
        assert text_of(await client.call_tool("delete_task", {"task_id": 1}, meta=meta)) == text_of(first)
        assert await statuses(client) == {1: "open"}
        assert len(person.asked) == 1


async def test_settling_never_asks_and_a_declined_call_leaves_its_key_free(connect: Connect) -> None:
    person, key = Person("decline"), f"{uuid.uuid4()}/0/0"
    async with connect(person) as client:
        await client.call_tool("add_task", {"title": "x"})
        await client.call_tool("delete_task", {"task_id": 1}, meta=effect_meta(key))
        settled = await client.call_tool("delete_task", {"task_id": 1}, meta=effect_meta(key, settle=True))
        assert text_of(settled).startswith("this call was stopped before it was carried out")
        assert len(person.asked) == 1


async def test_the_handshake_era_over_http_cannot_ask_and_has_plain_tools(server: Service, token: str) -> None:
    person = Person("decline")
    async with mcp_client(server.mcp_url, token, "legacy", elicitation_callback=person) as client:
        await client.call_tool("add_task", {"title": "x"})
        assert not (await client.call_tool("delete_task", {"task_id": 1})).is_error
        assert person.asked == []


async def test_a_client_that_turns_out_to_be_unable_to_ask_deletes_nothing(tmp_path: Path) -> None:
    async with stdio(tmp_path, "legacy", Unreachable()) as client:
        await client.call_tool("add_task", {"title": "x"})
        result = await client.call_tool("delete_task", {"task_id": 1})
        assert text_of(result).startswith("the client could not ask the user: nothing of this call was done")
        assert await statuses(client) == {1: "open"}


async def test_a_question_holds_up_nobody_else(tmp_path: Path) -> None:
    may_answer = asyncio.Event()

    class Slow(Person):
        async def __call__(
            self, context: ClientRequestContext, params: ElicitRequestParams
        ) -> ElicitResult | ErrorData:
            await may_answer.wait()
            return await super().__call__(context, params)

    async with stdio(tmp_path, "legacy", Slow()) as client:
        await client.call_tool("add_task", {"title": "x"})
        deletion = asyncio.create_task(client.call_tool("delete_task", {"task_id": 1}))
        for _ in range(3):
            await client.call_tool("add_task", {"title": "meanwhile"})
        assert not deletion.done()
        may_answer.set()
        assert not (await deletion).is_error
        assert await statuses(client) == {1: "deleted", 2: "open", 3: "open", 4: "open"}


class TwoReplicas:
    """One user's clients of two server processes on one database, and the question and answer between them."""

    def __init__(self, asking: Client, answering: Client) -> None:
        self.asking = asking
        self.answering = answering

    async def ask(self, name: str, **arguments: Any) -> InputRequiredResult:
        result = await self.asking.session.call_tool(name, arguments, allow_input_required=True)
        assert isinstance(result, InputRequiredResult)
        assert result.request_state is not None
        return result

    async def answer(
        self, question: InputRequiredResult, name: str, *, action: Any = "accept", **arguments: Any
    ) -> CallToolResult | InputRequiredResult:
        assert question.input_requests is not None
        return await self.answering.session.call_tool(
            name,
            arguments,
            input_responses={key: ElicitResult(action=action) for key in question.input_requests},
            request_state=question.request_state,
            allow_input_required=True,
        )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def other_server(module_database_url: str, server: Service) -> AsyncIterator[Service]:
    """A second process on the same database, into which a new secret is just being rotated."""
    new = "another-secret-of-the-tests-0123456789abcdef"
    async with running_todo_server(
        module_database_url, BETTER_AUTH_SECRET=new, BETTER_AUTH_SECRET_PREVIOUS=SECRET
    ) as service:
        yield service


Open = Callable[[], AbstractAsyncContextManager[TwoReplicas]]


@pytest.fixture
def two_replicas(server: Service, other_server: Service, token: str) -> Open:
    """Connects to both; the user has two tasks."""

    @asynccontextmanager
    async def connected() -> AsyncIterator[TwoReplicas]:
        async with (
            mcp_client(server.mcp_url, token, MODERN, elicitation_callback=Person()) as asking,
            mcp_client(other_server.mcp_url, token, MODERN, elicitation_callback=Person()) as answering,
        ):
            await asking.call_tool("batch_tasks", {"add": ["one", "two"]})
            yield TwoReplicas(asking, answering)

    return connected


async def test_any_replica_takes_the_answer_to_anothers_question(two_replicas: Open) -> None:
    async with two_replicas() as replicas:
        question = await replicas.ask("delete_task", task_id=1)
        assert await statuses(replicas.asking) == {1: "open", 2: "open"}
        result = await replicas.answer(question, "delete_task", task_id=1)
        assert isinstance(result, CallToolResult)
        assert not result.is_error
        assert await statuses(replicas.asking) == {1: "deleted", 2: "open"}
        declined = await replicas.answer(
            await replicas.ask("delete_task", task_id=2), "delete_task", action="decline", task_id=2
        )
        assert isinstance(declined, CallToolResult)
        assert text_of(declined).startswith(DECLINED)
        assert await statuses(replicas.asking) == {1: "deleted", 2: "open"}


async def test_an_answer_does_not_count_for_other_arguments_or_another_tool(two_replicas: Open) -> None:
    async with two_replicas() as replicas:
        question = await replicas.ask("delete_task", task_id=1)
        calls: list[tuple[str, dict[str, Any]]] = [("delete_task", {"task_id": 2}), ("batch_tasks", {"delete": [1]})]
        for name, arguments in calls:
            with pytest.raises(MCPError, match="Invalid or expired requestState"):
                await replicas.answer(question, name, **arguments)
        assert await statuses(replicas.asking) == {1: "open", 2: "open"}


async def test_an_answer_without_a_question_is_none(two_replicas: Open) -> None:
    async with two_replicas() as replicas:
        question = await replicas.ask("delete_task", task_id=1)
        forged = question.model_copy(update={"request_state": None})
        again = await replicas.answer(forged, "delete_task", task_id=1)
        assert isinstance(again, InputRequiredResult)
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await replicas.answer(question.model_copy(update={"request_state": "v1.AAAA"}), "delete_task", task_id=1)
        assert await statuses(replicas.asking) == {1: "open", 2: "open"}


async def test_a_task_that_was_renamed_meanwhile_is_asked_about_again(two_replicas: Open) -> None:
    async with two_replicas() as replicas:
        question = await replicas.ask("delete_task", task_id=1)
        await replicas.asking.call_tool("update_task", {"task_id": 1, "title": "something else"})
        again = await replicas.answer(question, "delete_task", task_id=1)
        assert isinstance(again, InputRequiredResult)
        assert "something else" in again.model_dump_json()
        assert await statuses(replicas.asking) == {1: "open", 2: "open"}
        assert isinstance(await replicas.answer(again, "delete_task", task_id=1), CallToolResult)
        assert await statuses(replicas.asking) == {1: "deleted", 2: "open"}


async def test_the_answer_of_one_user_does_not_count_for_another(two_replicas: Open, other_server: Service) -> None:
    async with two_replicas() as replicas:
        question = await replicas.ask("delete_task", task_id=1)
        bob = mcp_token(f"bob-{uuid.uuid4().hex}")
        async with mcp_client(other_server.mcp_url, bob, MODERN, elicitation_callback=Person()) as client:
            await client.call_tool("add_task", {"title": "Bob's own"})
            with pytest.raises(MCPError, match="Invalid or expired requestState"):
                await TwoReplicas(client, client).answer(question, "delete_task", task_id=1)
            assert await statuses(client) == {1: "open"}


async def test_the_state_tells_a_client_nothing_and_its_keys_are_not_the_secrets(two_replicas: Open) -> None:
    async with two_replicas() as replicas:
        state = (await replicas.ask("delete_task", task_id=1)).request_state
        assert state is not None
        assert "one" not in state
        foreign = state_security(["a-secret-that-only-somebody-else-has-0123"])
        with pytest.raises(Exception, match="unknown key"):
            foreign.codec.unseal(state)
        assert state_security([SECRET]).codec.unseal(state)
        # A secret that is rotated to itself is one key.
        assert state_security([SECRET, SECRET]).codec.unseal(state)


async def test_what_asks_and_answers_is_plain_json_over_http(server: Service, token: str) -> None:
    capabilities: dict[str, Any] = {"elicitation": {"form": {}}}
    body: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "delete_task",
            "arguments": {"task_id": 1},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": capabilities,
            },
        },
    }
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "delete_task",
    }
    async with mcp_client(server.mcp_url, token) as client:
        await client.call_tool("add_task", {"title": "x"})
    async with httpx2.AsyncClient(trust_env=False) as http:
        response = await http.post(server.mcp_url, json=body, headers=headers)
        assert response.headers["content-type"] == "application/json"
        result = response.json()["result"]
        assert result["resultType"] == "input_required"
        assert [request["method"] for request in result["inputRequests"].values()] == ["elicitation/create"]
        # A client that can only send people to web pages cannot show a form.
        capabilities["elicitation"] = {"url": {}}
        response = await http.post(server.mcp_url, json=body, headers=headers)
        assert response.json()["result"]["structuredContent"]["status"] == "deleted"
