"""Procedures that docs/operations.md describes, step by step on real services."""

from pathlib import Path
from typing import Final

import httpx

from tests.support.databases import sqlite_database
from tests.support.services import Service, running_chat_api, running_todo_server
from tests.support.tokens import user_token

OLD: Final = "the-secret-until-today-0123456789abcdef"
NEW: Final = "the-secret-from-today-on-0123456789abcdef"


async def test_a_secret_is_replaced_without_a_refused_request(tmp_path: Path) -> None:
    async with (
        running_todo_server(sqlite_database(tmp_path), BETTER_AUTH_SECRET=OLD) as todo,
        running_chat_api(sqlite_database(tmp_path), todo.mcp_url, BETTER_AUTH_SECRET=OLD) as chat,
    ):
        await _restart(todo, BETTER_AUTH_SECRET=NEW, BETTER_AUTH_SECRET_PREVIOUS=OLD)
        assert await _add_task(chat, OLD) == httpx.codes.OK
        await _restart(chat, BETTER_AUTH_SECRET=NEW, BETTER_AUTH_SECRET_PREVIOUS=OLD)
        assert await _add_task(chat, OLD) == httpx.codes.OK
        assert await _add_task(chat, NEW) == httpx.codes.OK
        for service in (todo, chat):
            await _restart(service, BETTER_AUTH_SECRET=NEW, BETTER_AUTH_SECRET_PREVIOUS="")
        assert await _add_task(chat, OLD) == httpx.codes.UNAUTHORIZED
        assert await _add_task(chat, NEW) == httpx.codes.OK


async def _restart(service: Service, **variables: str) -> None:
    await service.stop()
    service.environment.update(variables)
    await service.restart()


async def _add_task(chat: Service, secret: str) -> int:
    """Send a message that needs the todo server, in the name of a user whose token `secret` signed."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answer = await client.post(
            f"{chat.base_url}/api/ann/chat",
            headers={"Authorization": f"Bearer {user_token('ann', secret=secret)}"},
            json={"message": "add buy milk"},
        )
    return answer.status_code
