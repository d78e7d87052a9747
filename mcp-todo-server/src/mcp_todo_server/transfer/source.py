"""Reading a file of any length in bounded memory, as UTF-8 text."""

from collections.abc import Iterator
from typing import IO, Final

from mcp_todo_server.transfer.errors import LineError

LINE_MAX_BYTES: Final = 1024 * 1024
"""Far more than the longest task takes in any format."""
_BOM: Final = b"\xef\xbb\xbf"


def lines(source: IO[bytes]) -> Iterator[tuple[int, str]]:
    r"""Yield every line with its number from 1, without its end, which is `\n` or `\r\n`.

    Only these end a line: other characters that some programs break lines at may stand in a title.

    Raises:
        LineError: A line is too long or is not UTF-8.
    """
    number = 0
    while raw := source.readline(LINE_MAX_BYTES + 1):
        number += 1
        if number == 1:
            raw = raw.removeprefix(_BOM)
        if len(raw) > LINE_MAX_BYTES:
            raise LineError(number, f"is longer than {LINE_MAX_BYTES} bytes; is this a file of tasks?")
        yield number, _text(raw, number).removesuffix("\n").removesuffix("\r")


def _text(raw: bytes, number: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise LineError(number, f"byte {error.start + 1} is not UTF-8; save the file with the encoding UTF-8") from None
