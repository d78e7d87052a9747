"""Every command that README and docs mark as runnable is run against real services and prints what is shown."""

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support.databases import sqlite_database
from tests.support.documents import DOCUMENTS, ROOT, Block, Example, blocks, examples, matches, matches_text
from tests.support.services import Service, clean_environment, running_chat_api, running_todo_server
from tests.support.tokens import SECRET, mcp_token, user_token

COMMAND_SECONDS: Final = 60
DEMO_USER: Final = "demo"
PROMPT: Final = "you> "
WITH_EXAMPLES: Final = [document for document in DOCUMENTS if examples(document)]
DOCUMENTED: Final = {"README.md": {"bash", "python"}, "docs/api.md": {"bash"}, "docs/todo-server.md": {"bash"}}
"""Documents that have to have runnable examples, and in which languages."""


def test_the_documents_that_show_commands_have_them_run() -> None:
    found = {
        str(document.relative_to(ROOT)): {example.command.language for example in examples(document)}
        for document in WITH_EXAMPLES
    }
    assert found == DOCUMENTED


@pytest.mark.parametrize("document", WITH_EXAMPLES, ids=lambda document: document.name)
async def test_every_example_does_what_the_document_shows(document: Path, tmp_path: Path) -> None:
    """A document's examples run in its order, one after the other, on services that start out empty."""
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    # Commands name the console scripts as a reader at the project's root does.
    (tmp_path / ".venv").symlink_to(sys.prefix)
    async with (
        running_todo_server(sqlite_database(tmp_path)) as todo,
        running_chat_api(sqlite_database(tmp_path), todo.mcp_url) as chat,
    ):
        for example in examples(document):
            await _check(example, chat, todo, tmp_path)


async def test_the_readmes_conversation_goes_as_shown(tmp_path: Path) -> None:
    """Also the command that the demo prints, which adds the task that the conversation begins with."""
    (conversation,) = (block for block in blocks(ROOT / "README.md") if "transcript" in block.marks)
    command, *lines = conversation.text.splitlines()
    assert command == "$ .venv/bin/chat-api chat"
    said = "".join(f"{line.removeprefix(PROMPT)}\n" for line in lines if line.startswith(PROMPT))
    # The terminal shows what is typed behind the prompt; a pipe does not.
    shown = "".join(PROMPT if line.startswith(PROMPT) else f"{line}\n" for line in lines) + PROMPT
    async with (
        running_todo_server(sqlite_database(tmp_path)) as todo,
        running_chat_api(sqlite_database(tmp_path), todo.mcp_url) as chat,
        httpx.AsyncClient(headers={"Authorization": f"Bearer {user_token(DEMO_USER)}"}, trust_env=False) as client,
    ):
        added = await client.post(
            f"{chat.base_url}/api/{DEMO_USER}/chat", json={"message": "add buy milk tomorrow"}, timeout=COMMAND_SECONDS
        )
        assert added.status_code == httpx.codes.OK, added.text
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "chat-api",
            "chat",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=clean_environment(
                CHAT_API_URL=chat.base_url, CHAT_API_TOKEN=user_token(DEMO_USER), PYTHONIOENCODING="utf-8"
            ),
        )
        output, _ = await asyncio.wait_for(process.communicate(said.encode()), COMMAND_SECONDS)
    assert process.returncode == 0
    assert output.decode().rstrip() == shown.rstrip()


async def _check(example: Example, chat: Service, todo: Service, folder: Path) -> None:
    code, output, errors = await _run(example.command, chat, todo, folder)
    assert code == 0, f"{example.command.place} ended with exit code {code}:\n{output}{errors}"
    if example.result is None:
        return
    shown, same = example.result, False
    if shown.language == "json":
        same = matches(json.loads(shown.text), _json(example.command, output))
    else:
        same = matches_text(shown.text.strip(), output.strip())
    assert same, f"{shown.place} shows\n{shown.text}\nbut the command printed\n{output}"


async def _run(command: Block, chat: Service, todo: Service, folder: Path) -> tuple[int, str, str]:
    interpreter = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}[command.language]
    text = command.text.replace("http://127.0.0.1:8000", chat.base_url).replace("http://127.0.0.1:8001", todo.base_url)
    process = await asyncio.create_subprocess_exec(
        *interpreter,
        text,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(
            TOKEN=user_token(DEMO_USER),
            TODO_TOKEN=mcp_token(DEMO_USER),
            BETTER_AUTH_SECRET=SECRET,
            NO_PROXY="127.0.0.1",
        ),
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"{command.place} has not ended after {COMMAND_SECONDS} s") from None
    return process.returncode or 0, output.decode(), errors.decode()


def _json(command: Block, output: str) -> Any:
    try:
        return json.loads(output)
    except ValueError:
        raise AssertionError(f"{command.place} printed no JSON:\n{output}") from None
