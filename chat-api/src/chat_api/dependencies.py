"""What endpoints ask for by type: the services that `app` has wired."""

from typing import Annotated

from fastapi import Depends, Request

from chat_api.agui.service import ThreadService
from chat_api.bridge.service import Bridge
from chat_api.conversations.service import ConversationService
from chat_api.journal.feed import Feeds
from chat_api.runs.service import RunService
from chat_api.timeline.service import TimelineService
from chat_api.usage.service import Quotas


async def _conversations(request: Request) -> ConversationService:
    service: ConversationService = request.app.state.conversations
    return service


async def _runs(request: Request) -> RunService:
    service: RunService = request.app.state.runs
    return service


async def _threads(request: Request) -> ThreadService:
    service: ThreadService = request.app.state.threads
    return service


async def _events(request: Request) -> Feeds:
    feeds: Feeds = request.app.state.feeds
    return feeds


async def _usage(request: Request) -> Quotas:
    quotas: Quotas = request.app.state.quotas
    return quotas


async def _bridge(request: Request) -> Bridge:
    bridge: Bridge = request.app.state.bridge
    return bridge


async def _timelines(request: Request) -> TimelineService:
    timelines: TimelineService = request.app.state.timelines
    return timelines


Conversations = Annotated[ConversationService, Depends(_conversations)]
Runs = Annotated[RunService, Depends(_runs)]
Threads = Annotated[ThreadService, Depends(_threads)]
Events = Annotated[Feeds, Depends(_events)]
Usage = Annotated[Quotas, Depends(_usage)]
Timelines = Annotated[TimelineService, Depends(_timelines)]
TodoBridge = Annotated[Bridge, Depends(_bridge)]
