"""Reading one JSON document (RFC 8259) whose long array is too large to be held in memory."""

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any, Final

from mcp_todo_server.transfer.errors import LineError

VALUE_MAX_CHARS: Final = 1024 * 1024
"""Longest element, and longest other member, that is read."""
_CHUNK_BYTES: Final = 64 * 1024
_WHITESPACE: Final = " \t\r\n"
_NUMBER_TAIL_CHARS: Final = 3
"""As far as has to be seen beyond a number to know that it ends there: an exponent goes on with `e+5`."""


class JsonStream:
    """A document read from its beginning to its end, part by part.

    Its methods raise `LineError` where the text is not JSON, or not what the method asks for.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._parse = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
        self._text = ""
        self._at = 0
        self._ended = False
        self.line = 1
        """Line of the character that is read next."""

    def peek(self) -> str:
        """Return the next character that is no white space, without taking it; "" at the end."""
        while True:
            start = self._at
            while self._at < len(self._text) and self._text[self._at] in _WHITESPACE:
                self._at += 1
            self.line += self._text.count("\n", start, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, *expected: str) -> str:
        """Take one of these characters and return it."""
        found = self.peek()
        if found not in expected:
            wanted = " or ".join(f'"{character}"' for character in expected)
            raise LineError(self.line, f"is not JSON: {wanted} is missing")
        self._at += 1
        return found

    def value(self) -> Any:
        """Take a whole value."""
        self.peek()
        while True:
            try:
                value, end = self._parse(self._text, self._at)
            except RecursionError:
                raise LineError(self.line, "is nested too deep to be a task") from None
            except ValueError as error:
                if len(self._text) - self._at > VALUE_MAX_CHARS or not self._more():
                    raise LineError(self.line, f"is not JSON: {_reason(error)}") from None
            else:
                # A number that ends close to where the text in hand ends may go on in the next part.
                seen = len(self._text) - end
                if seen >= _NUMBER_TAIL_CHARS or not isinstance(value, int | float) or not self._more():
                    self.line += self._text.count("\n", self._at, end)
                    self._at = end
                    return value

    def members(self) -> Iterator[str]:
        """Take an object; yields each member's name, whose value the caller takes before going on."""
        self.take("{")
        while self.peek() != "}":
            if self.peek() != '"':
                raise LineError(self.line, 'is not JSON: a name in quotes is missing, such as "title"')
            name = self.value()
            self.take(":")
            yield str(name)
            if self.peek() != "}":
                self.take(",")
                if self.peek() == "}":
                    raise LineError(self.line, "is not JSON: there is a comma too many")
        self.take("}")

    def elements(self) -> Iterator[tuple[int, Any]]:
        """Take an array; yields each element with the line on which it begins."""
        self.take("[")
        while self.peek() != "]":
            line = self.line
            yield line, self.value()
            if self.peek() != "]":
                self.take(",", "]")
                if self.peek() == "]":
                    raise LineError(self.line, "is not JSON: there is a comma too many")
        self.take("]")

    def end(self) -> None:
        """See to it that nothing follows."""
        if self.peek():
            raise LineError(self.line, "is not JSON: something follows the end")

    def _more(self) -> bool:
        """Read a further part of the text; False at its end."""
        while not self._ended:
            chunk = self._source.read(_CHUNK_BYTES)
            self._ended = not chunk
            try:
                added = self._decode.decode(chunk, final=self._ended)
            except UnicodeDecodeError:
                # The line is that of the last good character, which is near enough to find it.
                line = self.line + self._text.count("\n", self._at)
                raise LineError(line, "or one after it is not UTF-8; save the file with the encoding UTF-8") from None
            if added:
                self._text = self._text[self._at :] + added
                self._at = 0
                return True
        return False


def _reason(error: ValueError) -> str:
    text = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return text[0].lower() + text[1:]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"there is no value {name}")
