"""Every command that README and docs mark as runnable is run against real services and prints what is shown."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support.databases import sqlite_database
from tests.support.documents import (
    DOCUMENTS,
    ROOT,
    Block,
    Example,
    blocks,
    code_spans,
    examples,
    matches,
    matches_text,
    prose,
    shown_json,
    table,
)
from tests.support.services import Service, clean_environment, running_chat_api, running_todo_server
from tests.support.tokens import SECRET, mcp_token, user_token

COMMAND_SECONDS: Final = 60
DEMO_USER: Final = "demo"
PROMPT: Final = "you> "
CHAT: Final = "http://127.0.0.1:8000"
TODO: Final = "http://127.0.0.1:8001"
API: Final = ROOT / "docs" / "api.md"
WITH_EXAMPLES: Final = [document for document in DOCUMENTS if examples(document)]
DOCUMENTED: Final = {
    "README.md": {"bash", "python"},
    "docs/ag-ui.md": {"bash"},
    "docs/api.md": {"bash", "js"},
    "docs/import-export.md": {"bash"},
    "docs/todo-clients.md": {"bash"},
    "docs/todo-server.md": {"bash"},
}
"""Documents that have to have runnable examples, and in which languages."""

# A reader's terminal keeps its variables from one command to the next.
BASH: Final = """set -a
if [ -e variables.sh ]; then . ./variables.sh; fi
trap 'export -p > variables.sh' EXIT
"""


def test_the_documents_that_show_commands_have_them_run() -> None:
    found = {
        str(document.relative_to(ROOT)): {example.command.language for example in examples(document)}
        for document in WITH_EXAMPLES
    }
    assert found == DOCUMENTED


def test_every_endpoint_has_an_example() -> None:
    called = {call for example in examples(API) for call in _calls(example.command.text)}
    for row in table(API, "Call"):
        method, _, path = code_spans(row["Call"])[0].partition(" ")
        pattern = re.compile(f"{method} " + re.sub(r"\\{\w+\\}", r"[^/?]+", re.escape(path)))
        assert any(pattern.fullmatch(call) for call in called), f"no example of {method} {path}"


@pytest.mark.parametrize("document", WITH_EXAMPLES, ids=lambda document: document.name)
async def test_every_example_does_what_the_document_shows(document: Path, tmp_path: Path) -> None:
    """A document's examples run in its order, one after the other, on services that start out empty."""
    needed = {"bash", "curl"} | ({"node"} if any(one.command.language == "js" for one in examples(document)) else set())
    for program in sorted(needed):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    # Commands name the console scripts as a reader at the project's root does.
    (tmp_path / ".venv").symlink_to(sys.prefix)
    async with (
        running_todo_server(sqlite_database(tmp_path)) as todo,
        running_chat_api(sqlite_database(tmp_path), todo.mcp_url, **_demo_settings(document)) as chat,
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


def _calls(command: str) -> Iterator[str]:
    """Yield method and path of each of chat-api's endpoints that a shell command calls."""
    for curl in command.replace("\\\n", " ").split("curl ")[1:]:
        address = re.search(re.escape(CHAT) + r"(/[^\s\"'?]*)", curl)
        if address is not None:
            method = re.search(r"-X (\w+)", curl)
            usual = "POST" if " -d '{" in curl else "GET"
            yield f"{method[1] if method else usual} {address[1]}"


def _demo_settings(document: Path) -> dict[str, str]:
    """Return the settings with which the document has the demo started."""
    demos = [span.split() for span in code_spans(prose(document)) if span.endswith("make demo")]
    return dict(setting.split("=", 1) for setting in demos[0][:-2]) if demos else {}


async def _check(example: Example, chat: Service, todo: Service, folder: Path) -> None:
    code, output, errors = await _run(example.command, chat, todo, folder)
    assert code == 0, f"{example.command.place} ended with exit code {code}:\n{output}{errors}"
    if example.result is None:
        return
    shown, same = example.result, False
    if shown.language == "json":
        same = matches(shown_json(shown), _json(example.command, output))
    else:
        same = matches_text(shown.text.strip(), output.strip())
    assert same, f"{shown.place} shows\n{shown.text}\nbut the command printed\n{output}"


async def _run(command: Block, chat: Service, todo: Service, folder: Path) -> tuple[int, str, str]:
    interpreter = {
        "bash": ["bash", "-euo", "pipefail", "-c"],
        "python": [sys.executable, "-c"],
        "js": ["node", "--input-type=module", "--eval"],
    }[command.language]
    text = command.text.replace(CHAT, chat.base_url).replace(TODO, todo.base_url)
    process = await asyncio.create_subprocess_exec(
        *interpreter,
        BASH + text if command.language == "bash" else text,
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
