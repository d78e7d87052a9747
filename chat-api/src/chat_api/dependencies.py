"""What endpoints ask for by type: the services that `app` has wired."""

from typing import Annotated

from fastapi import Depends, Request

from chat_api.conversations.service import ConversationService
from chat_api.runs.service import RunService


async def _conversations(request: Request) -> ConversationService:
    service: ConversationService = request.app.state.conversations
    return service


async def _runs(request: Request) -> RunService:
    service: RunService = request.app.state.runs
    return service


Conversations = Annotated[ConversationService, Depends(_conversations)]
Runs = Annotated[RunService, Depends(_runs)]
