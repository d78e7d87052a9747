"""Where the model's requests go, by the settings alone."""

import datetime as dt

import pytest
from agents import OpenAIResponsesModel
from chat_api.agent.offline import OfflineModel
from chat_api.agent.providers import OPENAI_URL, open_provider
from chat_api.agent.turn import Turn
from chat_api.settings import load_settings

TURN = Turn("ann", "run-1", "hello", (), dt.datetime.now(dt.UTC))


@pytest.mark.parametrize("base_url", ["", "http://model.internal/v1"])
async def test_an_empty_base_url_means_openai(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-tests")
    monkeypatch.setenv("OPENAI_BASE_URL", base_url)
    async with open_provider(load_settings()) as provider:
        model = provider.model_for(TURN)
        assert isinstance(model, OpenAIResponsesModel)
        assert str(model._get_client().base_url).rstrip("/") == (base_url or OPENAI_URL)


async def test_without_key_and_address_the_offline_model_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MODEL_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    async with open_provider(load_settings()) as provider:
        assert isinstance(provider.model_for(TURN), OfflineModel)
