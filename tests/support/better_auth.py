"""A real Better Auth (npm) as a process: people sign up at it, and it issues their tokens."""

import asyncio
import json
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from tests.support.node import npm_packages, require_node
from tests.support.services import clean_environment

START_SECONDS: Final = 60
"""Longest time until it answers, on a machine busy with other tests."""
RESOURCE: Final = "http://todo.example.org/mcp"
"""The MCP server that its clients may ask tokens for."""
SECRET: Final = "a-secret-of-better-auth-in-the-tests-0123"
_FOLDER: Final = Path(__file__).parents[1] / "integration" / "better_auth"


class Person:
    """Somebody signed in, in a browser of their own."""

    def __init__(self, browser: httpx.AsyncClient, user_id: str) -> None:
        self.user_id = user_id
        """`sub` of their tokens."""
        self._browser = browser

    async def token(self) -> str:
        """Return a fresh token, as a page gets one for its calls of the API."""
        response = await self._browser.get("/api/auth/token")
        assert response.status_code == 200, response.text
        token: str = response.json()["token"]
        return token

    async def sign_out(self) -> int:
        """End the session; returns the status of asking for a token afterwards."""
        response = await self._browser.post("/api/auth/sign-out", json={})
        assert response.status_code == 200, response.text
        return (await self._browser.get("/api/auth/token")).status_code

    async def allow(self, authorization_url: str, scope: str | None = None) -> httpx.QueryParams:
        """Follow an MCP client's link and let it have what it asks for, or only `scope`.

        Returns:
            What the client is told at its redirect URI.
        """
        asked = await self._browser.get(authorization_url)
        assert asked.status_code == 302, asked.text
        where = urlsplit(asked.headers["location"])
        if where.path != "/consent":
            # What was allowed before is not asked for again.
            return httpx.QueryParams(where.query)
        answer = {"accept": True, "oauth_query": where.query} | ({} if scope is None else {"scope": scope})
        allowed = await self._browser.post("/api/auth/oauth2/consent", json=answer)
        assert allowed.status_code == 200, allowed.text
        return httpx.QueryParams(urlsplit(allowed.json()["url"]).query)


@dataclass(frozen=True)
class BetterAuth:
    """One Better Auth with keys of its own."""

    address: str
    process: Process

    @property
    def issuer(self) -> str:
        """`iss` and `aud` of its tokens."""
        return f"{self.address}/api/auth"

    @property
    def variables(self) -> dict[str, str]:
        """Settings by which both services take its tokens."""
        return {
            "AUTH_JWKS_URL": f"{self.issuer}/jwks",
            "AUTH_ISSUER": self.issuer,
            "AUTH_AUDIENCE": self.issuer,
        }

    @asynccontextmanager
    async def somebody(self) -> AsyncIterator[Person]:
        """Sign somebody up whom no other test knows."""
        async with httpx.AsyncClient(
            base_url=self.address, headers={"origin": self.address}, timeout=30, trust_env=False
        ) as browser:
            name = uuid.uuid4().hex
            account = {"name": name, "email": f"{name}@example.org", "password": f"correct horse {name}"}
            response = await browser.post("/api/auth/sign-up/email", json=account)
            assert response.status_code == 200, response.text
            yield Person(browser, response.json()["user"]["id"])

    async def rotate(self) -> None:
        """Sign with a new key from now on; the old ones stay published."""
        await self._tell("rotate")

    async def withdraw(self) -> None:
        """Publish the newest key alone."""
        await self._tell("withdraw")

    async def kill(self) -> None:
        """End the process as a power cut does."""
        self.process.kill()
        await self.process.wait()

    async def _tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        assert (await _line(self.process))["done"] == command


def key_id(token: str) -> str:
    """Return the id of the key that signed a token."""
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


@asynccontextmanager
async def running_better_auth(cache: pytest.Cache, algorithm: str = "EdDSA") -> AsyncIterator[BetterAuth]:
    """Run a Better Auth, installed below pytest's cache, whose keys are for that algorithm."""
    folder = npm_packages(_FOLDER, cache)
    settings = {"alg": algorithm, "resource": RESOURCE, "secret": SECRET}
    # As text, since a module finds its packages from where it stands, and they are not beside this one.
    source = (_FOLDER / "server.mjs").read_text()
    process = await asyncio.create_subprocess_exec(
        *(require_node("node"), "--input-type=module", "--eval", source, "--", json.dumps(settings)),
        cwd=folder,
        stdin=PIPE,
        stdout=PIPE,
        env=clean_environment(NODE_ENV="production"),
    )
    try:
        yield BetterAuth((await _line(process))["address"], process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    assert line, "Better Auth has ended"
    said: dict[str, Any] = json.loads(line)
    return said
