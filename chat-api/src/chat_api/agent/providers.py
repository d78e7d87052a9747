"""Where models come from: OpenAI, any OpenAI-compatible server, or the built-in offline model."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agents import Model, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.models import get_default_model, get_default_model_settings
from openai import AsyncOpenAI

from chat_api.agent.offline import OfflineModel
from chat_api.agent.turn import Turn
from chat_api.agent.wire import wire_ready
from chat_api.settings import Settings

MODEL_RETRIES = 2
"""How often the client asks again after 429, 5xx and a lost connection, within `MODEL_TIMEOUT_SECONDS`."""
OPENAI_URL = "https://api.openai.com/v1"
UNUSED_API_KEY = "none"
"""Sent to compatible servers that want no key; the client insists on having one."""


@dataclass(frozen=True, slots=True)
class ModelProvider:
    """Makes the model of each run."""

    model_for: Callable[[Turn], Model]
    settings: ModelSettings


@asynccontextmanager
async def open_provider(settings: Settings) -> AsyncIterator[ModelProvider]:
    """Open the provider that the settings name. One HTTP client serves the whole process."""
    if settings.model_provider == "offline":
        yield ModelProvider(lambda turn: OfflineModel(turn.now), ModelSettings())
        return
    key = settings.openai_api_key
    async with AsyncOpenAI(
        api_key=key.get_secret_value() if key else UNUSED_API_KEY,
        # Never None: the client would read the environment itself, where empty does not mean unset to it.
        base_url=settings.openai_base_url or OPENAI_URL,
        max_retries=MODEL_RETRIES,
        timeout=settings.model_timeout_seconds,
    ) as client:
        wire_ready(client)
        name = settings.openai_model or get_default_model()
        chosen = get_default_model_settings(name)
        model: Model
        if settings.openai_api == "chat_completions":
            model = OpenAIChatCompletionsModel(model=name, openai_client=client)
            # Compatible servers may refuse parameters that only OpenAI knows.
            store = None if settings.openai_base_url else False
            yield ModelProvider(lambda _: model, chosen.resolve(ModelSettings(store=store, include_usage=True)))
        else:
            model = OpenAIResponsesModel(model=name, openai_client=client)
            # Nothing is kept at the provider, so reasoning has to travel with the run to be continued.
            own = ModelSettings(store=False, response_include=["reasoning.encrypted_content"])
            yield ModelProvider(lambda _: model, chosen.resolve(own))
