"""Time zones by their IANA names."""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo


def zone_named(name: str) -> ZoneInfo:
    """Return the zone of an IANA name, whatever case it is written in; its `key` has the name's own.

    Only a name of the IANA database counts. A zone's data is a file of its name, and such a folder holds others.

    Raises:
        ValueError: There is no such zone.
    """
    canonical = _names().get(name.casefold())
    if canonical is None:
        raise ValueError("must be an IANA zone")
    return ZoneInfo(canonical)


@cache
def _names() -> dict[str, str]:
    """Return the names by their folded forms. `Factory` stands for a clock that nobody has set."""
    names = files("tzdata").joinpath("zones").read_text().split()
    return {name.casefold(): name for name in names if name != "Factory"}
