"""The tool-choice evaluation as a person runs it, with a model that chooses well and one that does not."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.support.openai_stub import Say, running_openai_stub
from tests.support.services import clean_environment

ROOT = Path(__file__).parents[3]
SECONDS = 120


async def evaluation(report: Path, only: str, **variables: str) -> tuple[str, list[dict[str, Any]]]:
    """Run it on the sentences that hold these words; returns what it prints and the rows of its file."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.eval", "--only", only, "--json", report),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(**variables),
    )
    output, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, errors.decode()
    return output.decode(), json.loads(await asyncio.to_thread(report.read_text))


async def test_the_offline_model_is_evaluated_where_none_is_named(tmp_path: Path) -> None:
    printed, rows = await evaluation(tmp_path / "report.json", "complete task")
    assert {row["said"]: row["right"] for row in rows} == {
        "complete task 2": True,
        "complete task 1 and add buy butter for tomorrow": True,
        "complete task 99": True,
    }
    assert "MISS" not in printed
    assert printed.endswith("offline model: 3 of 3 right (100%)\n")


async def test_a_model_that_calls_nothing_is_right_where_nothing_is_asked_for_alone(tmp_path: Path) -> None:
    async with running_openai_stub() as stub:
        stub.answer = lambda _: Say("I would rather not.")
        named = {"OPENAI_BASE_URL": stub.base_url, "OPENAI_MODEL": "lazy", "OPENAI_API_KEY": "none"}
        printed, rows = await evaluation(tmp_path / "report.json", "complete task", **named)
    assert [row["right"] for row in rows] == [False, False, True]
    assert "MISS  complete task 2\n      expected complete_task(task_id=2)\n      got      no call" in printed
    assert printed.endswith("lazy: 1 of 3 right (33%)\n")


async def test_an_endpoint_that_does_not_answer_is_said_of_each_sentence(tmp_path: Path) -> None:
    async with running_openai_stub() as stub:
        gone = stub.base_url
    named = {"OPENAI_BASE_URL": gone, "OPENAI_API_KEY": "none"}
    printed, rows = await evaluation(tmp_path / "report.json", "complete task 2", **named)
    assert not rows[0]["right"]
    assert "502" in rows[0]["got"] or "503" in rows[0]["got"]
    assert printed.endswith("0 of 1 right (0%)\n")
