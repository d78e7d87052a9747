"""One service of the demo as a child process with a log file."""

import contextlib
import http.client
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path

LOOPBACK = "127.0.0.1"
PROBE_SECONDS = 5
STOP_SECONDS = 5
TAIL_LINES = 20


class Service:
    """A console script of this virtual environment, run with `serve`.

    It stays in the launcher's process group, so that Ctrl-C, or a signal to the group, reaches it even where
    the launcher has been killed.
    """

    def __init__(self, name: str, *, port: int, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._port = port
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output goes to a log file that begins anew."""
        script = Path(sys.executable).parent / self.name
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [script, "serve"],
                cwd=self._folder,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            ServiceFailedError: It has ended.
        """
        code = self._process.poll() if self._process else None
        if code is not None:
            raise ServiceFailedError(self, f"ended with exit code {code}")

    def is_ready(self) -> bool:
        """Whether `/readyz` answers 200."""
        with contextlib.closing(http.client.HTTPConnection(LOOPBACK, self._port, timeout=PROBE_SECONDS)) as probe:
            try:
                probe.request("GET", "/readyz")
                return probe.getresponse().status == HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                return False

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.terminate()

    def wait_or_kill(self, seconds: float) -> None:
        """Return once it has ended, by force after `seconds`."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0, seconds))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tail(self) -> str:
        """Return the last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])


class ServiceFailedError(Exception):
    """A service does not run. The text says which, why, and what it wrote last."""

    def __init__(self, service: Service, reason: str) -> None:
        super().__init__(f"error: {service.name} {reason}; the end of {service.log}:\n{service.tail()}")


def stop_all(services: Iterable[Service]) -> None:
    """End all of them, within STOP_SECONDS together or else by force."""
    for service in services:
        service.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for service in services:
        service.wait_or_kill(deadline - time.monotonic())
