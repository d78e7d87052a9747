"""What README and docs state as fact is compared with the code: settings, endpoints, problems, tools, links."""

import importlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from chat_api.app import create_app
from chat_api.cli import chat as terminal_chat
from chat_api.problems import ProblemError
from chat_api.settings import Settings as ChatSettings
from fastapi import FastAPI
from mcp_todo_server.cli import main as todo_command
from mcp_todo_server.settings import Settings as TodoSettings
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
DEVELOPMENT: Final = ROOT / "docs" / "development.md"
CLAUDE_DESKTOP: Final = ROOT / "deploy" / "claude-desktop"
NOTHING: Final = "–"
_METHODS: Final = {"get", "post", "patch", "delete", "put"}


@pytest.fixture
def app() -> FastAPI:
    return create_app(ChatSettings(better_auth_secret=SECRET))


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


def test_claude_desktops_files_stand_in_the_readme() -> None:
    shown = [json.loads(block.text) for block in blocks(README) if "client" in block.marks]
    files = sorted(CLAUDE_DESKTOP.glob("*.json"))
    assert [file.name for file in files] == ["http.json", "stdio.json"]
    for file in files:
        assert json.loads(file.read_text()) in shown, file.name


def test_client_configuration_starts_real_commands() -> None:
    configurations = [json.loads(block.text) for block in blocks(README) if "client" in block.marks]
    entries = [entry for each in configurations for entry in (each.get("mcpServers") or each["servers"]).values()]
    started = [(Path(entry["command"]).name, entry["args"]) for entry in entries if "command" in entry]
    assert len(entries) == 6
    for command, arguments in started:
        if command == "npx":
            assert "mcp-remote" in arguments
        else:
            assert command == "mcp-todo-server"
            assert arguments[0] in todo_command.commands
    addresses = [entry["url"] for entry in entries if "url" in entry]
    addresses += [word for _, arguments in started for word in arguments if word.startswith("http:")]
    assert addresses == [f"http://127.0.0.1:{TodoSettings.model_fields['port'].default}/mcp"] * 3


def test_console_commands_in_the_text_are_real() -> None:
    named = set()
    for document in DOCUMENTS:
        named |= set(re.findall(r"(chat-api|mcp-todo-server) (serve|stdio|migrate|token|chat)\b", document.read_text()))
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
