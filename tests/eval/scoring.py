"""Whether the calls that a model chose are those that a sentence asks for."""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_todo_server.tasks.arguments import parse
from mcp_todo_server.tasks.schemas import Arguments
from mcp_todo_server.tasks.tools import TOOLS

READS: Final = frozenset({"list_tasks", "get_task"})
"""Tools that change nothing: a model may look as often as it likes before it acts."""
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "add_task": {"priority": "normal"},
    "list_tasks": {"status": "open", "overdue": False},
}
"""What a call that leaves the argument out means as well."""
_UNSCORED: Final[Mapping[str, frozenset[str]]] = {
    "list_tasks": frozenset({"limit", "cursor", "sort"}),
    "update_task": frozenset({"expected_version"}),
}
"""Arguments that are right with any value, unless a case names them."""
_ARGUMENTS: Final = {spec.name: spec.arguments for spec in TOOLS}
_ARTICLES: Final = frozenset({"a", "an", "the", "my", "some"})


@dataclass(frozen=True)
class Call:
    """One call of a tool."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.tool}({shown})"


Outcome = tuple[Call, ...]


def chosen(tool_calls: Sequence[Mapping[str, Any]]) -> list[Call]:
    """Return the calls of a chat answer that were carried out, a batch as the single calls that it stands for.

    Arguments are as the todo server reads them, which takes a list as text, say. A refused call had no effect, and a
    model that mends it has chosen in the end what it then called.
    """
    return [
        call
        for made in tool_calls
        if made["result"] is not None and set(made["result"]) != {"error"}
        for call in _carried_out(made["tool_name"], made["parameters"], made["result"])
    ]


def _carried_out(tool: str, parameters: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[Call]:
    checked = parse(_ARGUMENTS[tool], tool, parameters)
    if tool != "batch_tasks":
        yield Call(tool, _given(checked))
        return
    for action, outcomes in result.items():
        for item, outcome in zip(getattr(checked, action), outcomes, strict=True):
            if "error" not in outcome:
                yield Call(f"{action}_task", _given(item))


def _given(arguments: Arguments) -> dict[str, Any]:
    return arguments.model_dump(mode="json", exclude_unset=True)


def fits(calls: Sequence[Call], accepted: Sequence[Outcome]) -> bool:
    """Tell whether the calls are one of the accepted outcomes.

    The calls that write are compared as a whole, in any order. An outcome that only reads needs its call among
    those made, and none that writes; an empty one needs that nothing was written.
    """
    return any(_fits(calls, outcome) for outcome in accepted)


def _fits(calls: Sequence[Call], outcome: Outcome) -> bool:
    left = [call for call in calls if call.tool not in READS]
    for expected in outcome:
        among = calls if expected.tool in READS else left
        found = next((call for call in among if _is(call, expected)), None)
        if found is None:
            return False
        if expected.tool not in READS:
            left.remove(found)
    return not left


def _is(call: Call, expected: Call) -> bool:
    if call.tool != expected.tool:
        return False
    given, wanted = _meaningful(call, expected), dict(expected.arguments)
    return given.keys() == wanted.keys() and all(_equal(name, given[name], wanted[name]) for name in wanted)


def _meaningful(call: Call, expected: Call) -> dict[str, Any]:
    clears = call.tool == "update_task"
    defaults, unscored = _DEFAULTS.get(call.tool, {}), _UNSCORED.get(call.tool, frozenset())
    return {
        name: value
        for name, value in call.arguments.items()
        if name in expected.arguments
        or not (
            value is None
            or (not clears and value in ("", []))
            or (name in defaults and defaults[name] == value)
            or name in unscored
        )
    }


def _equal(name: str, given: Any, wanted: Any) -> bool:
    if name in {"title", "description", "query"}:
        return isinstance(given, str) and _words(given) == _words(wanted)
    if name == "tags":
        return sorted(map(str.casefold, given)) == sorted(map(str.casefold, wanted))
    if name == "recurrence":
        return isinstance(given, str) and _rule(given) == _rule(wanted)
    if name == "due_at" and wanted:
        return _instant(given) == _instant(wanted)
    return bool(given == wanted)


def _words(text: str) -> list[str]:
    words = re.findall(r"[\w']+", unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))
    return [word for word in words if word not in _ARTICLES]


def _rule(text: str) -> frozenset[str]:
    parts = text.upper().removeprefix("RRULE:").strip(";").split(";")
    return frozenset(parts) - {"INTERVAL=1", "WKST=MO"}


def _instant(text: str) -> dt.datetime | None:
    try:
        instant = dt.datetime.fromisoformat(str(text).split("[")[0])
    except ValueError:
        return None
    return instant if instant.tzinfo else None
