"""Does a model choose the right tools? Sixty everyday sentences, through both services, and a report.

The model is the one that `MODEL_PROVIDER`, `OPENAI_BASE_URL`, `OPENAI_MODEL`, `OPENAI_API_KEY` and `OPENAI_API` name,
as they do for chat-api; without any of them, the built-in offline model. Every sentence is said by a user of its own,
whose list holds the tasks of the case, and in a conversation of its own.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from mcp import Client

from tests.eval.cases import ZONE, Case, cases
from tests.eval.scoring import Call, chosen, fits
from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.databases import sqlite_database
from tests.support.services import ServiceError, running_chat_api, running_todo_server
from tests.support.tokens import mcp_token, user_token

VARIABLES: Final = ("MODEL_PROVIDER", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_API_KEY", "OPENAI_API")
ANSWER_SECONDS: Final = 600
_PUT_IN: Final = {"completed": "complete_task", "deleted": "delete_task"}


@dataclass(frozen=True)
class Verdict:
    """What came of one sentence."""

    case: Case
    calls: tuple[Call, ...]
    problem: str | None
    """Why there was no answer."""

    @property
    def is_right(self) -> bool:
        """Whether the model chose one of the accepted outcomes."""
        return self.problem is None and fits(self.calls, self.case.accepted)

    @property
    def expected(self) -> str:
        """The first accepted outcome."""
        return " + ".join(map(str, self.case.accepted[0])) or "nothing is changed"

    @property
    def got(self) -> str:
        """What was called."""
        return self.problem or " + ".join(map(str, self.calls)) or "no call"


async def evaluate(mcp_url: str, chat_url: str, case: Case, user: str) -> Verdict:
    """Say one sentence."""
    async with mcp_client(mcp_url, mcp_token(user)) as client:
        await _set_up(client, case)
    headers = {"Authorization": f"Bearer {user_token(user)}"}
    async with httpx.AsyncClient(base_url=chat_url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as http:
        answer = await http.post(f"/api/{user}/chat", json={"message": case.said, "timezone": ZONE})
    body = answer.json()
    if answer.status_code != httpx.codes.OK:
        return Verdict(case, (), f"{answer.status_code} {body.get('detail')}")
    return Verdict(case, tuple(chosen(body["tool_calls"])), None)


async def _set_up(client: Client, case: Case) -> None:
    await _call(client, "set_timezone", {"timezone": ZONE})
    for number, given in enumerate(case.given, start=1):
        fields = {"title": given} if isinstance(given, str) else dict(given)
        status = fields.pop("status", "open")
        await _call(client, "add_task", fields)
        if status != "open":
            await _call(client, _PUT_IN[status], {"task_id": number})


async def _call(client: Client, tool: str, arguments: dict[str, Any]) -> None:
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise RuntimeError(f"{tool} {arguments}: {result.content}")


async def run(at_once: int, only: str) -> list[Verdict]:
    """Say all sentences whose words hold `only`, some at once; returns the verdicts in the cases' order."""
    model = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if "OPENAI_BASE_URL" in model or "OPENAI_API_KEY" in model:
        model.setdefault("MODEL_PROVIDER", "openai")
    selected = [case for case in cases(dt.datetime.now(dt.UTC)) if only.casefold() in case.said.casefold()]
    slots = asyncio.Semaphore(at_once)
    with tempfile.TemporaryDirectory() as folder:
        todo_url, chat_database = (sqlite_database(Path(folder) / name) for name in ("todo", "chat"))
        async with (
            running_todo_server(todo_url) as todo,
            running_chat_api(chat_database, todo.mcp_url, **model) as chat,
        ):

            async def one(number: int, case: Case) -> Verdict:
                async with slots:
                    return await evaluate(todo.mcp_url, chat.base_url, case, f"eval-{number}")

            return await asyncio.gather(*(one(number, case) for number, case in enumerate(selected)))


def report(verdicts: list[Verdict]) -> str:
    """Return the report: what went wrong, the score of each tool, the score."""
    lines = [
        f"MISS  {verdict.case.said}\n      expected {verdict.expected}\n      got      {verdict.got}"
        for verdict in verdicts
        if not verdict.is_right
    ]
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for verdict in verdicts:
        for tool in {call.tool for call in verdict.case.accepted[0]} or {"(nothing)"}:
            total[tool] += 1
            right[tool] += verdict.is_right
    lines += [f"{tool:14} {right[tool]:3} of {total[tool]:3}" for tool in sorted(total)]
    score = sum(verdict.is_right for verdict in verdicts)
    model = os.environ.get("OPENAI_MODEL") or "default model"
    named = any(os.environ.get(name) for name in VARIABLES)
    lines.append(
        f"{model if named else 'offline model'}: {score} of {len(verdicts)} right ({score / len(verdicts):.0%})"
    )
    return "\n".join(lines)


def main() -> None:
    """Evaluate and print the report; exits with 2 where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.eval", description=__doc__.splitlines()[0])
    parser.add_argument("--at-once", type=int, default=4, help="sentences said at the same time (default 4)")
    parser.add_argument("--only", default="", help="only the sentences that hold these words")
    parser.add_argument("--json", type=Path, help="write every verdict to this file as well")
    options = parser.parse_args()
    try:
        verdicts = asyncio.run(run(options.at_once, options.only))
    except ServiceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    if not verdicts:
        parser.error(f"no sentence holds {options.only!r}")
    print(report(verdicts))
    if options.json is not None:
        rows = [{"said": v.case.said, "right": v.is_right, "expected": v.expected, "got": v.got} for v in verdicts]
        options.json.write_text(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    main()
