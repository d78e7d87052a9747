"""Reading and keeping conversations."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from chat_api.conversations import repository
from chat_api.conversations.problems import ConversationNotFoundError
from chat_api.conversations.repository import ConversationRecord, Place
from chat_api.conversations.titles import has_words
from chat_api.database import Database
from chat_api.journal import repository as journal
from chat_api.journal.records import ToolCallRecord
from chat_api.messages import repository as messages
from chat_api.messages.repository import MessageRecord
from chat_api.runs import repository as runs

TITLES_PER_READ: Final = 500
"""Titles that a search looks through at a time."""


class ConversationService:
    """Conversations of users. Every method raises `ConversationNotFoundError` for one that is not the user's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, user_id: str, limit: int, after: Place | None, words: tuple[str, ...] = ()
    ) -> Sequence[ConversationRecord]:
        """Return conversations whose titles contain the words, the most recently updated first."""
        async with self._database.reading() as connection:
            if not words:
                return await repository.page(connection, user_id, limit, after)
            # Compared here and not by the databases: SQLite knows the case of ASCII alone, and PostgreSQL what the
            # locale of its cluster knows.
            found: list[int] = []
            while len(found) < limit:
                titles = await repository.titles(connection, user_id, TITLES_PER_READ, after)
                found += [number for (_, number), title in titles if has_words(title, words)]
                if len(titles) < TITLES_PER_READ:
                    break
                after = titles[-1][0]
            return await repository.some(connection, user_id, found[:limit])

    async def get(self, user_id: str, conversation_id: int) -> ConversationRecord:
        """Return one conversation."""
        async with self._database.reading() as connection:
            found = await repository.get(connection, user_id, conversation_id)
        if found is None:
            raise ConversationNotFoundError(conversation_id)
        return found

    async def rename(self, user_id: str, conversation_id: int, title: str) -> ConversationRecord:
        """Give a conversation another title and return it."""
        async with self._database.writing() as connection:
            if not await repository.rename(connection, user_id, conversation_id, title):
                raise ConversationNotFoundError(conversation_id)
            found = await repository.get(connection, user_id, conversation_id)
        if found is None:
            raise ConversationNotFoundError(conversation_id)
        return found

    async def delete(self, user_id: str, conversation_id: int) -> None:
        """Delete a conversation with all that was said in it. A run at work there is stopped.

        Until that has ended, which may take as long as a tool call, the conversation is only hidden.
        """
        async with self._database.writing() as connection:
            if await repository.lock(connection, user_id, conversation_id) is None:
                raise ConversationNotFoundError(conversation_id)
            active = await runs.active_run(connection, user_id, conversation_id)
            if active is not None and await runs.request_cancel(connection, active.key):
                await repository.hide(connection, user_id, conversation_id, dt.datetime.now(dt.UTC))
            else:
                await repository.remove(connection, user_id, conversation_id)

    async def messages(
        self, user_id: str, conversation_id: int, limit: int, *, after: int | None, ascending: bool
    ) -> list[tuple[MessageRecord, list[ToolCallRecord]]]:
        """Return messages with their runs' tool calls."""
        async with self._database.reading() as connection:
            if await repository.get(connection, user_id, conversation_id) is None:
                raise ConversationNotFoundError(conversation_id)
            page = await messages.messages(
                connection, user_id, conversation_id, limit, after=after, ascending=ascending
            )
            calls = await journal.tool_calls(connection, user_id, {message.run_id for message in page})
        return [(message, calls.get(message.run_id, [])) for message in page]
