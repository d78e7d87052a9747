"""What a tool refuses. Every text is for the model or person who called: what is wrong, and what works."""

from collections.abc import Sequence


class TaskError(Exception):
    """The call is refused for good: sending the same again cannot succeed. Nothing was changed."""


class InvalidArgumentsError(TaskError):
    """An argument is missing, unknown or has a value that cannot stand."""


class TaskNotFoundError(TaskError):
    """The user has no task of this number."""

    def __init__(self, task_id: int, argument: str = "task_id") -> None:
        super().__init__(
            f"{argument} {task_id} does not exist; list_tasks shows the numbers that do, "
            'for example with {"status": "all"}'
        )


class TaskDeletedError(TaskError):
    """The task is deleted and has to be restored before it can change."""

    def __init__(self, task_id: int) -> None:
        super().__init__(f'task {task_id} is deleted; restore it first: restore_task with {{"task_id": {task_id}}}')


class VersionConflictError(TaskError):
    """The task changed since the caller read it."""

    def __init__(self, task_id: int, *, expected: int, actual: int) -> None:
        super().__init__(
            f"expected_version is {expected}, but task {task_id} is at version {actual}: it was changed "
            f'meanwhile; read it with get_task and {{"task_id": {task_id}}}, then decide again'
        )


class InvalidCursorError(TaskError):
    """The cursor is not one that list_tasks gave for this very list."""

    def __init__(self) -> None:
        super().__init__(
            "cursor is not a next_cursor of this list; leave cursor out for the first page and keep "
            "all other arguments the same from page to page"
        )


class BatchRefusedError(TaskError):
    """No item of a batch could be carried out; `reasons` has one text for each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(f"nothing was done: {'; '.join(reasons)}")


class NotConfirmedError(TaskError):
    """A deletion that a person has to agree to, and did not; `reason` says why, as a clause."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}: nothing of this call was done; do not try again unless the user asks for it")
