"""Programs that tests install into pytest's cache: once, however many of the tests' processes want them."""

import fcntl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

INSTALL_SECONDS: Final = 180


def installed_once(folder: Path, wanted: str, install: Callable[[], None]) -> Path:
    """Call `install`, unless it has succeeded for the same `wanted` before; return `folder`, which it fills.

    Another process that wants the same waits meanwhile.
    """
    done = folder / "installed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != wanted:
            done.unlink(missing_ok=True)
            install()
            done.write_text(wanted)
    return folder


def run_installer(*command: str | Path, cwd: Path) -> None:
    """Run a package manager to its end; the test fails where it does."""
    try:
        ended = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"{' '.join(map(str, command))} has not ended after {INSTALL_SECONDS} s", pytrace=False)
    if ended.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))} has failed:\n{ended.stdout}", pytrace=False)
