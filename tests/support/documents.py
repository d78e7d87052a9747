"""The project's documents as data: their code blocks, tables and links, and how a shown result is compared.

A fence that begins with ```` ```bash run ````, ```` ```python run ```` or ```` ```js run ```` is executed by the
tests. The block right behind it, where it is marked `result`, is what the command prints; `…` in it stands for any
text, and in JSON, where it stands without quotes, for any number.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = tuple(
    sorted(
        [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    )
)
ANYTHING: Final = "…"

_FENCE: Final = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)|<[a-z]+ [^>]*\b(?:src|srcset)=\"(?P<picture>[^\"\s]+)\"")
_HEADING: Final = re.compile(r"^#{1,6} +(?P<text>.+?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced code block."""

    document: Path
    line: int
    """Line of the opening fence, counted from 1."""
    end: int
    """Line of the closing fence."""
    language: str
    marks: frozenset[str]
    """The words behind the language, such as `run`."""
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for a reader of a failure."""
        return f"{self.document.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Example:
    """A command with what it is said to print; without a result it only has to succeed."""

    command: Block
    result: Block | None


def blocks(document: Path) -> list[Block]:
    """Return the document's code blocks in their order."""
    source = document.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(source):
        language, *marks = fence["info"].split() or [""]
        line = source.count("\n", 0, fence.start()) + 1
        end = source.count("\n", 0, fence.end()) + 1
        found.append(Block(document, line, end, language, frozenset(marks), fence["text"]))
    return found


def examples(document: Path) -> list[Example]:
    """Return the commands that the document marks `run`, each with its result.

    Raises:
        ValueError: A result follows no command.
    """
    found: list[Example] = []
    for block in blocks(document):
        if "run" in block.marks:
            found.append(Example(block, None))
        elif "result" in block.marks:
            if not found or found[-1].result is not None:
                raise ValueError(f"{block.place}: this result belongs to no command")
            found[-1] = Example(found[-1].command, block)
    return found


def shown_json(block: Block) -> Any:
    """Return what a JSON block shows, as `matches` takes it.

    Raises:
        ValueError: It is not JSON, dots apart.
    """
    return json.loads(re.sub(rf"(?<=: ){ANYTHING}(?=[,\s])", "NaN", block.text))


def prose(document: Path) -> str:
    """Return the document without its code blocks."""
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def links(document: Path) -> list[str]:
    """Return the targets of the document's links, and the addresses of its pictures."""
    return [link["target"] or link["picture"] for link in _LINK.finditer(prose(document))]


def anchors(document: Path) -> set[str]:
    """Return the names under which the document's headings can be linked to, as GitHub makes them."""
    return {_anchor(heading["text"]) for heading in _HEADING.finditer(prose(document))}


def table(document: Path, first_header: str) -> list[dict[str, str]]:
    """Return the rows of the one table whose first column has this header, by column.

    Raises:
        ValueError: There is no such table, or more than one.
    """
    tables = [rows for rows in _tables(document) if rows and rows[0][0] == first_header]
    if len(tables) != 1:
        raise ValueError(f"{document.name}: {len(tables)} tables begin with the column {first_header}")
    header, *rows = tables[0]
    return [dict(zip(header, row, strict=True)) for row in rows]


def code_spans(cell: str) -> list[str]:
    """Return the texts between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def matches(shown: Any, actual: Any) -> bool:
    """Tell whether a JSON value is as shown: same keys, same lengths, and texts that fit around each `…`.

    A shown NaN stands for any number.
    """
    match shown:
        case dict():
            return (
                isinstance(actual, dict)
                and shown.keys() == actual.keys()
                and all(matches(value, actual[key]) for key, value in shown.items())
            )
        case list():
            return isinstance(actual, list) and len(shown) == len(actual) and all(map(matches, shown, actual))
        case str():
            return isinstance(actual, str) and matches_text(shown, actual)
        case float() if math.isnan(shown):
            return isinstance(actual, int | float) and not isinstance(actual, bool)
        case _:
            return type(shown) is type(actual) and bool(shown == actual)


def matches_text(shown: str, actual: str) -> bool:
    """Tell whether a text is as shown; `…` stands for any text."""
    pattern = ".*".join(re.escape(part) for part in shown.split(ANYTHING))
    return re.fullmatch(pattern, actual, re.DOTALL) is not None


def _tables(document: Path) -> Iterator[list[list[str]]]:
    rows: list[list[str]] = []
    for line in [*prose(document).splitlines(), ""]:
        if line.startswith("|"):
            # A bar inside a cell is written with a backslash before it.
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            yield rows
            rows = []


def _anchor(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
