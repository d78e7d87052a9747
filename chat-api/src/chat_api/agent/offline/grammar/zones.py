"""Which time zone a sentence names."""

import re
import zoneinfo
from functools import cache

from chat_api.agent.offline.grammar.words import tokens
from chat_api.agent.offline.intents import SetZone

_AREAS = frozenset(
    {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
)
"""Where zones are named after places."""
_ZONE = r"(?:my |the )?time[ -]?zone"
_CHANGE = r"(?:set|change|switch|update|adapt)"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_CHANGE} {_ZONE}(?: to (?P<zone>.+))?",
        rf"use (?P<zone>.+) as {_ZONE}",
        rf"{_ZONE} (?:is|should be)(?: now)? (?P<zone>.+)",
        (
            r"i(?:['’]m| am|['’]ve| have)? (?:\w+ ){0,2}(?:in|to) (?P<zone>.+?)(?: now)?[,;.]? (?:so |and )?"
            rf"(?:please )?{_CHANGE} {_ZONE}"
        ),
    )
)


def read_zone(text: str) -> SetZone | None:
    """Return the change of the user's time zone that a sentence asks for, or None."""
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(text.strip(" .!")):
            return SetZone(match["zone"] or "")
    return None


def zone_named(said: str) -> str | None:
    """Return the IANA zone of a name: its own ("Europe/Berlin") or its city's ("Berlin", "New York")."""
    said = said.strip().casefold().removesuffix(" time")
    zones = _zones()
    return zones.get(said) or zones.get(" ".join(tokens(said)))


@cache
def _zones() -> dict[str, str]:
    named: dict[str, str] = {}
    for zone in sorted(zoneinfo.available_timezones() - {"Factory", "localtime"}):
        area, *places = zone.split("/")
        named[zone.casefold()] = zone
        # The last words of "US/Eastern" and "Etc/GMT+5" are no places.
        if places and area in _AREAS:
            for name in (zone, places[-1]):
                named.setdefault(" ".join(tokens(name.replace("/", " ").replace("_", " "))), zone)
    return named
