"""The terms of all routes, which stand above them in routes.toml; and which keys a
table of that file has.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ..errors import Refused
from ..runtime.gate import Lifetime
from ..runtime.settlement import RefusedRule, SettleRule

TERMS = ("settle", "refused", "shortest_intent", "longest_intent", "allowed_origins")

# As a browser sends it: in lower case, without a path, and without the usual port.
_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?"
)
_LARGEST_PORT = 65_535
_USUAL_PORTS = (("https://", ":443"), ("http://", ":80"))

_LONGEST = 366 * 24 * 3600


def refuse_unknown(
    table: Mapping[str, Any], known: tuple[str, ...], where: str
) -> None:
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            listed = f"known are {', '.join(known)}."
            hint = f'did you mean "{near[0]}"?' if near else listed
            raise Refused(f'{where} has an unknown key "{key}": {hint}')


def read_settle(document: dict[str, Any]) -> SettleRule:
    rule: object = document.get("settle", "delivered")
    match rule:
        case "delivered" | "below-400":
            return rule
        case _:
            raise Refused(f'settle must be "delivered" or "below-400", not {rule!r}.')


def read_refused(document: dict[str, Any]) -> RefusedRule:
    rule: object = document.get("refused", "deliver")
    match rule:
        case "deliver" | "withhold":
            return rule
        case _:
            raise Refused(f'refused must be "deliver" or "withhold", not {rule!r}.')


def read_lifetime(document: dict[str, Any]) -> Lifetime:
    usual = Lifetime()
    shortest = _seconds(document, "shortest_intent", usual.shortest)
    longest = _seconds(document, "longest_intent", usual.longest)
    if not shortest < longest:
        raise Refused(
            f"shortest_intent ({shortest:g} s) must be less than longest_intent"
            f" ({longest:g} s), or no payment would be accepted."
        )
    return Lifetime(shortest, longest)


def _seconds(document: dict[str, Any], key: str, usual: float) -> float:
    seconds = document.get(key, usual)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise Refused(f"{key} must be a number of seconds, such as {usual:g}.")
    if not 0 <= seconds <= _LONGEST:  # false for nan, too
        raise Refused(
            f"{key} must be a number of seconds from 0 to {_LONGEST:,} (a year)."
        )
    return seconds


def read_origins(document: dict[str, Any]) -> tuple[str, ...]:
    origins = document.get("allowed_origins", [])
    if origins == "*":
        return ("*",)
    if not isinstance(origins, list):
        raise Refused(
            'allowed_origins must be "*" or a list, such as ["https://shop.example"].'
        )
    for origin in origins:
        _check_origin(origin)
    return tuple(origins)


def _check_origin(origin: object) -> None:
    if origin == "*":
        raise Refused('write allowed_origins = "*", without a list.')
    if not isinstance(origin, str) or not _ORIGIN.fullmatch(origin):
        raise Refused(
            f"allowed_origins: {origin!r} is no origin as a browser sends it. Write"
            ' scheme and host in lower case, and no path: "https://shop.example".'
        )
    port = origin.rpartition(":")[2]
    if port.isdecimal() and int(port) > _LARGEST_PORT:
        raise Refused(
            f"allowed_origins: {origin!r} has a port over {_LARGEST_PORT}. Write the"
            " one that the page is served at."
        )
    for scheme, port in _USUAL_PORTS:
        if origin.startswith(scheme) and origin.endswith(port):
            raise Refused(
                f"allowed_origins: browsers leave the usual port out."
                f' Write "{origin.removesuffix(port)}".'
            )
