"""Reads routes.toml, or says what to change in it. Used when the bundle is built."""

import re
import tomllib
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Refused
from ..runtime.gate import Lifetime
from ..runtime.intent import is_intent
from ..runtime.routes import LONGEST_ODD, Route, covers
from ..runtime.settlement import RefusedRule, SettleRule
from ..runtime.x402.terms import Offer
from . import x402_file
from .terms import (
    TERMS,
    read_lifetime,
    read_origins,
    read_refused,
    read_settle,
    refuse_unknown,
)

# CAIP-2: a namespace, a colon, a reference; "eip155:8453" is Base.
_NAMESPACE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_REFERENCE = _NAMESPACE | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")

# Characters that every server reads in one way. Anything else in a route would be
# gated under the spelling of one server and free under that of another.
_PLAIN = _REFERENCE | frozenset("/.~!$&'()+,=:@")

# What they mean in the routes of Express, Rails, Next.js and of regular expressions.
# In the middle of a word, as in x:generate, a colon is an ordinary character.
_PARAMETER = re.compile(r"(.*[^0-9A-Za-z])?[:$].*|.*[()].*|.*\.\+.*|.*[+$]")

_EXAMPLE = 'path = "/api/*", network = "eip155:8453", resource_id = "my-api"'


class RoutesFile(NamedTuple):
    routes: tuple[Route, ...]
    settle: SettleRule
    refused: RefusedRule = "deliver"
    lifetime: Lifetime = Lifetime()
    allowed_origins: tuple[str, ...] = ()
    x402: x402_file.X402File | None = None
    """None before the facilitator of NexFlow."""


def read_routes(file: Path) -> RoutesFile:
    """Raises Refused, which says where the mistake is and how to put it right."""
    try:
        # -sig: an editor that marks its UTF-8 with a BOM has not done anything wrong.
        document = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as missing:
        raise Refused(
            f"{file} does not exist. Write one, or name another with --routes."
        ) from missing
    except OSError as unreadable:
        raise Refused(f"{file} cannot be read: {unreadable.strerror}.") from unreadable
    except UnicodeDecodeError as foreign:
        raise Refused(f"{file} is not UTF-8 text. Save it as UTF-8.") from foreign
    except RecursionError as deep:
        raise Refused(
            f"{file} has brackets within brackets, too deep to be read. Remove them."
        ) from deep
    except ValueError as malformed:  # TOMLDecodeError, and a number of 5,000 digits
        raise Refused(f"{file} is not TOML: {malformed}.") from malformed
    try:
        return parse_routes(document)
    except Refused as refused:
        raise Refused(f"{file}: {refused}") from refused


def parse_routes(document: dict[str, Any]) -> RoutesFile:
    x402 = x402_file.is_x402(document)
    own = x402_file.TERMS if x402 else ("facilitator",)
    if not x402:
        _refuse_x402_terms(document)
    refuse_unknown(document, (*TERMS, *own, "route"), "the file")
    tables = document.get("route", [])
    if not isinstance(tables, list):
        raise Refused("write [[route]] with two brackets, one for each route.")
    if not tables:
        raise Refused(
            "there is no route, so nothing would be paid for."
            f" Add a [[route]] with {_EXAMPLE}."
        )
    terms, lifetime = None, read_lifetime(document)
    if x402:
        pairs = [_x402_route(number, table) for number, table in enumerate(tables, 1)]
        routes = tuple(route for route, _ in pairs)
        offers = {route.path: offer for route, offer in pairs}
        terms = x402_file.read_terms(document, offers)
        x402_file.refuse_too_short(offers, lifetime.shortest)
    else:
        routes = tuple(_route(number, table) for number, table in enumerate(tables, 1))
    _tell_apart(routes)
    return RoutesFile(
        routes,
        settle=read_settle(document),
        refused=read_refused(document),
        lifetime=lifetime,
        allowed_origins=read_origins(document),
        x402=terms,
    )


def _refuse_x402_terms(document: dict[str, Any]) -> None:
    for key in x402_file.TERMS:
        if key in document and key != "facilitator":
            raise Refused(
                f'the file has the key "{key}", which is for a standard facilitator.'
                ' Add facilitator = "x402", or remove it.'
            )


def _x402_route(number: int, table: Any) -> tuple[Route, Offer]:
    """Its network is that of the first that it accepts; the payment says which."""
    offer = x402_file.read_offer(_table(number, table), f"route {number}")
    ours = {
        key: value for key, value in table.items() if key not in x402_file.OF_A_ROUTE
    }
    ours["network"] = offer.accepts[0].entry["network"]
    return _route(number, ours), offer


def _table(number: int, table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise Refused(f"route {number} is not a table. Write [[route]] above its keys.")
    return table


def _route(number: int, table: Any) -> Route:
    where = f"route {number}"
    table = _table(number, table)
    for key in (*TERMS, *x402_file.TERMS):
        if key in table:
            raise Refused(
                f'{where} has the key "{key}", because that stands below its [[route]].'
                " It is for all routes: move it above the first [[route]]."
            )
    for key in x402_file.OF_AN_ACCEPT:
        if key in table and key != "network":
            raise Refused(
                f'{where} has the key "{key}", which says what a standard facilitator'
                " asks for. It stands in a [[route.accepts]] below the route, with"
                ' facilitator = "x402" above the first [[route]]; NexFlow knows the'
                " price by the resource_id."
            )
    refuse_unknown(table, ("path", "network", "resource_id"), where)
    return Route(
        path=_path(_text(table, "path", where), where),
        network=_network(_text(table, "network", where), where),
        resource_id=_resource(_text(table, "resource_id", where), where),
    )


def _text(table: dict[str, Any], key: str, where: str) -> str:
    if key not in table:
        raise Refused(f"{where} has no {key}. A route needs {_EXAMPLE}.")
    value = table[key]
    if not isinstance(value, str) or not value:
        raise Refused(f"{where}: {key} must be text in quotes, and not empty.")
    return value


def _path(path: str, where: str) -> str:
    literal = path.removesuffix("*") if path.endswith("/*") else path
    if len(path) > LONGEST_ODD:
        raise Refused(
            f"{where}: its path has {len(path):,} characters. Gate a part of it, of"
            f" {LONGEST_ODD:,} at most."
        )
    if not path.startswith("/"):
        raise Refused(f'{where}: path "{path}" must start with "/".')
    if "*" in literal:
        raise Refused(
            f'{where}: in path "{path}" the "*" may only be at the end, as in "/api/*".'
        )
    odd = sorted(set(literal) - _PLAIN)
    if odd:
        raise Refused(
            f'{where}: path "{path}" has {odd[0]!r} in it. Servers read it in different'
            ' ways; gate the part before it, as in "/api/*".'
        )
    _canonical(path, literal, where)
    _without_parameters(path, literal, where)
    return path


def _without_parameters(path: str, literal: str, where: str) -> None:
    """A route is no pattern: only this very text would be paid for."""
    before = ""
    for segment in literal.split("/")[1:]:
        if _PARAMETER.fullmatch(segment):
            raise Refused(
                f'{where}: path "{path}" has "{segment}" in it, which looks like a'
                " parameter or a regular expression. A route has neither; gate the"
                f' part before it: "{before}/*".'
            )
        before = f"{before}/{segment}"


def _canonical(path: str, literal: str, where: str) -> None:
    segments = literal.split("/")[1:]
    if "." in segments or ".." in segments:
        raise Refused(f'{where}: path "{path}" has dot segments. Resolve them.')
    if "" in segments[:-1]:
        raise Refused(f'{where}: path "{path}" has a double slash. Merge it.')
    if path != "/" and path.endswith("/"):
        raise Refused(
            f'{where}: path "{path}" must not end with "/".'
            f' Write "{path[:-1]}", or "{path}*" for everything below as well.'
        )


def _network(network: str, where: str) -> str:
    namespace, colon, reference = network.partition(":")
    if (
        not colon
        or not 3 <= len(namespace) <= 8
        or not 1 <= len(reference) <= 32
        or set(namespace) - _NAMESPACE
        or set(reference) - _REFERENCE
        or (namespace == "eip155" and not reference.isdecimal())
    ):
        raise Refused(
            f'{where}: network "{network}" is not a CAIP-2 id such as "eip155:8453".'
        )
    return network


def _resource(resource_id: str, where: str) -> str:
    if not is_intent(resource_id):  # it travels in a header beside the intent
        raise Refused(
            f"{where}: resource_id must be 1 to 255 visible ASCII characters."
        )
    return resource_id


def _tell_apart(routes: tuple[Route, ...]) -> None:
    """Of two routes that cover a path the more specific counts, for every server.
    Where they meet only if case is ignored, servers differ: such paths get a 400."""
    by_base: dict[str, list[int]] = {}
    for number, route in enumerate(routes):
        by_base.setdefault(_base(route).casefold(), []).append(number)
    for number, route in enumerate(routes):
        for above in _above(_base(route).casefold()):
            for other in by_base.get(above, ()):
                if other != number:
                    first, second = sorted((number, other))
                    _compare(first, second, routes)


def _compare(first: int, second: int, routes: tuple[Route, ...]) -> None:
    one, other = routes[first], routes[second]
    both = f'routes {first + 1} and {second + 1}: "{one.path}" and "{other.path}"'
    if one.path == other.path:
        raise Refused(f"{both} are the same. Remove one of them.")
    if _meet(_folded(one), _folded(other)) and not _meet(one, other):
        raise Refused(
            f"{both} overlap if case is ignored, as some servers do."
            " Write both in the same case, or remove one of them."
        )


def _base(route: Route) -> str:
    return route.path.removesuffix("/*")


def _above(base: str) -> Iterator[str]:
    """The path itself, and all that it is below."""
    yield base
    while base:
        base = base.rpartition("/")[0]
        yield base


def _meet(one: Route, other: Route) -> bool:
    """Is there a path that both cover?"""
    return any(
        covers(a.path, b.path.removesuffix("/*")) for a, b in permutations((one, other))
    )


def _folded(route: Route) -> Route:
    return route._replace(path=route.path.casefold())
