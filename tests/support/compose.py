"""docker-compose.yml as an operator starts it, under a project name, a tag and ports of its own."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.services import clean_environment, free_port

ROOT: Final = Path(__file__).resolve().parents[2]
UP_SECONDS: Final = 420
"""Longest time that building both images from nothing and starting everything may take."""
COMMAND_SECONDS: Final = 120


class Compose:
    """One project: its name, its settings file, and commands on it."""

    def __init__(self, settings_file: Path) -> None:
        self.settings_file: Final = settings_file
        self.tag: Final = f"test-{uuid.uuid4().hex[:8]}"
        self.port: Final = free_port()
        self.mcp_port: Final = free_port()

    @property
    def chat_url(self) -> str:
        """chat-api's address from outside."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def mcp_url(self) -> str:
        """The MCP endpoint's address from outside."""
        return f"http://127.0.0.1:{self.mcp_port}/mcp"

    def write_settings(self) -> None:
        """Make the settings file with `make env`'s program, and add what keeps this project apart from others."""
        subprocess.run(
            [sys.executable, ROOT / "deploy" / "make_env.py", self.settings_file],
            check=True,
            capture_output=True,
            timeout=COMMAND_SECONDS,
        )
        with self.settings_file.open("a") as file:
            file.write(f"IMAGE_TAG={self.tag}\nPORT={self.port}\nMCP_PORT={self.mcp_port}\n")
            for image in ("PYTHON_IMAGE", "POSTGRES_IMAGE"):
                if image in os.environ:
                    file.write(f"{image}={os.environ[image]}\n")

    def setting(self, name: str) -> str:
        """Return a value from the settings file."""
        for line in self.settings_file.read_text().splitlines():
            if line.startswith(f"{name}="):
                return line.partition("=")[2]
        raise AssertionError(f"{name} is not in {self.settings_file.name}")

    def run(self, *arguments: str, check: bool = True, timeout: int = COMMAND_SECONDS) -> str:
        """Run `docker compose`; returns what it wrote to both outputs."""
        return docker(
            *("compose", "--project-name", self.tag, "--project-directory", str(ROOT)),
            *("--env-file", str(self.settings_file), *arguments),
            check=check,
            timeout=timeout,
        )

    def container(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container, stopped ones included."""
        container_id = self.run("ps", "--all", "--quiet", service).strip()
        inspected: list[dict[str, Any]] = json.loads(docker("inspect", container_id))
        return inspected[0]


def docker(*arguments: str, check: bool = True, timeout: int = COMMAND_SECONDS) -> str:
    """Run the Docker client without this process's settings, which would win over the settings file."""
    engine = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    done = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env=clean_environment(**engine),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


@contextmanager
def running_stack(settings_file: Path) -> Iterator[Compose]:
    """Build and start everything, and leave nothing behind: no container, volume, network or image."""
    compose = Compose(settings_file)
    compose.write_settings()
    try:
        try:
            compose.run("up", "--wait", timeout=UP_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{compose.run('logs', '--no-color', check=False)}") from None
        yield compose
    finally:
        compose.run("down", "--volumes", "--remove-orphans", check=False)
        for image in ("chat-api", "mcp-todo-server"):
            docker("image", "rm", f"todo-chat/{image}:{compose.tag}", check=False)
