"""The console script: what it prints, and how it ends where something has to be put right."""

import asyncio
import datetime as dt
import signal
import sys
import time
from pathlib import Path

import jwt
import psycopg
import pytest
from mcp_todo_server import schema
from mcp_todo_server.database import Database
from mcp_todo_server.users.service import UserService

from tests.support.databases import NewDatabase
from tests.support.services import clean_environment, free_port, run_command
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


async def test_every_option_can_be_a_variable() -> None:
    options = {"USER": "ann", "DAYS": "2", "READ_ONLY": "1"}
    variables = {f"MCP_TODO_SERVER_TOKEN_{name}": value for name, value in options.items()}
    code, output, errors = await run_command(PROGRAM, "token", BETTER_AUTH_SECRET=SECRET, **variables)
    assert (code, errors) == (0, "")
    claims = jwt.decode(output.strip(), SECRET, ["HS256"], audience=PROGRAM)
    assert (claims["sub"], claims["scope"]) == ("ann", "tasks:read")
    assert claims["exp"] - time.time() == pytest.approx(2 * 86_400, abs=60)


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


@pytest.mark.parametrize("command", [["migrate"], ["serve"], ["token", "--revoke", "--user", "ann"], ["stdio"]])
async def test_a_folder_that_cannot_be_made_ends_the_command_with_one_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").touch()
    url = f"sqlite:///{tmp_path}/file/todo.db"
    code, output, errors = await run_command(PROGRAM, *command, DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET)
    assert (code, output) == (2, "")
    assert errors.startswith("error: DATABASE_URL: ")
    assert errors.endswith(f": {tmp_path}/file\n")
    assert errors.count("\n") == 1


@pytest.mark.docker
async def test_a_migration_that_is_stopped_does_not_pass_for_one_that_was_made(new_database: NewDatabase) -> None:
    url = new_database("postgresql")
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as somebody_else:
        await somebody_else.execute(f"SELECT pg_advisory_lock({schema._ADVISORY_LOCK})")
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / PROGRAM, "migrate", env=clean_environment(DATABASE_URL=url)
        )
        for _ in range(600):
            if await (await somebody_else.execute(waiting)).fetchone() == (1,):
                break
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 128 + signal.SIGTERM


async def test_a_revocation_never_moves_back(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await schema.migrate(database_url)
    database = Database(database_url)
    users = UserService(database)
    ahead = time.time() + 3600

    async def revoke_at(moment: float) -> dt.datetime:
        with monkeypatch.context() as patch:
            patch.setattr("mcp_todo_server.users.service.time.time", lambda: moment)
            patch.setattr("mcp_todo_server.users.service.asyncio.sleep", _no_wait)
            return await users.revoke_tokens("ann")

    first = await revoke_at(ahead)
    assert first > dt.datetime.fromtimestamp(ahead, dt.UTC)
    assert await revoke_at(ahead - 1800) == first
    assert await users.is_revoked("ann", ahead - 900)
    later = await revoke_at(ahead + 60)
    assert later - first == dt.timedelta(seconds=60)
    assert not await users.is_revoked("ann", later.timestamp())
    await database.close()


async def _no_wait(_seconds: float) -> None: ...
