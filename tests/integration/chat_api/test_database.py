"""What transactions of chat-api's database see of each other."""

import datetime as dt

from chat_api.conversations import repository as conversations
from chat_api.database import Database
from chat_api.schema import migrate
from chat_api.usage import repository as usage

USER = "ann"


async def test_all_that_is_read_together_is_of_one_moment(database_url: str) -> None:
    await migrate(database_url)
    database = Database(database_url)
    try:
        now = dt.datetime.now(dt.UTC)
        async with database.writing() as connection:
            await usage.count_run(connection, USER, 0, new_conversation=True)
            await conversations.create(connection, USER, 1, "before", "run", now)
        async with database.reading() as reading:
            before = await conversations.get(reading, USER, 1)
            async with database.writing() as writing:
                await conversations.rename(writing, USER, 1, "after")
            assert before is not None
            assert await conversations.get(reading, USER, 1) == before
        async with database.reading() as reading:
            after = await conversations.get(reading, USER, 1)
        assert after is not None
        assert (before.title, after.title) == ("before", "after")
    finally:
        await database.close()
