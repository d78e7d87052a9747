"""What both Dockerfiles must keep to, so that every engine from 20.10 on builds them from the same tools."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILES = sorted((ROOT / "deploy" / "docker").glob("*.Dockerfile"))


def instructions(dockerfile: Path) -> list[str]:
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    return text.replace("\\\n", " ").splitlines()


def test_there_is_one_for_each_service() -> None:
    assert [file.name for file in DOCKERFILES] == ["chat-api.Dockerfile", "mcp-todo-server.Dockerfile"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.stem)
def test_nothing_in_it_needs_a_newer_builder_or_a_further_image(dockerfile: Path) -> None:
    assert not dockerfile.read_text().startswith("# syntax")
    for line in instructions(dockerfile):
        assert not re.search(r"<<|--link\b|--mount\b|--chmod\b|--start-interval\b", line), line
    bases = [line.split()[1] for line in instructions(dockerfile) if line.startswith("FROM ")]
    assert bases == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.stem)
def test_it_uses_the_same_uv_as_the_makefile(dockerfile: Path) -> None:
    makefile = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    image = re.search(r"^ARG UV_VERSION=(\S+)$", dockerfile.read_text(), re.MULTILINE)

    assert makefile is not None
    assert image is not None
    assert image[1] == makefile[1]


def test_both_are_the_same_but_for_the_service() -> None:
    def neutral(file: Path, service: str, port: str) -> list[str]:
        lines = [line.replace(service, "SERVICE").replace(port, "PORT") for line in instructions(file)]
        return [re.sub(r'(image\.description=)"[^"]*"', r"\1", line) for line in lines]

    chat_api, todo_server = DOCKERFILES
    assert neutral(chat_api, "chat-api", "8000") == neutral(todo_server, "mcp-todo-server", "8001")
