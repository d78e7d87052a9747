"""URIs of the resources, and which of them name something that changes."""

import re
from typing import Final

TASKS: Final = "todo://tasks"
TODAY: Final = "todo://today"
TASK: Final = "todo://tasks/{task_id}"
"""Template of one task's URI (RFC 6570)."""
TASK_ID: Final = "task_id"

TASK_ID_MAX: Final = 2**63 - 1
_TASK: Final = re.compile(r"todo://tasks/([1-9][0-9]{0,18})")


def task_id_of(uri: str) -> int | None:
    """Return the number of the task that `uri` names; None where it names none."""
    match = _TASK.fullmatch(uri)
    if match is None:
        return None
    task_id = int(match[1])
    return task_id if task_id <= TASK_ID_MAX else None


def can_change(uri: str) -> bool:
    """Tell whether `uri` names a resource of this server, existing or not yet, that a client may follow."""
    return uri in {TASKS, TODAY} or task_id_of(uri) is not None
