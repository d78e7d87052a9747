"""`/widget` between both real services: the todo server's own document, read in nobody's name."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from mcp_todo_server.widget.page import page

from tests.integration.chat_api.conftest import as_user, execute_sql
from tests.support.databases import NewDatabase
from tests.support.services import Service, running_chat_api, running_todo_server
from tests.support.waiting import until

ORIGIN = "https://app.example.org"
TABLES = ("users", "tasks", "task_tags", "effects", "imports")


@pytest.fixture
def todo_url(new_database: NewDatabase, database_kind: str) -> str:
    return new_database("postgresql" if database_kind == "postgresql" else "sqlite")


@pytest.fixture
async def todo(todo_url: str) -> AsyncIterator[Service]:
    async with running_todo_server(todo_url) as service:
        yield service


@pytest.fixture
async def chat(todo: Service, new_database: NewDatabase) -> AsyncIterator[Service]:
    settings = {"CORS_ORIGINS": f"{ORIGIN},*", "TOOL_TIMEOUT_SECONDS": "4"}
    async with running_chat_api(new_database("sqlite"), todo.mcp_url, **settings) as service:
        yield service


@pytest.fixture
async def browser(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor whom nobody knows."""
    async with httpx.AsyncClient(base_url=chat.base_url, timeout=30, trust_env=False) as client:
        yield client


def rows(todo_url: str) -> dict[str, int]:
    return {table: execute_sql(todo_url, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}  # noqa: S608


async def test_the_document_is_the_todo_servers_own_and_reading_it_leaves_nothing_there(
    browser: httpx.AsyncClient, todo_url: str
) -> None:
    answer = await browser.get("/widget")

    assert answer.status_code == httpx.codes.OK
    assert answer.text == page()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert set(rows(todo_url).values()) == {0}
    again = await browser.get("/widget", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == httpx.codes.NOT_MODIFIED


async def test_its_policy_lets_in_its_own_style_and_script_alone(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/widget")

    inline = dict(re.findall(r"<(style|script)>(.*?)</\1>", answer.text, re.DOTALL))
    hashes = {kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for kind, text in inline.items()}
    assert answer.headers["Content-Security-Policy"] == (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors 'self' {ORIGIN}; sandbox allow-scripts"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_the_todo_server_may_be_away_before_and_after(
    browser: httpx.AsyncClient, todo: Service, chat: Service
) -> None:
    await todo.stop()
    away = await browser.get("/widget")
    assert away.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert away.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "The task list cannot be reached" in away.text
    assert int(away.headers["Retry-After"]) > 0

    await todo.restart()

    async def is_there() -> bool:
        return (await browser.get("/widget")).text == page()

    await until(is_there)
    await todo.stop()
    assert (await browser.get("/widget")).text == page()
    assert "Traceback" not in chat.log


async def test_many_visitors_cost_the_todo_server_one_read(new_database: NewDatabase, todo: Service) -> None:
    todo.environment["CALLS_PER_MINUTE"] = "1"
    await todo.stop()
    await todo.restart()
    async with (
        running_chat_api(new_database("sqlite"), todo.mcp_url) as chat,
        httpx.AsyncClient(base_url=chat.base_url, timeout=30, trust_env=False) as browser,
        as_user(chat, "chat-api") as namesake,
    ):
        answers = await asyncio.gather(*(browser.get("/widget") for _ in range(20)))
        assert {answer.text for answer in answers} == {page()}
        # Somebody who is called as the token's subject is only counted together with it.
        body = {"name": "list_tasks", "arguments": {}}
        refused = await namesake.http.post("/api/chat-api/mcp/tools/call", json=body)
        assert refused.json()["type"] == "todo-server-unavailable"
