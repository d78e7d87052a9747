"""Node.js and npm packages, which some tests need."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final, NoReturn

import pytest

from tests.support.installed import installed_once, run_installer

MODERN: Final = (22, 19)
"""The oldest Node.js that the newer clients of MCP run on."""
_MANIFESTS: Final = ("package.json", "package-lock.json")
_BUILD_SECONDS: Final = 120
_NODE_PACKAGES: Final = Path(__file__).parent / "npm"


def require_node(*programs: str) -> str:
    """Return the path of the first of Node's programs, all of which have to be there.

    Else the test is skipped by name, or fails where REQUIRE_NODE=1 promises them.
    """
    found = {name: shutil.which(name) for name in programs}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        _node_missing(f"there is no {' and no '.join(missing)}")
    return str(found[programs[0]])


def modern_node(cache: pytest.Cache) -> str:
    """Return a PATH whose first `node` is new enough: the system's own, or one that npm installs below `cache`.

    Without any Node.js the test is skipped by name, or fails where REQUIRE_NODE=1 promises it.
    """
    node = require_node("node", "npm")
    if _version(node) >= MODERN:
        return os.environ["PATH"]
    modules = npm_packages(_NODE_PACKAGES, cache) / "node_modules"
    # Of the packages for each platform, npm installs at most the one for this.
    installed = next(modules.glob("node-*/bin/node"), None)
    if installed is None:
        _node_missing(f"{node} is older than {'.'.join(map(str, MODERN))}, and npm has no newer one for this platform")
    return f"{installed.parent}{os.pathsep}{os.environ['PATH']}"


def npm_packages(manifests: Path, cache: pytest.Cache) -> Path:
    """Install the packages that a folder's package.json and its lock name, pinned and hashed; return where.

    They stand below pytest's cache, for all tests to come.
    """
    require_node("node", "npm")
    folder = cache.mkdir(f"npm-{'-'.join(manifests.parts[-2:])}")

    def install() -> None:
        for name in _MANIFESTS:
            shutil.copy(manifests / name, folder)
        run_installer("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)

    return installed_once(folder, "".join((manifests / name).read_text() for name in _MANIFESTS), install)


def built(source: Path, cache: pytest.Cache, folder: Path, output: str) -> Path:
    """Check the types of a browser package's sources and build them in `folder`; return what was made."""
    packages = npm_packages(source, cache)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(packages / "node_modules")
    made = folder / output
    for command in (("node_modules/.bin/tsc",), ("node", "build.mjs", str(made))):
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
        assert run.returncode == 0, f"{run.stdout}{run.stderr}"
    return made


def _version(node: str) -> tuple[int, ...]:
    said = subprocess.run((node, "--version"), capture_output=True, text=True, timeout=10, check=True).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2]))


def _node_missing(reason: str) -> NoReturn:
    message = f"needs Node.js: {reason}"
    if os.environ.get("REQUIRE_NODE") == "1":
        pytest.fail(f"{message} (REQUIRE_NODE=1)", pytrace=False)
    pytest.skip(message)
