"""The OpenAPI document tells the truth: what it declares is what is answered, and nothing answers with a defect.

Responses of the other files' tests are held against it as they come in (`hold_to_contract`). Here stand the
document itself, and requests that nobody thought of.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.integration.chat_api.conftest import REQUEST_SECONDS, ChatUser
from tests.support.openai_stub import Call, Fail, OpenAIStub, Say
from tests.support.openapi import Contract, hold_to_contract
from tests.support.problems import MEDIA_TYPE
from tests.support.services import Service, running_chat_api
from tests.support.tokens import user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT_STREAM = "text/event-stream"
CHAT = "/api/{user_id}/chat"
USER = "ann"
RUN = "/api/{user_id}/runs/{run_id}"
MCP = "/api/{user_id}/mcp"
_REFUSED = {"401", "403", "422", "500", "503"}
PROMISED = {
    ("get", "/livez"): {"200"},
    ("get", "/readyz"): {"200", "503"},
    ("post", CHAT): {"200", "202", "404", "409", "410", "413", "429", "502", "504"} | _REFUSED,
    ("post", "/api/{user_id}/agui"): {"200", "404", "409", "410", "413", "429"} | _REFUSED,
    ("get", f"{RUN}/events"): {"200", "404", "410"} | _REFUSED,
    ("post", f"{RUN}/cancel"): {"200", "202", "404"} | _REFUSED,
    ("post", f"{RUN}/retry"): {"200", "202", "404", "409", "429", "502", "504"} | _REFUSED,
    ("post", f"{RUN}/approvals"): {"202", "404", "409", "413"} | _REFUSED,
    ("patch", "/api/{user_id}/conversations/{conversation_id}"): {"200", "404", "413"} | _REFUSED,
    ("delete", "/api/{user_id}/conversations/{conversation_id}"): {"204", "404"} | _REFUSED,
    ("get", "/api/{user_id}/conversations"): {"200"} | _REFUSED,
    ("get", "/api/{user_id}/usage"): {"200"} | _REFUSED,
    ("post", f"{MCP}/tools/call"): {"200", "413", "504"} | _REFUSED,
    ("post", f"{MCP}/resources/read"): {"200", "404", "413", "504"} | _REFUSED,
    ("get", f"{MCP}/changes"): {"200", "429"} | _REFUSED,
}
EVERY_OTHER = {"200", "404"} | _REFUSED
ENDLESS = ("get", f"{MCP}/changes")
STREAMED = {
    ("post", CHAT),
    ("post", f"{RUN}/retry"),
    ("get", f"{RUN}/events"),
    ("post", "/api/{user_id}/agui"),
    ENDLESS,
}


@pytest_asyncio.fixture(loop_scope="module")
async def document(chat: Service) -> dict[str, Any]:
    """The document as it is served."""
    async with httpx.AsyncClient(base_url=chat.base_url, timeout=REQUEST_SECONDS, trust_env=False) as http:
        served: dict[str, Any] = (await http.get("/openapi.json")).json()
    return served


async def test_every_operation_declares_the_statuses_it_answers_with(document: dict[str, Any]) -> None:
    for method, path, operation in Contract(document).operations():
        assert set(operation["responses"]) == PROMISED.get((method, path), EVERY_OTHER), (method, path)


async def test_streams_are_declared_where_there_are_some(document: dict[str, Any]) -> None:
    for method, path, operation in Contract(document).operations():
        declared = {
            media_type
            for status, response in operation["responses"].items()
            for media_type in response.get("content", ())
            if status < "300"
        }
        assert (EVENT_STREAM in declared) == ((method, path) in STREAMED), (method, path)
        only_streams = path.endswith(("/events", "/agui", "/changes"))
        assert ("application/json" in declared) == (not only_streams and method != "delete"), (method, path)


async def test_a_runs_stream_is_declared_to_name_its_run(document: dict[str, Any]) -> None:
    for method, path, operation in Contract(document).operations():
        named = {"Content-Location"} if (method, path) in STREAMED - {ENDLESS} else set()
        assert set(operation["responses"].get("200", {}).get("headers", {})) == named, (method, path)


async def test_every_error_is_declared_as_a_problem(document: dict[str, Any]) -> None:
    for method, path, operation in Contract(document).operations():
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/readyz":
                schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
                assert response["content"] == {MEDIA_TYPE: schema}, (method, path, status)
                assert response["description"].startswith("`"), (method, path, status)


async def test_every_reference_leads_somewhere_and_every_schema_is_one(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (item for key, item in value.items() if key == "$ref")
        if isinstance(value, (dict, list)):
            for item in value.values() if isinstance(value, dict) else value:
                yield from references(item)

    found = set(references(document))
    assert "#/components/schemas/Problem" in found
    assert {reference.removeprefix("#/components/schemas/") for reference in found} <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert set(schemas["Problem"]["required"]) == {"type", "title", "status", "detail", "request_id"}


async def test_operation_ids_are_unique_and_the_api_wants_a_bearer_token(document: dict[str, Any]) -> None:
    operations = Contract(document).operations()
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(set(ids)) == len(ids)
    schemes = document["components"]["securitySchemes"]
    (name,) = schemes
    assert (schemes[name]["type"], schemes[name]["scheme"]) == ("http", "bearer")
    for _, path, operation in operations:
        assert operation.get("security", []) == ([{name: []}] if path.startswith("/api/") else []), path


async def test_real_answers_are_the_declared_ones(ann: ChatUser, stub: OpenAIStub) -> None:
    contract = await hold_to_contract(ann.http)
    stub.reply(Call("add_task", {"title": "milk", "due": "2027-01-01", "tags": ["a"]}), Call("nope"), Say("Added."))
    answer = await ann.say("add milk")
    number, ended = answer["conversation_id"], f"/api/{ann.user_id}/runs/{answer['run_id']}"
    stub.reply(*[Fail(401)])
    failed = (await ann.send("fail", number)).json()
    stub.reply(Say("better"), Say("streamed"), Say("by AG-UI"))
    retried = await ann.http.post(f"/api/{ann.user_id}/runs/{failed['run_id']}/retry")
    assert retried.json()["response"] == "better"
    accept = {"Accept": EVENT_STREAM}
    streamed = await ann.http.post(f"/api/{ann.user_id}/chat", json={"message": "stream"}, headers=accept)
    talk = {
        "threadId": "t", "runId": "r", "state": {}, "tools": [], "context": [], "forwardedProps": {},
        "messages": [{"id": "m", "role": "user", "content": "hello"}],
    }  # fmt: skip
    agui = await ann.http.post(f"/api/{ann.user_id}/agui", json=talk)
    assert [said.text.count('"RUN_FINISHED"') for said in (streamed, agui)] == [1, 1]
    decisions = {"decisions": [{"tool_call_id": "c", "approve": True}]}
    for method, path, body in (("cancel", ended, None), ("retry", ended, None), ("approvals", ended, decisions)):
        await ann.http.post(f"{path}/{method}", json=body)
    for path in (
        f"runs/{answer['run_id']}",
        f"runs/{answer['run_id']}/events",
        f"runs/{answer['run_id']}/timeline",
        f"runs/{failed['run_id']}",
        "runs/unknown",
        "conversations?limit=1",
        f"conversations/{number}",
        f"conversations/{number}/messages?limit=1",
        f"conversations/{number}/runs?limit=1",
        "usage",
    ):
        await ann.get(path)
    for method, params in (("tools/call", {"name": "list_tasks"}), ("resources/read", {"uri": "todo://tasks"})):
        assert (await ann.http.post(f"/api/{ann.user_id}/mcp/{method}", json=params)).status_code == 200
    conversation = f"/api/{ann.user_id}/conversations/{number}"
    await ann.http.patch(conversation, json={"title": "shopping"})
    await ann.http.delete(conversation)
    for path in ("/livez", "/readyz"):
        await ann.http.get(path)
    seen = {status for _, status in contract.seen}
    assert seen == {200, 204, 404, 409, 502}
    # The stream of changes has no end to be checked at.
    assert len({name for name, _ in contract.seen}) == len(contract.operations()) - 1


TEXTS = st.text(max_size=40) | st.text(st.characters(), max_size=20) | st.sampled_from(["\x00", "\ud800", "😀", "-1"])
NUMBERS = st.integers() | st.integers(-2, 3) | st.sampled_from([2**63 - 1, 2**63, -(2**63), 10**30])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.lists(NUMBERS | TEXTS | st.datetimes().map(str) | st.sampled_from(["0001-01-01T00:00:00+14:00"]), max_size=3)
CURSORS = TEXTS | (KEYS | VALUES).map(lambda key: base64.urlsafe_b64encode(json.dumps(key).encode()).decode())
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "localtime", "posixrules", "America", "zone.tab"]) | TEXTS
BODIES = st.fixed_dictionaries(
    {}, optional={"message": st.just("hello") | VALUES, "conversation_id": NUMBERS | VALUES, "timezone": ZONES | VALUES,
                  "title": TEXTS | VALUES, "on_busy": st.sampled_from(["enqueue", "interrupt"]) | VALUES,
                  "replaces": TEXTS | VALUES, "decisions": VALUES, "threadId": TEXTS | VALUES, "runId": TEXTS | VALUES,
                  "name": st.sampled_from(["list_tasks", "add_task", "x"]) | VALUES, "_meta": VALUES,
                  "arguments": st.fixed_dictionaries({}, optional={"title": VALUES, "limit": VALUES}) | VALUES,
                  "uri": st.sampled_from(["todo://tasks", "ui://x", "todo://tasks/1"]) | VALUES,
                  "messages": st.just([{"id": "m", "role": "user", "content": "hello"}]) | VALUES}
) | VALUES  # fmt: skip


@pytest.mark.parametrize("chunk", range(2))
async def test_no_request_whatever_is_answered_with_a_defect(
    module_database_url: str, todo: Service, chunk: int
) -> None:
    """Hypothesis makes requests of every operation's parts, good, bad and mixed; answers are declared, never 500."""
    async with running_chat_api(module_database_url, todo.mcp_url, MODEL_PROVIDER="offline") as service:
        headers = {"Authorization": f"Bearer {user_token(USER)}"}
        # A blocking client: Hypothesis calls a plain function, and nothing else needs this loop meanwhile.
        with httpx.Client(base_url=service.base_url, headers=headers, timeout=30, trust_env=False) as http:
            contract = Contract(http.get("/openapi.json").json())  # noqa: ASYNC212
            # A stream of changes would not end; what it refuses, its token or its number, is none of a request's parts.
            operations = [one for one in contract.operations() if one[:2] != ENDLESS][chunk::2]

            @settings(
                max_examples=200,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.nested_given],
            )
            @given(st.data())
            def requests(data: st.DataObject) -> None:
                method, template, operation = data.draw(st.sampled_from(operations))
                path = template.replace("{user_id}", USER)
                for name in ("conversation_id", "run_id"):
                    value = data.draw(NUMBERS | TEXTS.map(lambda text: text.replace("/", "") or "-"))
                    path = path.replace(f"{{{name}}}", _quoted(str(value)))
                query = {
                    name: data.draw(strategy).encode("utf-8", "surrogatepass").decode("latin-1")
                    for name, strategy in (
                        ("limit", NUMBERS.map(str) | TEXTS),
                        ("cursor", CURSORS),
                        ("order", TEXTS),
                        ("query", TEXTS),
                    )
                    if data.draw(st.booleans())
                }
                body = json.dumps(data.draw(BODIES)).encode() if "requestBody" in operation else b""
                response = http.request(
                    method, path, params=query, content=body, headers={"content-type": "application/json"}
                )
                assert response.status_code < 500, response.text
                contract.check(response)

            requests()
        assert "Traceback" not in service.log
        assert {name for name, _ in contract.seen} == {operation["operationId"] for _, _, operation in operations}


def _quoted(text: str) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in encoded) if text not in (".", "..") else "-"
