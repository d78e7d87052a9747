"""What README and docs state as fact is compared with the code: settings, endpoints, problems, tools, links."""

import importlib
import json
import math
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from chat_api.app import create_app
from chat_api.cli import chat as terminal_chat
from chat_api.problems import ProblemError
from chat_api.settings import Settings as ChatSettings
from fastapi import FastAPI
from mcp_todo_server.app import mcp_server
from mcp_todo_server.changes.service import ChangeFeed
from mcp_todo_server.cli import main as todo_command
from mcp_todo_server.database import Database
from mcp_todo_server.server import TodoServer
from mcp_todo_server.settings import Settings as TodoSettings
from mcp_todo_server.tasks.calls import Caller
from mcp_todo_server.tasks.tools import TOOLS
from pydantic_core import PydanticUndefined

from tests.support.documents import (
    DOCUMENTS,
    ROOT,
    anchors,
    blocks,
    code_spans,
    links,
    matches,
    matches_text,
    prose,
    table,
)
from tests.support.tokens import SECRET

README: Final = ROOT / "README.md"
API: Final = ROOT / "docs" / "api.md"
TODO_SERVER: Final = ROOT / "docs" / "todo-server.md"
TODO_CLIENTS: Final = ROOT / "docs" / "todo-clients.md"
DEVELOPMENT: Final = ROOT / "docs" / "development.md"
NOTHING: Final = "–"
_METHODS: Final = {"get", "post", "patch", "delete", "put"}


@pytest.fixture
def app() -> FastAPI:
    return create_app(ChatSettings(better_auth_secret=SECRET))


@pytest.fixture
async def todo_server(tmp_path: Path) -> AsyncIterator[TodoServer]:
    """What the todo server publishes; nothing is asked of its database."""
    database = Database(f"sqlite:///{tmp_path / 'todo.db'}")
    yield mcp_server(database, ChangeFeed(database), lambda: Caller("ann", frozenset()))
    await database.close()


def test_the_configuration_table_is_the_settings_of_both_services() -> None:
    assert dict(_documented_settings()) == dict(_settings())


def test_every_setting_says_what_it_means() -> None:
    for row in table(README, "Variable"):
        assert len(row["Meaning"]) > 10, row["Variable"]


def test_the_compose_file_reads_what_its_example_names() -> None:
    read = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert read == set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_the_terminal_chats_variables_are_documented() -> None:
    variables = {str(option.envvar) for option in terminal_chat.params}
    assert variables == set(re.findall(r"`(CHAT_API_\w+)`", README.read_text()))


def test_the_endpoint_table_is_the_api(app: FastAPI) -> None:
    described = {}
    for path, operations in app.openapi()["paths"].items():
        for method in operations.keys() & _METHODS:
            described[f"{method.upper()} {path}"] = {int(status) for status in operations[method]["responses"]}
    documented = {
        code_spans(row["Call"])[0]: {
            int(status) for status in re.findall(r"\d+", f"{row['Success']} {row['Other statuses']}")
        }
        for row in table(API, "Call")
    }
    assert documented == described


def test_the_problem_table_is_every_problem_there_is() -> None:
    # Importing the application has imported all of them.
    known = {problem.type: int(problem.status) for problem in _subclasses(ProblemError) if hasattr(problem, "type")}
    documented = {code_spans(row["Type"])[0]: int(row["Status"]) for row in table(API, "Type")}
    assert documented == known


def test_the_tool_table_is_the_tools() -> None:
    documented = {code_spans(row["Tool"])[0]: code_spans(row["Arguments"]) for row in table(TODO_SERVER, "Tool")}
    assert documented == {tool.name: list(tool.arguments.model_fields) for tool in TOOLS}


def test_every_argument_says_what_it_takes() -> None:
    documented = [name for row in table(TODO_SERVER, "Argument") for name in code_spans(row["Argument"])]
    assert len(documented) == len(set(documented))
    assert set(documented) == {name for tool in TOOLS for name in tool.arguments.model_fields}


async def test_the_resource_table_is_what_there_is_to_read(todo_server: TodoServer) -> None:
    fixed = {str(resource.uri) for resource in await todo_server.list_resources()}
    templates = {template.uri_template for template in await todo_server.list_resource_templates()}
    documented = {code_spans(row["Resource"])[0] for row in table(TODO_CLIENTS, "Resource")}
    assert documented == {uri for uri in fixed | templates if uri.startswith("todo://")}


async def test_the_prompt_table_is_the_prompts(todo_server: TodoServer) -> None:
    prompts = await todo_server.list_prompts()
    assert {code_spans(row["Prompt"])[0] for row in table(TODO_CLIENTS, "Prompt")} == {
        prompt.name for prompt in prompts
    }
    assert {argument.name for prompt in prompts for argument in prompt.arguments or ()} == {"focus"}


def test_the_table_of_test_variables_is_what_tests_ask_for() -> None:
    asked = {
        variable
        for file in [*(ROOT / "tests").rglob("*.py"), ROOT / ".ci" / "run"]
        for variable in re.findall(r"\b(REQUIRE_[A-Z]+)\b", file.read_text())
    }
    assert {f"{variable}=1" for variable in asked} == {
        code_spans(row["Variable"])[0] for row in table(DEVELOPMENT, "Variable")
    }


def test_every_page_can_be_found_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README) if not link.startswith("https://")}
    assert {document for document in DOCUMENTS if document != README} <= linked


def test_every_picture_is_shown() -> None:
    shown = {
        (document.parent / link).resolve()
        for document in DOCUMENTS
        for link in links(document)
        if link.endswith(".png")
    }
    assert shown == set((ROOT / "docs" / "images").iterdir())


def test_the_target_table_is_the_makefile() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {code_spans(row["Target"])[0] for row in table(DEVELOPMENT, "Target")} == set(targets)


def test_every_target_that_make_is_told_of_has_a_rule() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (told,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert set(told.split()) == set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in links(document):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), f"{document.name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_files_named_in_the_text_exist(document: Path) -> None:
    named = [span for span in code_spans(prose(document)) if re.match(r"(docs|deploy|tests|agent)/[\w./-]+$", span)]
    for path in named:
        folders = (ROOT, ROOT / "chat-api" / "src" / "chat_api")
        assert any((folder / path).exists() for folder in folders), f"{document.name} names {path}"


def test_the_layout_in_the_architecture_exists() -> None:
    folder, named = ROOT, 0
    (layout,) = (block for block in blocks(ROOT / "docs" / "architecture.md") if block.language == "text")
    for line in layout.text.splitlines():
        # File names come first; two spaces set off what is said about them.
        names = re.split(r" {2,}", line.strip())[0].split()
        if not line.startswith(" "):
            folder = ROOT / names[0]
            assert folder.is_dir(), line
            continue
        for name in names:
            assert (folder / name).exists(), f"{folder.relative_to(ROOT)}/{name}"
            named += 1
    assert named > 20


def test_the_shown_client_file_is_one_of_those_in_deploy() -> None:
    (shown,) = [json.loads(block.text) for block in blocks(README) if "client" in block.marks]
    assert shown == json.loads((ROOT / "deploy" / "claude-desktop" / "stdio.json").read_text())


def test_every_client_file_is_linked() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "deploy").glob("*/*.json")}
    assert files - {"deploy/mcpb/manifest.json"} == {link for link in links(README) if link.endswith(".json")}


def test_console_commands_in_the_text_are_real() -> None:
    named = set()
    for document in DOCUMENTS:
        commands = r"(chat-api|mcp-todo-server) (serve|stdio|migrate|token|export|import|chat)\b"
        named |= set(re.findall(commands, document.read_text()))
    known = {("mcp-todo-server", name) for name in todo_command.commands}
    known |= {("chat-api", name) for name in importlib.import_module("chat_api.cli").main.commands}
    assert named == known


@pytest.mark.parametrize(
    ("shown", "actual"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2}),
        ([1], [1, 1]),
        ("x…z", "xyzz!"),
        (None, ""),
        (1, True),
        ("1", 1),
        (math.nan, "1"),
        (math.nan, None),
        (math.nan, True),
    ],
)
def test_a_shown_result_that_differs_is_noticed(shown: Any, actual: Any) -> None:
    assert not matches(shown, actual)


def test_dots_in_a_shown_result_stand_for_any_text() -> None:
    assert matches({"at": "…Z", "n": [1, None]}, {"at": "2026-11-23T00:00:00Z", "n": [1, None]})
    assert matches({"n": math.nan}, {"n": 17})
    assert matches_text("a…c", "a\nb\nc")


def _documented_settings() -> Iterator[tuple[str, tuple[str, ...]]]:
    for row in table(README, "Variable"):
        services = {"both": ("chat-api", "mcp-todo-server")}.get(row["Service"], (row["Service"],))
        defaults = [NOTHING] if row["Default"] == NOTHING else code_spans(row["Default"])
        if len(defaults) < len(services):
            defaults *= len(services)
        yield code_spans(row["Variable"])[0], tuple(map(" ".join, zip(services, defaults, strict=True)))


def _settings() -> Iterator[tuple[str, tuple[str, ...]]]:
    chat, todo = (
        {name.upper(): f"{service} {_default(field.default)}" for name, field in settings.model_fields.items()}
        for service, settings in (("chat-api", ChatSettings), ("mcp-todo-server", TodoSettings))
    )
    for name in chat | todo:
        yield name, tuple(described[name] for described in (chat, todo) if name in described)


def _default(value: Any) -> str:
    assert value is not PydanticUndefined
    match value:
        case None | ():
            return NOTHING
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


def _subclasses(base: type[ProblemError]) -> Iterator[type[ProblemError]]:
    for problem in base.__subclasses__():
        # Some are made on the fly, one for each plain HTTP error.
        if problem.__name__ != "PlainError":
            yield problem
            yield from _subclasses(problem)
