"""The demo: both services on SQLite, on this machine alone, until Ctrl-C.

Run by `make demo`. PORT and MCP_PORT move the services; BETTER_AUTH_SECRET replaces the secret that is
otherwise made once and kept in the data folder; OPENAI_API_KEY or OPENAI_BASE_URL replace the built-in
offline model.
"""

import argparse
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from services import Service, ServiceFailedError, stop_all
from todo_chat_shared.tokens import check_secret, mint

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
USER = "demo"
TOKEN_SECONDS = 30 * 24 * 3600
START_SECONDS = 120
POLL_SECONDS = 0.05

NOT_FOR_THE_DEMO = (
    *("DATABASE_URL", "ALLOWED_HOSTS", "CORS_ORIGINS", "TOKEN_COOKIE", "PUBLIC_URL", "OAUTH_DISCOVERY"),
    *("AUTH_JWKS_URL", "AUTH_ISSUER", "AUTH_AUDIENCE", "BETTER_AUTH_SECRET_PREVIOUS"),
)
"""A deployment's settings that may stand in a developer's shell: here they would aim at the wrong thing."""


class DemoError(Exception):
    """The demo cannot start. The text is one line per reason and says what to do."""


class StopRequest:
    """Whether a signal asked the demo to end."""

    def __init__(self) -> None:
        self.received = False
        # Set for SIGINT too: a shell starts a background job with that signal ignored.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.received = True


def port_from(environment: Mapping[str, str], name: str, default: int) -> int:
    """Return the port that variable `name` asks for.

    Raises:
        DemoError: It is not a port.
    """
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise DemoError(f"error: {name} must be a port from 1 to 65535, not '{text}'")
    return int(text)


def check_ports(ports: Mapping[str, int]) -> None:
    """Make sure that both services can listen.

    Raises:
        DemoError: A port is taken or not allowed; one line for each.
    """
    wanted = list(ports.values())
    if len(set(wanted)) < len(wanted):
        raise DemoError(f"error: {' and '.join(ports)} must differ; both are {wanted[0]}")
    lines = []
    for name, port in ports.items():
        reason = _why_not(port)
        if reason is not None:
            lines.append(f"error: port {port} {reason}; name another one with: make demo {name}={_suggested(port)}")
    if lines:
        raise DemoError("\n".join(lines))


def _why_not(port: int) -> str | None:
    with socket.socket() as caller:
        caller.settimeout(1)
        # Asked as well as bound: some systems let one address be bound beside a listener on all of them.
        if caller.connect_ex((LOOPBACK, port)) == 0:
            return "is in use"
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen()
        except PermissionError:
            return "may not be opened by this user"
        except OSError:
            return "is in use"
    return None


def _suggested(port: int) -> int:
    return port + 10 if 1024 <= port <= 65000 else 8010


def load_secret(folder: Path, environment: Mapping[str, str]) -> str:
    """Return the given secret, else the one kept in `folder`, else a new one that is kept there from now on.

    Raises:
        DemoError: The given secret cannot sign tokens.
    """
    given = environment.get("BETTER_AUTH_SECRET")
    if given:
        try:
            return check_secret(given)
        except ValueError as error:
            raise DemoError(f"error: BETTER_AUTH_SECRET {error}") from None
    file = folder / "secret"
    if file.exists() and (kept := file.read_text().strip()):
        return kept
    made = secrets.token_hex(32)
    unfinished = file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(made + "\n")
    unfinished.replace(file)
    return made


def services_for(folder: Path, secret: str, port: int, mcp_port: int) -> tuple[Service, Service]:
    """Describe both services; relative paths of theirs start at `folder`."""
    shared = {
        **os.environ,
        **dict.fromkeys(NOT_FOR_THE_DEMO, ""),
        "HOST": LOOPBACK,
        "BETTER_AUTH_SECRET": secret,
        # A proxy of the user's network has no business between two processes of one machine.
        "NO_PROXY": ",".join(filter(None, (os.environ.get("NO_PROXY"), LOOPBACK, "localhost"))),
    }
    todo_server = Service(
        "mcp-todo-server",
        port=mcp_port,
        folder=folder,
        environment={**shared, "DATABASE_URL": "sqlite:///todo.db", "PORT": str(mcp_port)},
    )
    chat_api = Service(
        "chat-api",
        port=port,
        folder=folder,
        environment={
            **shared,
            "DATABASE_URL": "sqlite:///chat.db",
            "PORT": str(port),
            "MCP_SERVER_URL": f"http://{LOOPBACK}:{mcp_port}/mcp",
            "DEMO_MODE": "1",
        },
    )
    return todo_server, chat_api


def ready_text(port: int, token: str) -> str:
    """Return what is printed once both services are ready."""
    address = f"http://{LOOPBACK}:{port}"
    return (
        f"Todo Chat is ready: {address}/\n"
        f"user: {USER}\n"
        f"token: {token}\n"
        "\n"
        "Add a task from another terminal:\n"
        "\n"
        f"curl -sS -w '\\n' {address}/api/{USER}/chat -H 'Authorization: Bearer {token}' "
        """-H 'Content-Type: application/json' -d '{"message": "add buy milk tomorrow"}'\n"""
        "\n"
        f"Or type to it there: .venv/bin/chat-api chat --url {address}\n"
        "Ctrl-C ends the demo; its data stays in the data folder.\n"
    )


def wait_until_ready(services: tuple[Service, ...], stop: StopRequest) -> bool:
    """Return True once every service is ready, False where the demo was asked to end before.

    Raises:
        ServiceFailedError: One ended, or was not ready in time.
    """
    deadline = time.monotonic() + START_SECONDS
    waiting = list(services)
    while waiting and not stop.received:
        for service in services:
            service.check()
        waiting = [service for service in waiting if not service.is_ready()]
        if waiting and time.monotonic() > deadline:
            raise ServiceFailedError(waiting[0], f"was not ready within {START_SECONDS} s")
        time.sleep(POLL_SECONDS)
    return not stop.received


def run(folder: Path, stop: StopRequest) -> None:
    """Start everything, say so, and stay until a signal asks for the end.

    Raises:
        DemoError: It cannot start.
        ServiceFailedError: A service ended by itself.
    """
    ports = {"PORT": port_from(os.environ, "PORT", 8000), "MCP_PORT": port_from(os.environ, "MCP_PORT", 8001)}
    check_ports(ports)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = load_secret(folder, os.environ)
    services = services_for(folder, secret, ports["PORT"], ports["MCP_PORT"])
    try:
        for service in services:
            service.start()
        if wait_until_ready(services, stop):
            token = mint(secret, USER, lifetime_seconds=TOKEN_SECONDS)
            # One write: whoever reads the ready line can read the rest at once.
            os.write(sys.stdout.fileno(), ready_text(ports["PORT"], token).encode())
        while not stop.received:
            for service in services:
                service.check()
            time.sleep(POLL_SECONDS)
    except ServiceFailedError:
        # Ctrl-C reaches the services too, and one may be gone before its end is asked for.
        if not stop.received:
            raise
    finally:
        stop_all(services)


def main() -> int:
    """Run the demo; exit code 1 with the reason on stderr where it cannot start or a service ended."""
    parser = argparse.ArgumentParser(description="Both services of Todo Chat on this machine, on SQLite.")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "demo", help="folder of databases and logs")
    arguments = parser.parse_args()
    stop = StopRequest()
    try:
        run(arguments.data.absolute(), stop)
    except (DemoError, ServiceFailedError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("Todo Chat has stopped.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
