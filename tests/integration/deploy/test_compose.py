"""Both images and docker-compose.yml, built and driven as an operator would."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from todo_chat_shared.tokens import ALL_SCOPES, MCP_AUDIENCE, mint

from tests.support.compose import Compose, docker, running_stack
from tests.support.databases import require_docker

pytestmark = pytest.mark.docker

USER = "ada"
SERVICES = ("chat-api", "mcp-todo-server")
HEALTHY_SECONDS = 60


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    require_docker()
    with running_stack(tmp_path_factory.mktemp("compose") / "env") as compose:
        yield compose


def say(stack: Compose, message: str, conversation_id: int | None = None) -> dict[str, Any]:
    token = mint(stack.setting("BETTER_AUTH_SECRET"), USER, lifetime_seconds=600)
    body: dict[str, Any] = {"message": message}
    if conversation_id is not None:
        body["conversation_id"] = conversation_id
    answer = httpx.post(
        f"{stack.chat_url}/api/{USER}/chat",
        json=body,
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def titles(stack: Compose, user: str = USER) -> list[str]:
    """What a real MCP client of another program sees."""

    async def ask() -> list[str]:
        secret = stack.setting("BETTER_AUTH_SECRET")
        token = mint(secret, user, audience=MCP_AUDIENCE, scopes=ALL_SCOPES, lifetime_seconds=600)
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http,
            Client(streamable_http_client(stack.mcp_url, http_client=http)) as client,
        ):
            result = await client.call_tool("list_tasks", {})
            assert result.structured_content is not None
            return [task["title"] for task in result.structured_content["tasks"]]

    return asyncio.run(ask())


def wait_until_healthy(stack: Compose, *services: str) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    while True:
        states = {name: stack.container(name)["State"]["Health"]["Status"] for name in services}
        if set(states.values()) == {"healthy"}:
            return
        assert time.monotonic() < deadline, states
        time.sleep(0.5)


def test_everything_is_healthy_and_both_migrations_ended_well(stack: Compose) -> None:
    for service in ("postgres", *SERVICES):
        assert stack.container(service)["State"]["Health"]["Status"] == "healthy"
    for service in ("chat-migrate", "todo-migrate"):
        state = stack.container(service)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 0)


def test_a_second_up_finds_everything_in_place(stack: Compose) -> None:
    before = {service: stack.container(service)["Id"] for service in SERVICES}

    stack.run("up", "--wait")

    assert {service: stack.container(service)["Id"] for service in SERVICES} == before


def test_a_chat_turn_adds_a_task_that_an_mcp_client_sees(stack: Compose) -> None:
    said = say(stack, "add water the plants")

    assert [call["tool_name"] for call in said["tool_calls"]] == ["add_task"]
    assert "water the plants" in [title.lower() for title in titles(stack)]
    assert titles(stack, "somebody-else") == []


def test_restarted_containers_come_back_with_all_they_knew(stack: Compose) -> None:
    first = say(stack, "add feed the cat")

    stack.run("restart", "postgres", *SERVICES)
    wait_until_healthy(stack, "postgres", *SERVICES)
    second = say(stack, "add brush the dog", first["conversation_id"])

    assert second["conversation_id"] == first["conversation_id"]
    assert {"feed the cat", "brush the dog"} <= {title.lower() for title in titles(stack)}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_without_root_capabilities_or_a_writable_file_system(stack: Compose, service: str) -> None:
    container = stack.container(service)
    assert container["Config"]["User"] == "10001:10001"
    assert container["HostConfig"]["ReadonlyRootfs"] is True

    status = stack.run("exec", "-T", service, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["10001"] * 4
    assert int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"

    refused = stack.run("exec", "-T", service, "sh", "-c", "touch /opt/x /x; echo ended", check=False)
    assert refused.count("Read-only file system") == 2, refused


def test_only_the_two_services_are_published_and_only_on_the_loopback_address(stack: Compose) -> None:
    published = {
        service: [
            (inside, binding["HostIp"], binding["HostPort"])
            for inside, bindings in stack.container(service)["NetworkSettings"]["Ports"].items()
            for binding in bindings or []
        ]
        for service in ("postgres", *SERVICES)
    }

    assert published == {
        "postgres": [],
        "chat-api": [("8000/tcp", "127.0.0.1", str(stack.port))],
        "mcp-todo-server": [("8001/tcp", "127.0.0.1", str(stack.mcp_port))],
    }


@pytest.mark.parametrize(
    ("role", "password", "own"),
    [
        ("chat_api", "CHAT_DATABASE_PASSWORD", "chat"),
        ("mcp_todo_server", "TODO_DATABASE_PASSWORD", "todo"),
    ],
)
def test_a_role_reaches_its_own_database_and_no_other(stack: Compose, role: str, password: str, own: str) -> None:
    def connect(database: str, secret: str) -> str:
        return stack.run(
            *("exec", "-T", "-e", f"PGPASSWORD={secret}", "postgres"),
            *("psql", "-h", "127.0.0.1", "-U", role, "-d", database, "-tAc", "SELECT current_database()"),
            check=False,
        )

    secret = stack.setting(password)
    assert connect(own, secret).strip() == own
    for other in {"chat", "todo", "postgres", "template1"} - {own}:
        assert f'permission denied for database "{other}"' in connect(other, secret)
    assert "password authentication failed" in connect(own, "wrong")


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_stands_in_an_image(stack: Compose, service: str) -> None:
    image = f"todo-chat/{service}:{stack.tag}"
    known = docker("history", "--no-trunc", image) + docker("image", "inspect", image)

    for name in ("BETTER_AUTH_SECRET", "POSTGRES_PASSWORD", "CHAT_DATABASE_PASSWORD", "TODO_DATABASE_PASSWORD"):
        assert stack.setting(name) not in known
    files = docker("run", "--rm", "--user=0", "--entrypoint=find", image, "/", "-xdev", "-name", ".env*")
    assert files.strip() == ""


@pytest.mark.parametrize(("service", "port"), [("chat-api", 8000), ("mcp-todo-server", 8001)])
def test_an_image_alone_serves_from_sqlite_with_a_read_only_root(stack: Compose, service: str, port: int) -> None:
    container = docker(
        *("run", "--detach", "--read-only", "--cap-drop=ALL", "--health-interval=1s"),
        *("--env", f"BETTER_AUTH_SECRET={stack.setting('BETTER_AUTH_SECRET')}"),
        f"todo-chat/{service}:{stack.tag}",
    ).strip()
    try:
        deadline = time.monotonic() + HEALTHY_SECONDS
        while docker("inspect", "-f", "{{.State.Health.Status}}", container).strip() != "healthy":
            assert time.monotonic() < deadline, docker("logs", container)
            time.sleep(0.5)
        assert docker("exec", container, "sh", "-c", "ls /data/*.db").strip()
    finally:
        docker("rm", "--force", "--volumes", container)


def test_an_image_of_ours_is_never_looked_up_where_anybody_can_take_its_name(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    require_docker()
    compose = Compose(tmp_path_factory.mktemp("config") / "env")
    compose.write_settings()

    services = json.loads(compose.run("config", "--format", "json"))["services"]

    own = {name: service["pull_policy"] for name, service in services.items() if name != "postgres"}
    assert own == dict.fromkeys(("chat-api", "chat-migrate", "mcp-todo-server", "todo-migrate"), "never")


@pytest.mark.parametrize(
    "missing", ["BETTER_AUTH_SECRET", "POSTGRES_PASSWORD", "CHAT_DATABASE_PASSWORD", "TODO_DATABASE_PASSWORD"]
)
def test_compose_names_the_variable_that_is_missing(tmp_path_factory: pytest.TempPathFactory, missing: str) -> None:
    require_docker()
    compose = Compose(tmp_path_factory.mktemp("incomplete") / "env")
    compose.write_settings()
    lines = compose.settings_file.read_text().splitlines()
    compose.settings_file.write_text("\n".join(line for line in lines if not line.startswith(f"{missing}=")))

    refused = compose.run("config", "--quiet", check=False)

    assert f"required variable {missing} is missing a value" in refused
    assert "make env" in refused
