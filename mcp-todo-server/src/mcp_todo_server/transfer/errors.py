"""What an import refuses."""


class TransferError(Exception):
    """The file cannot be taken as it is; nothing was changed. The text says where it is wrong and what works."""


class LineError(TransferError):
    """One line of the file is wrong."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
