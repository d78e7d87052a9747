"""The commands `export` and `import` of the console script."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import click

from mcp_todo_server.console import (
    WRONG_SETTINGS,
    checked_user,
    environment_settings,
    fail,
    local_database_url,
    open_database,
    run,
)
from mcp_todo_server.settings import Settings

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

STANDARD: Final = "-"
FORMATS: Final = ("json", "markdown", "todotxt", "icalendar")
_ENDINGS: Final = {".json": "json", ".md": "markdown", ".markdown": "markdown", ".txt": "todotxt", ".ics": "icalendar"}


def _format_option(command: str) -> Callable[[FunctionT], FunctionT]:
    return click.option(
        "--format",
        "format_name",
        type=click.Choice(FORMATS),
        # The name that it would have by itself is the parameter's.
        envvar=f"MCP_TODO_SERVER_{command.upper()}_FORMAT",
        show_envvar=True,
        help="The file's format; unless given, its name's ending tells: .json, .md, .txt, .ics.",
    )


_user_option = click.option("--user", default="local", show_envvar=True, help="The user whose tasks they are.")


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, allow_dash=True), default=STANDARD)
@_format_option("export")
@_user_option
def export_list(file: str, format_name: str | None, user: str) -> None:
    """Write a user's tasks to FILE, or to standard output.

    JSON holds everything, deleted tasks too; the other formats hold open and completed tasks, and what they have a
    place for. Without DATABASE_URL, the tasks are those of `stdio`.
    """
    settings = environment_settings()
    run(_export(file, _format(file, format_name), checked_user(user), settings))


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), default=STANDARD)
@_format_option("import")
@_user_option
@click.option("--dry-run", is_flag=True, show_envvar=True, help="Say what would be done, and change nothing.")
@click.option("--again", is_flag=True, show_envvar=True, help="Add tasks that are there already a second time.")
def import_list(file: str, format_name: str | None, user: str, *, dry_run: bool, again: bool) -> None:
    """Add the tasks of FILE, or of standard input, to a user's list: all of them, or none where one is wrong.

    Tasks that are there already are left as they are, so a file can be imported any number of times. Where a task
    gets another number than it has in the file, standard output names both, in two columns. Without DATABASE_URL,
    the tasks are those of `stdio`.
    """
    settings = environment_settings()
    run(_import(file, _format(file, format_name), checked_user(user), settings, dry_run=dry_run, again=again))


async def _export(file: str, format_name: str, user: str, settings: Settings) -> None:
    from mcp_todo_server.transfer.formats import FORMATS_BY_NAME
    from mcp_todo_server.transfer.service import TransferService

    database = await open_database(local_database_url(settings), 1)
    try:
        with _writing(file) as target:
            report = await TransferService(database).write(user, FORMATS_BY_NAME[format_name], target)
    finally:
        await database.close()
    _say(f"{_tasks(report.tasks)} written")
    for what, count in report.left_out.items():
        _say(f"{format_name} has no place for {what}: left out of {_tasks(count)}")


async def _import(file: str, format_name: str, user: str, settings: Settings, *, dry_run: bool, again: bool) -> None:
    from mcp_todo_server.transfer.errors import TransferError
    from mcp_todo_server.transfer.formats import FORMATS_BY_NAME
    from mcp_todo_server.transfer.service import TransferService

    database = await open_database(local_database_url(settings), 1)
    try:
        with _reading(file) as source:
            report = await TransferService(database).read(
                user, FORMATS_BY_NAME[format_name], source, dry_run=dry_run, again=again
            )
    except TransferError as error:
        fail(f"{'standard input' if file == STANDARD else file}: {error}; nothing was imported")
    finally:
        await database.close()
    for old, new in report.numbers.items():
        if old != new:
            click.echo(f"{old}\t{new}")
    would = "would be " if dry_run else ""
    _say(f"{_tasks(report.added)} {would}added")
    if report.present:
        _say(f"{_tasks(report.present)} left as they are: already there (--again adds them a second time)")


def _format(file: str, name: str | None) -> str:
    name = name or _ENDINGS.get(Path(file).suffix.lower())
    if name is None:
        what = "for standard input and output" if file == STANDARD else f"since the name {file} does not tell"
        fail(f"--format must be given {what}: one of {', '.join(FORMATS)}", WRONG_SETTINGS)
    return name


@contextmanager
def _reading(file: str) -> Iterator[IO[bytes]]:
    """Open a file that can be read more than once, whatever it is that is read."""
    with _told(file), click.open_file(file, "rb") as source, tempfile.TemporaryFile() as copy:
        if file != STANDARD and source.seekable():
            yield source
            return
        # A transaction is not kept waiting for whoever is still writing it.
        shutil.copyfileobj(source, copy)
        copy.seek(0)
        yield copy


@contextmanager
def _writing(file: str) -> Iterator[IO[bytes]]:
    """Open a file that is there whole in the end, or as it was before."""
    path = Path(file)
    if file == STANDARD or (path.exists() and not path.is_file()):
        # Written only once it is complete: a snapshot is not kept open for whoever is reading it.
        with tempfile.TemporaryFile() as copy:
            yield copy
            copy.seek(0)
            with _told(file), click.open_file(file, "wb") as target:
                shutil.copyfileobj(copy, target)
        return
    path = path.resolve()
    # A name that nobody else has: neither a file of the user's nor another export.
    part = path.with_name(f".mcp-todo-server-{secrets.token_hex(8)}.part")
    with _told(file):
        target = part.open("xb")
    try:
        with target:
            if path.exists():
                shutil.copymode(path, part)
            yield target
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _told(file: str) -> Iterator[None]:
    """End the command with one line where this file cannot be opened, read or written."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        fail(f"{file}: {error.strerror}", WRONG_SETTINGS)


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"


def _say(line: str) -> None:
    # Standard output is for the file, and for numbers.
    click.echo(line, err=True)
