"""The extension for Claude Desktop: valid by its own tool, whole, and a server once it is unpacked and started."""

import asyncio
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_todo_server.tasks.tools import TOOLS

from tests.support.documents import ROOT
from tests.support.node import npm_packages
from tests.support.services import clean_environment

DEPLOY: Final = ROOT / "deploy" / "mcpb"
MANIFESTS: Final = Path(__file__).parent / "npm"
SECONDS: Final = 300
_INDEX_SILENT: Final = re.compile("Failed to fetch|error sending request|Could not connect|timed out", re.IGNORECASE)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension, built as `make mcpb` builds it."""
    target = tmp_path_factory.mktemp("dist") / "mcp-todo-server.mcpb"
    subprocess.run((sys.executable, DEPLOY / "build.py", target), check=True, timeout=60)
    return target


@pytest.fixture
def manifest() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((DEPLOY / "manifest.json").read_text())
    return read


def mcpb(pytestconfig: pytest.Config, *arguments: str | Path) -> str:
    """Run the tool that extensions are made with; returns what it says."""
    cache = pytestconfig.cache
    assert cache is not None
    program = npm_packages(MANIFESTS, cache) / "node_modules" / ".bin" / "mcpb"
    done = subprocess.run(
        (program, *arguments), capture_output=True, text=True, timeout=120, env=clean_environment(), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_manifest_says_what_the_server_is(manifest: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "mcp-todo-server" / "pyproject.toml").read_text())["project"]
    assert manifest["version"] == project["version"]
    assert manifest["compatibility"]["runtimes"]["python"] == project["requires-python"]
    assert [tool["name"] for tool in manifest["tools"]] == [tool.name for tool in TOOLS]
    assert set(re.findall(r"\$\{user_config\.(\w+)\}", json.dumps(manifest["server"]))) == set(manifest["user_config"])
    # Nobody is asked for anything before it works.
    assert not any(option["required"] for option in manifest["user_config"].values())
    assert all("default" in option for option in manifest["user_config"].values())


def test_the_icon_is_a_picture_of_the_size_that_is_asked_for() -> None:
    content = (DEPLOY / "icon.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (512, 512)


def test_the_tool_accepts_the_manifest_and_packs_the_same_files(
    bundle: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    mcpb(pytestconfig, "unpack", bundle, tmp_path / "unpacked")
    assert "passes" in mcpb(pytestconfig, "validate", tmp_path / "unpacked" / "manifest.json")
    mcpb(pytestconfig, "pack", tmp_path / "unpacked", tmp_path / "packed.mcpb")
    with zipfile.ZipFile(bundle) as ours, zipfile.ZipFile(tmp_path / "packed.mcpb") as theirs:
        assert sorted(ours.namelist()) == sorted(theirs.namelist())
        for name in ours.namelist():
            assert ours.read(name) == theirs.read(name), name


def test_the_same_source_makes_the_same_bundle(bundle: Path, tmp_path: Path) -> None:
    subprocess.run((sys.executable, DEPLOY / "build.py", tmp_path / "again.mcpb"), check=True, timeout=60)
    assert (tmp_path / "again.mcpb").read_bytes() == bundle.read_bytes()


def test_every_file_of_the_packages_is_in_it_and_nothing_of_this_machine(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as opened:
        names = set(opened.namelist())
        contents = [opened.read(name) for name in names]
    for package in ("mcp-todo-server", "shared"):
        for path in (ROOT / package / "src").rglob("*.py"):
            assert path.relative_to(ROOT).as_posix() in names
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".db", ".lock"))]
    assert not any(str(ROOT).encode() in content for content in contents)


def databases(folder: Path, name: str) -> list[Path]:
    return list(folder.rglob(name))


async def test_the_bundle_is_a_server_once_it_is_unpacked(
    bundle: Path, tmp_path: Path, manifest: dict[str, Any]
) -> None:
    extension = tmp_path / "extension"
    with zipfile.ZipFile(bundle) as opened:
        opened.extractall(extension)
    environment = clean_environment(**_index_settings(), HOME=str(tmp_path), UV_CACHE_DIR=_uv_cache())
    uv = await _installed(extension, environment)
    for folder, database in (("", "data/mcp-todo-server/todo.db"), (str(tmp_path / "my lists"), "my lists/todo.db")):
        variables = {"__dirname": str(extension), "user_config.user": "local", "user_config.folder": folder}
        config = manifest["server"]["mcp_config"]
        parameters = StdioServerParameters(
            command=uv,
            args=[_expanded(word, variables) for word in config["args"]],
            env={
                **environment,
                "XDG_DATA_HOME": str(tmp_path / "data"),
                "DATABASE_URL": "sqlite:///somebody-elses.db",
                **{name: _expanded(value, variables) for name, value in config["env"].items()},
            },
            cwd=tmp_path,
        )
        log = tmp_path / "stderr.log"
        try:
            with log.open("w") as errors:
                async with Client(stdio_client(parameters, errlog=errors), mode="legacy") as client:
                    assert [tool.name for tool in (await client.list_tools()).tools] == [tool.name for tool in TOOLS]
                    assert not (await client.call_tool("add_task", {"title": "kept"})).is_error
        finally:
            # Shown where the test fails: the client says no more than that the connection is closed.
            print(log.read_text())
        assert (tmp_path / database).exists()
    assert not databases(tmp_path, "somebody-elses.db")


async def _installed(extension: Path, environment: dict[str, str]) -> str:
    """Install what the extension depends on, as a host does; returns uv's path."""
    uv = shutil.which("uv", path=f"{os.environ['PATH']}{os.pathsep}{ROOT / '.uv' / 'bin'}")
    if uv is None:
        _missing("uv")
    process = await asyncio.create_subprocess_exec(
        *(uv, "sync", "--quiet", "--directory", str(extension), "--python", sys.executable),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    told = output.decode()
    if process.returncode != 0 and _INDEX_SILENT.search(told):
        _missing(f"a package index: {told.strip().splitlines()[0]}")
    assert process.returncode == 0, told
    # The versions that the tests ran with, as far as they are locked.
    locked = (ROOT / "mcp-todo-server" / "requirements.lock").read_text()
    (mcp,) = (extension / ".venv").glob("lib/python*/site-packages/mcp-[0-9]*.dist-info")
    assert f"{mcp.name.removesuffix('.dist-info').replace('-', '==')} " in locked
    return uv


def _missing(what: str) -> NoReturn:
    """End the test: skipped by name, or failed where REQUIRE_NODE=1 promises what it takes to install packages."""
    message = f"needs {what}"
    if os.environ.get("REQUIRE_NODE") == "1":
        pytest.fail(f"{message} (REQUIRE_NODE=1)", pytrace=False)
    pytest.skip(message)


def _expanded(text: str, variables: dict[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def _index_settings() -> dict[str, str]:
    """Where this machine's packages come from, and whom it trusts for that."""
    return {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_CERT_"))}


def _uv_cache() -> str:
    return os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
