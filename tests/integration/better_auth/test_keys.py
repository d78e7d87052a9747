"""Keys of a real Better Auth come, go, and cannot be had, while both services run."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from todo_chat_shared.jwks import RETRY_SECONDS

from tests.integration.better_auth.calls import call, say
from tests.support.better_auth import BetterAuth, key_id, running_better_auth
from tests.support.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def better_auth(npm_cache: pytest.Cache) -> AsyncIterator[BetterAuth]:
    """A Better Auth that the last test of this file kills."""
    async with running_better_auth(npm_cache) as running:
        yield running


async def statuses(chat: Service, todo: Service, user_id: str, token: str) -> list[int]:
    """Return how both services answer a token."""
    answers = [await say(chat, user_id, token, "show my tasks"), await call(todo, token, "list_tasks")]
    return [answer.status_code for answer in answers]


async def test_a_new_key_is_good_beside_the_old_one_and_a_withdrawn_one_is_not(
    chat: Service, todo: Service, better_auth: BetterAuth
) -> None:
    async with better_auth.somebody() as ann:
        old = await ann.token()
        assert await statuses(chat, todo, ann.user_id, old) == [200, 200]

        await better_auth.rotate()
        new = await ann.token()
        assert key_id(new) != key_id(old)
        # Both services have just asked for the keys, and do not ask again so soon.
        await asyncio.sleep(RETRY_SECONDS)
        assert await statuses(chat, todo, ann.user_id, new) == [200, 200]
        assert await statuses(chat, todo, ann.user_id, old) == [200, 200]

        await better_auth.rotate()
        await better_auth.withdraw()
        newest = await ann.token()
        await asyncio.sleep(RETRY_SECONDS)
        assert await statuses(chat, todo, ann.user_id, newest) == [200, 200]
        assert await statuses(chat, todo, ann.user_id, old) == [401, 401]
        assert await statuses(chat, todo, ann.user_id, new) == [401, 401]


async def test_known_keys_outlive_the_issuer_and_what_cannot_be_told_is_503(
    chat: Service, todo: Service, better_auth: BetterAuth, npm_cache: pytest.Cache
) -> None:
    async with better_auth.somebody() as ann, running_better_auth(npm_cache) as other, other.somebody() as stranger:
        known, unknown = await ann.token(), await stranger.token()
        assert await statuses(chat, todo, ann.user_id, known) == [200, 200]
        await better_auth.kill()
        await asyncio.sleep(RETRY_SECONDS)
        for _ in range(2):
            assert await statuses(chat, todo, stranger.user_id, unknown) == [503, 503]
            assert await statuses(chat, todo, ann.user_id, known) == [200, 200]
