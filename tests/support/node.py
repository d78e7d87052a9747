"""Node.js, which some tests need."""

import os
import shutil

import pytest


def require_node(*programs: str) -> str:
    """Return the path of the first of Node's programs, all of which have to be there.

    Else the test is skipped by name, or fails where REQUIRE_NODE=1 promises them.
    """
    found = {name: shutil.which(name) for name in programs}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        message = f"needs Node.js: there is no {' and no '.join(missing)}"
        if os.environ.get("REQUIRE_NODE") == "1":
            pytest.fail(f"{message} (REQUIRE_NODE=1)", pytrace=False)
        pytest.skip(message)
    return str(found[programs[0]])
