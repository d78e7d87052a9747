"""Settings: read from the environment, and refused with the variable's name."""

import pytest
from mcp_todo_server.settings import Settings, SettingsError, load_settings

SECRET = "a-secret-of-these-tests-0123456789"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_everything_has_a_default() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8001)
    assert settings.database_url == "sqlite:///data/todo.db"
    assert settings.allowed_hosts == ("127.0.0.1:*", "localhost:*", "[::1]:*")
    assert settings.database_pool_size == 10
    assert settings.max_body_bytes == 1_048_576
    assert settings.calls_per_minute == 6000


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    assert load_settings() == Settings()


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "todo.example.org, todo:8001 ,")
    monkeypatch.setenv("BETTER_AUTH_SECRET", SECRET)
    monkeypatch.setenv("BETTER_AUTH_SECRET_PREVIOUS", f"{SECRET}-old,{SECRET}-older")
    settings = load_settings()
    assert settings.allowed_hosts == ("todo.example.org", "todo:8001")
    assert settings.verifying_secrets == (SECRET, f"{SECRET}-old", f"{SECRET}-older")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "many"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("DATABASE_POOL_SIZE", "0"),
        ("MAX_BODY_BYTES", "0"),
        ("CALLS_PER_MINUTE", "0"),
        ("CALLS_PER_MINUTE", "many"),
        ("DATABASE_URL", "mysql://localhost/todo"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///file::memory:?uri=true"),
        ("DATABASE_URL", "sqlite:///file:todo?mode=memory&uri=true"),
        ("DATABASE_URL", "postgresql://user:not-to-be-shown@host:port/todo"),
        ("DATABASE_URL", "postgresql://[bad"),
        ("DATABASE_URL", "postgresql://user:not-to-be-shown@host/todo?nope=1"),
        ("AUTH_JWKS_URL", "file:///keys"),
        ("AUTH_JWKS_URL", "https://"),
        ("AUTH_JWKS_URL", "https://[bad/keys"),
        ("PUBLIC_URL", "todo.example.org"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https:///mcp"),
        ("PUBLIC_URL", "https://todo.example.org:port"),
        ("PUBLIC_URL", "https://todo.example.org:99999"),
        ("OAUTH_DISCOVERY", "yes"),
        ("BETTER_AUTH_SECRET", "too-short"),
        ("BETTER_AUTH_SECRET", "changeme-changeme-changeme-changeme"),
        ("BETTER_AUTH_SECRET_PREVIOUS", "too-short"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    text = str(refused.value)
    assert text.startswith(f"{variable}: ")
    assert "\n" not in text
    assert "not-to-be-shown" not in text
    if "SECRET" in variable:
        assert value not in text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///todo",
        "postgresql://user:p%5B@[::1]:5432/todo?sslmode=require&options=-csearch_path%3Dtodo",
        "postgresql:///todo?host=one:5432&host=two:5432",
        "postgresql:///todo?host=/var/run/postgresql",
        "sqlite:///todo.db?mode=rwc",
    ],
)
def test_an_address_of_a_database_is_taken_as_it_is(url: str) -> None:
    assert load_settings(database_url=url).database_url == url


def test_a_host_with_any_port_is_one_without_a_port_too() -> None:
    settings = load_settings(allowed_hosts="todo.example.org,localhost:*,[::1]:*")
    assert settings.host_names == ("todo.example.org", "localhost:*", "[::1]:*", "localhost", "[::1]")


def test_oauth_mode_needs_the_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTH_DISCOVERY", "on")
    with pytest.raises(SettingsError, match=r"^PUBLIC_URL: "):
        load_settings()


@pytest.mark.parametrize("issuer", [None, "front end", "https://"])
def test_oauth_mode_needs_an_authorization_server_to_send_clients_to(issuer: str | None) -> None:
    with pytest.raises(SettingsError, match=r"^AUTH_ISSUER: "):
        load_settings(oauth_discovery="on", public_url="https://todo.example.org", auth_issuer=issuer)


def test_in_header_mode_an_issuer_is_a_name_like_any_other() -> None:
    assert load_settings(auth_issuer="front end").auth_issuer == "front end"


@pytest.mark.parametrize(
    ("public_url", "resource"),
    [
        ("https://todo.example.org", "https://todo.example.org/mcp"),
        ("https://todo.example.org/", "https://todo.example.org/mcp"),
        ("https://example.org/todo/mcp", "https://example.org/todo/mcp"),
    ],
)
def test_the_resource_is_the_endpoint_as_clients_know_it(public_url: str, resource: str) -> None:
    settings = load_settings(public_url=public_url, oauth_discovery="on", auth_issuer="https://front.example.org")
    assert settings.resource_url == resource
    assert set(settings.resource_audiences) == {public_url, resource}


@pytest.mark.parametrize(
    ("public_url", "resource"),
    [
        ("https://Todo.Example.ORG", "https://todo.example.org/mcp"),
        ("https://todo.example.org:443/", "https://todo.example.org/mcp"),
        ("http://todo.example.org:80/Todo", "http://todo.example.org/Todo"),
        ("https://bücher.example", "https://xn--bcher-kva.example/mcp"),
    ],
)
def test_the_resource_is_named_in_its_normal_form_and_known_by_both(public_url: str, resource: str) -> None:
    settings = load_settings(public_url=public_url, oauth_discovery="on", auth_issuer="https://front.example.org")
    assert settings.resource_url == resource
    assert {public_url, resource} <= set(settings.resource_audiences)


def test_header_mode_accepts_no_further_audience() -> None:
    assert load_settings(public_url="https://todo.example.org").resource_audiences == ()


def test_signing_needs_the_secret_and_settings_do_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"^BETTER_AUTH_SECRET: "):
        _ = load_settings().signing_secret
    monkeypatch.setenv("BETTER_AUTH_SECRET", SECRET)
    assert load_settings().signing_secret == SECRET
    assert SECRET not in repr(load_settings())
