"""Tokens of a real Better Auth, under each algorithm that it can be set to: one user in both services."""

import asyncio

import pytest
from todo_chat_shared.jwks import RETRY_SECONDS

from tests.integration.better_auth.calls import call, say, titles
from tests.support.better_auth import BetterAuth, Person, running_better_auth
from tests.support.databases import NewDatabase
from tests.support.services import Service, run_command, running_chat_api
from tests.support.tokens import SECRET, mcp_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

every_algorithm = pytest.mark.parametrize("better_auth", ["EdDSA", "ES256", "RS256"], indirect=True, scope="module")


@every_algorithm
async def test_who_signed_up_talks_to_chat_api_and_finds_the_task_in_the_todo_server(
    chat: Service, todo: Service, ann: Person
) -> None:
    token = await ann.token()
    answer = await say(chat, ann.user_id, token, "Add a task to buy milk")
    assert answer.status_code == 200, answer.text
    assert [used["tool_name"] for used in answer.json()["tool_calls"]] == ["add_task"]
    assert await titles(todo, token) == ["buy milk"]


async def test_another_person_is_another_user(
    chat: Service, todo: Service, ann: Person, better_auth: BetterAuth
) -> None:
    await call(todo, await ann.token(), "add_task", title="ann's own")
    async with better_auth.somebody() as bob:
        token = await bob.token()
        assert await titles(todo, token) == []
        assert (await say(chat, ann.user_id, token, "show my tasks")).status_code == 403


async def test_a_changed_token_is_401_in_both(chat: Service, todo: Service, ann: Person) -> None:
    head, payload, signature = (await ann.token()).split(".")
    changed = f"{head}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    for refused in (await say(chat, ann.user_id, changed, "hello"), await call(todo, changed, "list_tasks")):
        assert refused.status_code == 401
        assert "signature" in refused.headers["www-authenticate"]


async def test_another_better_auths_users_are_strangers(chat: Service, todo: Service, npm_cache: pytest.Cache) -> None:
    async with running_better_auth(npm_cache) as other, other.somebody() as stranger:
        token = await stranger.token()
        # Before that, a service that has just asked for the keys cannot tell a stranger's key from a new one.
        await asyncio.sleep(RETRY_SECONDS)
        for refused in (await say(chat, stranger.user_id, token, "hello"), await call(todo, token, "list_tasks")):
            assert refused.status_code == 401
            assert "does not publish" in refused.headers["www-authenticate"]


async def test_the_audience_has_to_be_configured(
    better_auth: BetterAuth, todo: Service, ann: Person, new_database: NewDatabase
) -> None:
    without = {**better_auth.variables, "AUTH_AUDIENCE": ""}
    async with running_chat_api(new_database("sqlite"), todo.mcp_url, **without) as chat:
        refused = await say(chat, ann.user_id, await ann.token(), "hello")
    assert refused.status_code == 401
    assert "another audience" in refused.headers["www-authenticate"]


async def test_signing_out_ends_the_issuing_and_revocation_ends_what_was_issued(
    chat: Service, todo: Service, better_auth: BetterAuth, ann: Person
) -> None:
    token = await ann.token()
    assert await ann.sign_out() == 401
    # A token is good until it ends, minutes later, wherever its user has signed out.
    assert await titles(todo, token) == []
    variables = {"DATABASE_URL": todo.environment["DATABASE_URL"], "BETTER_AUTH_SECRET": SECRET}
    code, _, errors = await run_command("mcp-todo-server", "token", "--revoke", "--user", ann.user_id, **variables)
    assert code == 0, errors
    refused = await call(todo, token, "list_tasks")
    assert refused.status_code == 401
    assert "revoked" in refused.headers["www-authenticate"]
    # The revocation is the todo server's: tokens that are minted from then on count, chat-api's among them.
    assert await titles(todo, mcp_token(ann.user_id)) == []
    assert (await say(chat, ann.user_id, token, "Add a task to buy milk")).json()["status"] == "completed"
