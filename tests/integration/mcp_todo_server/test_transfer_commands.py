"""mcp-todo-server export and import, as a person runs them."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mcp_todo_server import schema

from tests.integration.mcp_todo_server.conftest import PROGRAM as EXECUTABLE
from tests.support.databases import sqlite_database
from tests.support.services import clean_environment, free_port, migrate, run_command

PROGRAM = "mcp-todo-server"
TODO_TXT = "(A) 2026-01-02 Call Mom +Family @phone due:2026-12-24\nx 2026-01-03 2026-01-01 Pay\n"


async def run(*arguments: str, given: str = "", **variables: str) -> tuple[int, str, str]:
    """Run a command with this on its standard input, through a pipe."""
    process = await asyncio.create_subprocess_exec(
        EXECUTABLE,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(**variables),
    )
    output, errors = await asyncio.wait_for(process.communicate(given.encode()), 30)
    return process.returncode or 0, output.decode(), errors.decode()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_device(path: str) -> bool:
    return Path(path).is_char_device()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_database(tmp_path)


async def test_a_list_goes_from_one_database_to_another(tmp_path: Path, database_url: str, url: str) -> None:
    if database_url.startswith("postgresql"):
        await migrate(PROGRAM, database_url)
    (tmp_path / "todo.txt").write_text(TODO_TXT)
    code, output, errors = await run("import", str(tmp_path / "todo.txt"), DATABASE_URL=database_url)
    assert (code, output, errors) == (0, "", "2 tasks added\n")
    for ending in ("json", "md", "txt", "ics"):
        file = str(tmp_path / f"list.{ending}")
        assert await run("export", file, DATABASE_URL=database_url) == (0, "", "2 tasks written\n")
        told = await run("import", file, DATABASE_URL=database_url)
        assert told == (
            0,
            "",
            "0 tasks added\n2 tasks left as they are: already there (--again adds them a second time)\n",
        )
    code, output, errors = await run("import", str(tmp_path / "list.json"), "--dry-run", DATABASE_URL=url)
    assert (code, output, errors) == (0, "", "2 tasks would be added\n")
    code, output, errors = await run("import", str(tmp_path / "list.json"), DATABASE_URL=url)
    assert (code, output, errors) == (0, "", "2 tasks added\n")
    code, output, _ = await run("export", "--format", "json", DATABASE_URL=url)
    assert json.loads(output)["tasks"] == json.loads((tmp_path / "list.json").read_text())["tasks"]


async def test_new_numbers_are_told_on_standard_output(tmp_path: Path, url: str) -> None:
    (tmp_path / "list.json").write_text('[{"task_id": 4, "title": "x"}, {"task_id": 9, "title": "y"}]')
    await run("import", "--format", "todotxt", given="there already\n", DATABASE_URL=url)
    code, output, errors = await run("import", str(tmp_path / "list.json"), DATABASE_URL=url)
    assert (code, output, errors) == (0, "4\t2\n9\t3\n", "2 tasks added\n")


async def test_without_a_database_they_are_the_tasks_of_stdio(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    assert (await run("import", "--format", "todotxt", given="Buy milk\n", **home))[0] == 0
    assert list((tmp_path / "data").rglob("*.db")) == [tmp_path / "data" / PROGRAM / "todo.db"]
    assert "Buy milk" in (await run("export", "--format", "markdown", **home))[1]


async def test_every_option_can_be_a_variable(tmp_path: Path, url: str) -> None:
    imports = {
        "MCP_TODO_SERVER_IMPORT_FORMAT": "todotxt",
        "MCP_TODO_SERVER_IMPORT_USER": "bob",
        "MCP_TODO_SERVER_IMPORT_AGAIN": "1",
    }
    for _ in range(2):
        assert (await run("import", given="x\n", DATABASE_URL=url, **imports))[2] == "1 task added\n"
    dry = {**imports, "MCP_TODO_SERVER_IMPORT_DRY_RUN": "1"}
    assert (await run("import", given="x\n", DATABASE_URL=url, **dry))[2] == "1 task would be added\n"
    exports = {"MCP_TODO_SERVER_EXPORT_FORMAT": "markdown", "MCP_TODO_SERVER_EXPORT_USER": "bob"}
    assert (await run("export", DATABASE_URL=url, **exports))[1].count("- [ ] x") == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export"], "error: --format must be given for standard input and output: one of json, markdown, todotxt, "),
        (["export", "list.doc"], "error: --format must be given since the name list.doc does not tell: one of json, "),
        (["export", "no-such-folder/list.json"], "error: no-such-folder/list.json: No such file or directory"),
        (["export", "--user", "", "list.json"], "error: --user must be a text of 1 to 255 printable characters"),
        (["import", "--user", "a\nb", "--format", "json"], "error: --user must be a text of 1 to 255 printable "),
    ],
)
async def test_what_cannot_be_ends_with_one_line(tmp_path: Path, url: str, arguments: list[str], says: str) -> None:
    arguments = [str(tmp_path / word) if word.startswith("no-such") else word for word in arguments]
    code, output, errors = await run(*arguments, DATABASE_URL=url)
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert errors.replace(f"{tmp_path}/", "").startswith(says)


async def test_a_wrong_line_is_named_with_its_file(tmp_path: Path, url: str) -> None:
    file = tmp_path / "todo.txt"
    file.write_text("x\ny due:soon\n")
    code, output, errors = await run("import", str(file), DATABASE_URL=url)
    assert (code, output) == (1, "")
    assert errors == (
        f'error: {file}: line 2: due must be a date such as "2026-12-24"; got "soon"; nothing was imported\n'
    )
    code, _, errors = await run("import", "--format", "json", given='{"tasks": [}', DATABASE_URL=url)
    assert code == 1
    assert errors.startswith("error: standard input: line 1: is not JSON: ")


async def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    url = f"postgresql://todo:not-to-be-shown@127.0.0.1:{free_port()}/todo"
    (tmp_path / "todo.txt").write_text("x\n")
    for arguments in (["import", str(tmp_path / "todo.txt")], ["export", str(tmp_path / "list.json")]):
        code, _, errors = await run_command(PROGRAM, *arguments, DATABASE_URL=url)
        assert code == 1
        assert errors.startswith("error: the database of DATABASE_URL does not answer: ")
        assert errors.count("\n") == 1
    assert names(tmp_path) == ["todo.txt"]


async def test_an_export_that_fails_leaves_the_file_as_it_was(tmp_path: Path, url: str) -> None:
    file = tmp_path / "list.json"
    file.write_text("as it was")
    others = tmp_path / "list.json.part"
    others.write_text("somebody's own")
    await schema.migrate(url)
    await run("import", "--format", "todotxt", given="x\n", DATABASE_URL=url)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        # A row that no release writes.
        connection.execute("UPDATE tasks SET priority_rank = 9")
        connection.commit()
    code, _, _ = await run("export", str(file), DATABASE_URL=url)
    assert code != 0
    assert file.read_text() == "as it was"
    assert others.read_text() == "somebody's own"
    assert [name for name in names(tmp_path) if name.endswith(".part")] == [others.name]


async def test_exports_go_where_they_are_sent(tmp_path: Path, url: str) -> None:
    await run("import", "--format", "todotxt", given="Buy milk\n", DATABASE_URL=url)
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "real.md").write_text("")
    (folder / "real.md").chmod(0o640)
    (tmp_path / "link.md").symlink_to(folder / "real.md")
    assert (await run("export", str(tmp_path / "link.md"), DATABASE_URL=url))[0] == 0
    assert (tmp_path / "link.md").is_symlink()
    assert "Buy milk" in (folder / "real.md").read_text()
    assert (folder / "real.md").stat().st_mode & 0o777 == 0o640
    # A device stays one.
    assert (await run("export", "/dev/null", "--format", "json", DATABASE_URL=url))[0] == 0
    assert is_device("/dev/null")
    assert names(folder) == ["real.md"]
