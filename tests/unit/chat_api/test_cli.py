"""The console script: one clear line and exit code 2 where it was started wrongly."""

from pathlib import Path

import pytest
from chat_api.cli import main
from chat_api.settings import Settings
from click.testing import CliRunner, Result

SECRET = "a-secret-of-these-tests-0123456789"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, "chat_api_url", "chat_api_token", "chat_api_conversation"):
        monkeypatch.delenv(name.upper(), raising=False)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def assert_one_line(result: Result, beginning: str) -> None:
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {beginning}")
    assert SECRET not in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "many"),
        ("DATABASE_URL", "mysql://localhost/chat"),
        ("BETTER_AUTH_SECRET", "too-short"),
        ("MODEL_PROVIDER", "openai"),
        ("RUN_LEASE_SECONDS", "0"),
    ],
)
def test_serve_names_a_wrong_variable(variable: str, value: str) -> None:
    named = "OPENAI_API_KEY" if variable == "MODEL_PROVIDER" else variable
    assert_one_line(run("serve", **{"BETTER_AUTH_SECRET": SECRET, variable: value}), f"{named}: ")


def test_serve_needs_the_secret(tmp_path: Path) -> None:
    assert_one_line(run("serve", DATABASE_URL=f"sqlite:///{tmp_path / 'chat.db'}"), "BETTER_AUTH_SECRET: must be set")


def test_an_option_wins_over_its_variable(tmp_path: Path) -> None:
    result = run("serve", "--port", "many", PORT="8000", BETTER_AUTH_SECRET=SECRET)
    assert_one_line(result, "PORT: ")


def test_migrate_needs_no_secret_and_can_be_repeated(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "chat.db"
    for _ in range(2):
        result = run("migrate", "--database-url", f"sqlite:///{file}")
        assert (result.exit_code, result.output) == (0, "")
    assert file.exists()


def test_migrate_says_that_the_database_does_not_answer() -> None:
    url = "postgresql://todo:secret-password@127.0.0.1:9/chat"
    result = run("migrate", DATABASE_URL=url)
    assert_one_line(result, "DATABASE_URL: the database does not let this service in")
    assert "secret-password" not in result.output


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "--nonsense"], ["chat", "--conversation", "0"]])
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_chat_says_that_no_service_is_there() -> None:
    result = run("chat", "--url", "http://127.0.0.1:9")
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: http://127.0.0.1:9 cannot be reached")
