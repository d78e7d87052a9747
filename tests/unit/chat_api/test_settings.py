"""Settings: read from the environment, and refused with the variable's name."""

import pytest
from chat_api.settings import Settings, SettingsError, load_settings

SECRET = "a-secret-of-these-tests-0123456789"
KEY = "sk-a-key-of-these-tests"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_everything_has_a_default() -> None:
    settings = load_settings()
    assert settings.database_url == "sqlite:///data/chat.db"
    assert settings.mcp_server_url == "http://127.0.0.1:8001/mcp"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.allowed_hosts == ("127.0.0.1:*", "localhost:*", "[::1]:*")
    assert (settings.cors_origins, settings.demo_mode) == ((), False)
    assert (settings.model_provider, settings.openai_api, settings.openai_model) == ("offline", "responses", None)
    assert (settings.max_message_chars, settings.max_body_bytes) == (8000, 1_048_576)
    assert (settings.history_token_budget, settings.max_tool_rounds) == (16_000, 10)
    assert (settings.model_timeout_seconds, settings.tool_timeout_seconds) == (60, 15)
    assert (settings.run_lease_seconds, settings.database_pool_size) == (15, 10)


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    assert load_settings() == Settings()


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "todo.example.org, chat:8000 ,")
    monkeypatch.setenv("CORS_ORIGINS", "https://app.example.org")
    monkeypatch.setenv("BETTER_AUTH_SECRET", SECRET)
    monkeypatch.setenv("BETTER_AUTH_SECRET_PREVIOUS", f"{SECRET}-old,{SECRET}-older")
    settings = load_settings()
    assert settings.allowed_hosts == ("todo.example.org", "chat:8000")
    assert settings.cors_origins == ("https://app.example.org",)
    assert settings.verifying_secrets == (SECRET, f"{SECRET}-old", f"{SECRET}-older")


def test_durations_take_any_value_from_1_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL_TIMEOUT_SECONDS", "TOOL_TIMEOUT_SECONDS", "RUN_LEASE_SECONDS"):
        monkeypatch.setenv(name, "1")
    settings = load_settings()
    assert settings.model_timeout_seconds == settings.tool_timeout_seconds == settings.run_lease_seconds == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "many"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_URL", "mysql://localhost/chat"),
        ("DATABASE_URL", "postgresql://"),
        ("DATABASE_URL", "sqlite:///"),
        ("AUTH_JWKS_URL", "file:///keys"),
        ("MCP_SERVER_URL", "127.0.0.1:8001"),
        ("CORS_ORIGINS", "app.example.org"),
        ("CORS_ORIGINS", "https://app.example.org/"),
        ("CORS_ORIGINS", "https://app.example.org,https://App.example.org"),
        ("CORS_ORIGINS", "https://*.example.org"),
        ("CORS_ORIGINS", "https://ü.example.org"),
        ("CORS_ORIGINS", "null"),
        ("TOKEN_COOKIE", "two words"),
        ("TOKEN_COOKIE", "a=b"),
        ("TOKEN_COOKIE", "a;b"),
        ("TOKEN_COOKIE", "jetón"),
        ("OPENAI_BASE_URL", "localhost:11434/v1"),
        ("OPENAI_API", "completions"),
        ("MODEL_PROVIDER", "anthropic"),
        ("DEMO_MODE", "perhaps"),
        ("MAX_MESSAGE_CHARS", "0"),
        ("MAX_BODY_BYTES", "0"),
        ("HISTORY_TOKEN_BUDGET", "-1"),
        ("MAX_TOOL_ROUNDS", "0"),
        ("MODEL_TIMEOUT_SECONDS", "0.5"),
        ("MODEL_TIMEOUT_SECONDS", "nan"),
        ("TOOL_TIMEOUT_SECONDS", "0"),
        ("RUN_LEASE_SECONDS", "-3"),
        ("BETTER_AUTH_SECRET", "too-short"),
        ("BETTER_AUTH_SECRET", "changeme-changeme-changeme-changeme"),
        ("BETTER_AUTH_SECRET_PREVIOUS", "too-short"),
        ("BETTER_AUTH_SECRET_PREVIOUS", f"{SECRET},too-short"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    text = str(refused.value)
    assert text.startswith(f"{variable}: ")
    assert "\n" not in text
    assert KEY not in text
    if "SECRET" in variable:
        assert value not in text
        assert SECRET not in text


@pytest.mark.parametrize("origin", ["*", "http://[::1]:3000", "https://xn--bcher-kva.example", "capacitor://localhost"])
def test_an_origin_is_what_browsers_send(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f"https://app.example.org, {origin}")
    assert load_settings().cors_origins == ("https://app.example.org", origin)


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("MAX_TOOL_ROUNDS", "0")
    with pytest.raises(SettingsError, match=r"PORT: .*; MAX_TOOL_ROUNDS: "):
        load_settings()


@pytest.mark.parametrize(
    ("key", "base_url", "provider", "chosen"),
    [
        ("", "", "", "offline"),
        (KEY, "", "", "openai"),
        ("", "http://localhost:11434/v1", "", "openai"),
        (KEY, "", "offline", "offline"),
    ],
)
def test_the_provider_follows_from_what_is_set(
    monkeypatch: pytest.MonkeyPatch, key: str, base_url: str, provider: str, chosen: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("OPENAI_BASE_URL", base_url)
    monkeypatch.setenv("MODEL_PROVIDER", provider)
    assert load_settings().model_provider == chosen


def test_openai_needs_a_key_or_a_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_PROVIDER", "openai")
    with pytest.raises(SettingsError, match=r"^OPENAI_API_KEY: "):
        load_settings()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "todo.example.org", "localhost.example.org"])  # noqa: S104
def test_the_demo_stays_on_this_machine(host: str) -> None:
    with pytest.raises(SettingsError, match=r"^DEMO_MODE: .*HOST"):
        load_settings(demo_mode=True, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]"])
def test_the_demo_runs_on_loopback(host: str) -> None:
    assert load_settings(demo_mode=True, host=host).demo_mode


def test_signing_needs_the_secret_and_settings_do_not_show_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"^BETTER_AUTH_SECRET: "):
        _ = load_settings().signing_secret
    monkeypatch.setenv("BETTER_AUTH_SECRET", SECRET)
    monkeypatch.setenv("BETTER_AUTH_SECRET_PREVIOUS", f"{SECRET}-old")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    settings = load_settings()
    assert settings.signing_secret == SECRET
    for shown in (repr(settings), str(settings), str(settings.model_dump())):
        assert SECRET not in shown
        assert KEY not in shown


def test_what_a_command_was_told_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1234")
    assert load_settings(port="4321").port == 4321
    assert load_settings(port=None).port == 1234


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MCP_SERVER_URL", "http://"),
        ("MCP_SERVER_URL", "http://todo:port/mcp"),
        ("OPENAI_BASE_URL", "http://model:99999/v1"),
        ("AUTH_JWKS_URL", "https://:8000"),
        ("DATABASE_URL", "postgresql://user:secret-password@host:port/chat"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("RUN_LEASE_SECONDS", "inf"),
        ("MODEL_TIMEOUT_SECONDS", "nan"),
    ],
)
def test_an_address_or_duration_that_cannot_be_used_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable}: ") as refused:
        load_settings()
    assert "secret-password" not in str(refused.value)
