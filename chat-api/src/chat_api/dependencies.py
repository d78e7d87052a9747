"""What endpoints ask for by type: the services that `app` has wired."""

from typing import Annotated, Any

from fastapi import Depends, Request

from chat_api.agui.service import ThreadService
from chat_api.bridge.service import Bridge
from chat_api.conversations.service import ConversationService
from chat_api.journal.feed import Feeds
from chat_api.runs.service import RunService
from chat_api.timeline.service import TimelineService
from chat_api.usage.service import Quotas


def _wired(name: str) -> Any:
    async def service(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(service)


Conversations = Annotated[ConversationService, _wired("conversations")]
Runs = Annotated[RunService, _wired("runs")]
Threads = Annotated[ThreadService, _wired("threads")]
Events = Annotated[Feeds, _wired("feeds")]
Usage = Annotated[Quotas, _wired("quotas")]
Timelines = Annotated[TimelineService, _wired("timelines")]
TodoBridge = Annotated[Bridge, _wired("bridge")]
