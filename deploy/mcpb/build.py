"""Builds the extension for Claude Desktop: a zip file with the manifest, and the server's source in it.

Only what the server depends on comes from a package index, when the host installs the extension; the versions are
those that the server is tested with.
"""

import json
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = ROOT / "deploy" / "mcpb"
PACKAGES: Final = ("mcp-todo-server", "shared")
TARGET: Final = ROOT / "dist" / "mcp-todo-server.mcpb"
_OWN_FILES: Final = ("manifest.json", "icon.png", "src/server.py")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""Time of every file, so that the same source makes the same bundle."""
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+(?:\[[^]]*\])?==[^\s\\]+(?: ; [^\\]+)?)", re.MULTILINE)


def contents() -> Iterator[tuple[str, bytes]]:
    """Yield the bundle's files, by their names in it."""
    yield "pyproject.toml", _project().encode()
    yield "LICENSE", (ROOT / "LICENSE").read_bytes()
    for name in _OWN_FILES:
        yield name, (HERE / name).read_bytes()
    for package in PACKAGES:
        folder = ROOT / package
        yield f"{package}/pyproject.toml", (folder / "pyproject.toml").read_bytes()
        for path in sorted((folder / "src").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_bytes()


def build(target: Path) -> None:
    """Write the bundle."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in contents():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, content)


def _project() -> str:
    """Return the project that the bundle is: a workspace of the packages, with the versions that are locked."""
    server = tomllib.loads((ROOT / "mcp-todo-server" / "pyproject.toml").read_text())["project"]
    pins = [pin.strip() for pin in _PIN.findall((ROOT / "mcp-todo-server" / "requirements.lock").read_text())]
    listed = "\n".join(f"    {json.dumps(pin)}," for pin in pins)
    return f"""\
[project]
name = "mcp-todo-server-bundle"
version = "{server["version"]}"
requires-python = "{server["requires-python"]}"
dependencies = ["mcp-todo-server"]

[tool.uv]
package = false
constraint-dependencies = [
{listed}
]

[tool.uv.workspace]
members = {json.dumps(PACKAGES)}

[tool.uv.sources]
mcp-todo-server = {{ workspace = true }}
"""


if __name__ == "__main__":
    made = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    build(made)
    print(made)
