"""`/api/{user_id}/conversations`: list, read, rename, delete; messages and runs of one."""

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Query, status

from chat_api.auth import UserId, UserRoute, documented_bearer
from chat_api.conversations.problems import ConversationNotFoundError
from chat_api.conversations.schemas import (
    Conversation,
    ConversationId,
    ConversationUpdate,
    Message,
    MessageOrder,
    TitleWords,
)
from chat_api.conversations.titles import words_of
from chat_api.dependencies import Conversations, Runs
from chat_api.middleware import BodyTooLargeError
from chat_api.pagination import (
    PAGE_DEFAULT,
    Cursor,
    Limit,
    Page,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
)
from chat_api.problems import COMMON_ERRORS, responses
from chat_api.runs.schemas import Run

router = APIRouter(
    prefix="/api/{user_id}/conversations",
    tags=["conversations"],
    route_class=UserRoute,
    dependencies=[documented_bearer],
)
_LIST = responses(*COMMON_ERRORS)
_ONE = responses(*COMMON_ERRORS, ConversationNotFoundError)


@router.get("", responses=_LIST)
async def list_conversations(
    user_id: UserId,
    conversations: Conversations,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = None,
    query: TitleWords = None,
) -> Page[Conversation]:
    """List the user's conversations, the most recently updated first."""
    after = None
    if cursor is not None:
        updated_at, number = decode_cursor(cursor, str, int)
        try:
            after = (dt.datetime.fromisoformat(updated_at).astimezone(dt.UTC), number)
        except (ValueError, OverflowError):
            raise invalid_cursor() from None
    found = await conversations.page(user_id, limit + 1, after, words_of(query or ""))
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        items=[Conversation.of(record) for record in found[:limit]],
        next_cursor=encode_cursor(last.updated_at.isoformat(), last.conversation_id) if last else None,
    )


@router.get("/{conversation_id}", responses=_ONE)
async def read_conversation(
    user_id: UserId, conversation_id: ConversationId, conversations: Conversations
) -> Conversation:
    """Read one conversation."""
    return Conversation.of(await conversations.get(user_id, conversation_id))


@router.patch("/{conversation_id}", responses=responses(*COMMON_ERRORS, ConversationNotFoundError, BodyTooLargeError))
async def rename_conversation(
    user_id: UserId, conversation_id: ConversationId, change: ConversationUpdate, conversations: Conversations
) -> Conversation:
    """Give a conversation another title."""
    return Conversation.of(await conversations.rename(user_id, conversation_id, change.title))


@router.delete("/{conversation_id}", responses=_ONE, status_code=status.HTTP_204_NO_CONTENT)
async def delete_conversation(user_id: UserId, conversation_id: ConversationId, conversations: Conversations) -> None:
    """Delete a conversation with its messages and runs; one that is at work is stopped. The tasks stay."""
    await conversations.delete(user_id, conversation_id)


@router.get("/{conversation_id}/messages", responses=_ONE)
async def list_messages(
    user_id: UserId,
    conversation_id: ConversationId,
    conversations: Conversations,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = None,
    order: Annotated[MessageOrder, Query(description="Oldest (`asc`) or newest (`desc`) first.")] = "desc",
) -> Page[Message]:
    """List a conversation's messages: the pairs of completed and cancelled runs, answers with their tool calls."""
    after = None if cursor is None else decode_cursor(cursor, int)[0]
    found = await conversations.messages(user_id, conversation_id, limit + 1, after=after, ascending=order == "asc")
    return Page(
        items=[Message.of(record, calls) for record, calls in found[:limit]],
        next_cursor=encode_cursor(found[limit - 1][0].message_id) if len(found) > limit else None,
    )


@router.get("/{conversation_id}/runs", responses=_ONE, tags=["runs"])
async def list_runs(
    user_id: UserId,
    conversation_id: ConversationId,
    runs: Runs,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = None,
) -> Page[Run]:
    """List a conversation's runs, newest first, failed ones included."""
    after = None if cursor is None else decode_cursor(cursor, int)[0]
    found = await runs.page(user_id, conversation_id, limit + 1, after)
    return Page(
        items=[Run.of(details) for details in found[:limit]],
        next_cursor=encode_cursor(found[limit - 1].run.number) if len(found) > limit else None,
    )
