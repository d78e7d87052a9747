"""The console script: what it prints, and how it ends where something has to be put right."""

import time
from pathlib import Path

import jwt
import pytest

from tests.support.services import free_port, run_command
from tests.support.tokens import SECRET

PROGRAM = "mcp-todo-server"


async def test_token_prints_the_token_alone() -> None:
    code, output, errors = await run_command(
        PROGRAM, "token", "--user", "ann", "--days", "30", BETTER_AUTH_SECRET=SECRET
    )
    assert (code, errors) == (0, "")
    assert output == output.strip() + "\n"
    claims = jwt.decode(output.strip(), SECRET, ["HS256"], audience=PROGRAM)
    assert (claims["sub"], claims["scope"]) == ("ann", "tasks:read tasks:write")
    assert claims["exp"] - time.time() == pytest.approx(30 * 86_400, abs=60)


async def test_token_can_be_for_reading_alone() -> None:
    _, output, _ = await run_command(PROGRAM, "token", "--user", "ann", "--read-only", BETTER_AUTH_SECRET=SECRET)
    assert jwt.decode(output.strip(), SECRET, ["HS256"], audience=PROGRAM)["scope"] == "tasks:read"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--user", "ann", "--days", "0"],
        ["--user", "ann", "--days", "3651"],
        ["--user", ""],
        ["--user", "a\nb"],
        ["--user", "x" * 256],
        [],
    ],
)
async def test_a_token_that_makes_no_sense_is_not_made(arguments: list[str]) -> None:
    code, output, errors = await run_command(PROGRAM, "token", *arguments, BETTER_AUTH_SECRET=SECRET)
    assert (code, output) == (2, "")
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", [["serve"], ["token", "--user", "ann"]])
@pytest.mark.parametrize("secret", ["", "short-and-not-shown"])
async def test_without_a_good_secret_nothing_is_served_or_signed(command: list[str], secret: str) -> None:
    code, output, errors = await run_command(PROGRAM, *command, BETTER_AUTH_SECRET=secret)
    assert (code, output) == (2, "")
    assert errors.startswith("error: BETTER_AUTH_SECRET: ")
    assert errors.count("\n") == 1
    assert "short-and-not-shown" not in errors


async def test_migrate_needs_no_secret(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a/folder/that/is/not/there/todo.db"
    code, output, _ = await run_command(PROGRAM, "migrate", DATABASE_URL=url)
    assert (code, output) == (0, "")
    assert (tmp_path / "a/folder/that/is/not/there/todo.db").exists()


@pytest.mark.parametrize("command", [["migrate"], ["serve"], ["token", "--revoke", "--user", "ann"]])
async def test_a_database_that_is_not_there_ends_the_command_with_one_line(command: list[str]) -> None:
    url = f"postgresql://todo:not-to-be-shown@127.0.0.1:{free_port()}/todo"
    code, _, errors = await run_command(PROGRAM, *command, DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET)
    assert code == 1
    assert errors.startswith("error: the database of DATABASE_URL does not answer: ")
    assert errors.count("\n") == 1
    assert "not-to-be-shown" not in errors


async def test_a_wrong_value_ends_the_command_with_the_variables_name() -> None:
    code, output, errors = await run_command(PROGRAM, "serve", PORT="eight", BETTER_AUTH_SECRET=SECRET)
    assert (code, output) == (2, "")
    assert errors.startswith("error: PORT: ")
    assert errors.count("\n") == 1
