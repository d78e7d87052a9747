"""Time until the demo is ready, from its start to its ready line: on fresh databases, then on those it left."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.support.services import clean_environment, free_port

STARTS: Final = 3
_DEMO: Final = Path(__file__).parents[2] / "deploy" / "demo" / "demo.py"


async def seconds_to_ready(data: str) -> float:
    """Start the demo, end it when it is ready, and return how long that took."""
    environment = clean_environment(PORT=str(free_port()), MCP_PORT=str(free_port()))
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        _DEMO,
        "--data",
        data,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        assert line.startswith("Todo Chat is ready:"), line
        return time.perf_counter() - started
    finally:
        os.killpg(process.pid, signal.SIGINT)
        await process.communicate()


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as data:
        seconds = [await seconds_to_ready(data) for _ in range(STARTS)]
    later = ", ".join(f"{value:.1f} s" for value in seconds[1:])
    print(f"demo: ready {seconds[0]:.1f} s after its first start, then {later}")


if __name__ == "__main__":
    asyncio.run(main())
