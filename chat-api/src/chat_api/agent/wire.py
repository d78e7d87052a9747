"""Hand the Agents SDK's requests to the OpenAI client as they are, and read its streams with little work.

The SDK builds wire-ready JSON. The client's request transform walks all of it again for every model call, the
whole history and every tool schema, which is about half of a turn's CPU time. What travels in `extra_body` is
merged into the request after that walk: the same request on the wire, its fields in another order, for less work.
"""

from collections.abc import Callable
from typing import Any

from openai import AsyncOpenAI, AsyncStream, NotGiven, Omit

from chat_api.agent.server_events import ChatWire, LeanStream, ResponsesWire, Wire

_BODY_ONLY = {"messages": (), "input": (), "tools": None}
"""Parameters that only ever stand in the request's body, and what stands in for them in the call: the two that
the client's signature requires get an empty value, which the body's then replaces."""


class WireReady:
    """A stand-in for `client.responses` or `client.chat.completions` that moves large values past the walk."""

    with_streaming_response = None
    """Not on offer: the Agents SDK would stream Responses through it, past `create`, to learn a request's id."""

    def __init__(self, resource: Any, wire: Callable[[], Wire]) -> None:
        self._resource = resource
        self._wire = wire

    async def create(self, **parameters: Any) -> Any:
        """Call the resource's `create` with the same parameters."""
        body = dict(parameters.get("extra_body") or {})
        for name, placeholder in _BODY_ONLY.items():
            value = parameters.get(name)
            if value is None or isinstance(value, (NotGiven, Omit, str)):
                continue
            body.setdefault(name, value)
            if placeholder is None:
                del parameters[name]
            else:
                parameters[name] = list(placeholder)
        answer = await self._resource.create(**{**parameters, "extra_body": body})
        return LeanStream(answer, self._wire()) if isinstance(answer, AsyncStream) else answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resource, name)


class _Chat:
    """`client.chat` with only what the Agents SDK uses of it."""

    def __init__(self, chat: Any) -> None:
        self._chat = chat
        self.completions = WireReady(chat.completions, ChatWire)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chat, name)


def wire_ready(client: AsyncOpenAI) -> AsyncOpenAI:
    """Put the stand-ins in front of `client`'s resources and return it.

    `responses` and `chat` are cached properties of the client, so an instance attribute of the same name is what
    it hands out from then on.
    """
    client.__dict__["responses"] = WireReady(client.responses, ResponsesWire)
    client.__dict__["chat"] = _Chat(client.chat)
    return client
