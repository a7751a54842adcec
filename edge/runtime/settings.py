"""The settings in the bundle, read once: Lambda@Edge has no environment variables.

`settings.json` is written by the build, which has refused what makes no sense.
Only a file that was damaged or written by another version can still be wrong.
"""

import json
import os.path

from .gate import Lifetime
from .hints import TYPE_CHECKING, Any, NamedTuple
from .routes import Route
from .settlement import RefusedRule, SettleRule
from .signature import SigningKey

if TYPE_CHECKING:
    from .x402.terms import Terms

FILE = os.path.join(os.path.dirname(__file__), "settings.json")  # noqa: PTH118, PTH120 - pathlib is cold start


class SettingsError(Exception):
    """The message never repeats a value: one of them is the API key."""


class Endpoint(NamedTuple):
    """The facilitator's base URL, taken apart."""

    secure: bool
    authority: str
    host: str
    port: int
    path: str


class Settings(NamedTuple):
    facilitator: Endpoint
    api_key: str
    routes: tuple[Route, ...]
    settle: SettleRule
    signing: tuple[SigningKey, ...]
    """The first one signs, all are recognised. None: nothing is signed or checked."""
    refused: RefusedRule = "deliver"
    lifetime: Lifetime = Lifetime()
    allowed_origins: tuple[str, ...] = ()
    """Of pages that may read the gate's own answers; "*" for all."""
    x402: "Terms | None" = None
    """None before the facilitator of NexFlow."""

    def __repr__(self) -> str:
        """Without a secret, wherever it may be printed."""
        return f"Settings({self.facilitator.authority}, {len(self.routes)} routes)"


def read(file: str = FILE) -> Settings:
    try:
        with open(file, encoding="utf-8") as text:  # noqa: PTH123 - pathlib is cold start
            document = json.load(text)
    except OSError as missing:
        raise SettingsError(
            "settings.json is not in the bundle: build it again"
        ) from missing
    except ValueError as damaged:
        raise SettingsError(
            "settings.json is not JSON: build the bundle again"
        ) from damaged
    return parse(document)


def parse(document: Any) -> Settings:
    match document:
        case {
            "facilitatorUrl": str(url),
            "apiKey": str(key),
            "settle": rule,
            "routes": [*routes],
            "signing": [*keys],
            **rest,
        }:
            if not rest.keys() <= _OPTIONAL:
                raise SettingsError("settings.json was written for another version")
            return Settings(
                facilitator=endpoint(url),
                api_key=key,
                routes=tuple(map(_route, routes)),
                settle=_rule(rule),
                signing=tuple(map(_signing_key, keys)),
                refused=_refused(rest.get("refused", "deliver")),
                lifetime=_lifetime(rest),
                allowed_origins=_origins(rest.get("allowedOrigins", [])),
                x402=_x402(rest.get("x402")),
            )
        case _:
            raise SettingsError(
                "settings.json lacks facilitatorUrl, apiKey, settle, routes or signing"
            )


# A bundle that was built before there were these has the defaults.
_OPTIONAL = {"refused", "shortestIntent", "longestIntent", "allowedOrigins", "x402"}


def endpoint(url: str) -> Endpoint:
    """By hand: the import of urllib.parse is cold start."""
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    if "@" in authority or "?" in url or "#" in url:
        raise SettingsError(
            "facilitatorUrl has credentials, a query or a fragment: remove them"
        )
    host, port = _host_and_port(authority)
    if scheme.lower() not in ("http", "https") or not host:
        raise SettingsError("facilitatorUrl must start with https:// and name a host")
    if port == 0:
        raise SettingsError(
            "facilitatorUrl has port 0, on which nothing listens:"
            " name another, or leave it out"
        )
    secure = scheme.lower() == "https"
    return Endpoint(
        secure=secure,
        authority=authority,
        host=host.lower(),
        port=port or (443 if secure else 80),
        path=f"/{path}".rstrip("/"),
    )


def _host_and_port(authority: str) -> tuple[str, int | None]:
    """An address of IPv6 is in brackets, and has colons of its own."""
    end = authority.rfind("]") + 1
    address, (name, _, port) = authority[:end], authority[end:].partition(":")
    is_address = address.startswith("[") and ":" in address and not name
    is_number = port.isascii() and port.isdecimal() and len(port) <= 5
    is_host = is_address if address else "[" not in name
    is_port = not port or (is_number and int(port) < 2**16)
    if not is_host or not is_port:
        raise SettingsError("facilitatorUrl is not a URL")
    return name or address[1:-1], int(port) if port else None


def _route(route: Any) -> Route:
    match route:
        case {
            "path": str(path),
            "network": str(network),
            "resourceId": str(resource_id),
        }:
            return Route(path, network, resource_id)
        case _:
            raise SettingsError(
                "a route in settings.json lacks path, network or resourceId"
            )


def _signing_key(key: Any) -> SigningKey:
    match key:
        case {"keyId": str(key_id), "secret": str(secret)}:
            return SigningKey(key_id, secret.encode())
        case _:
            raise SettingsError("a signing key in settings.json lacks keyId or secret")


def _rule(rule: object) -> SettleRule:
    match rule:
        case "delivered" | "below-400":
            return rule
        case _:
            raise SettingsError(
                "settle in settings.json is neither delivered nor below-400"
            )


def _refused(rule: object) -> RefusedRule:
    match rule:
        case "deliver" | "withhold":
            return rule
        case _:
            raise SettingsError(
                "refused in settings.json is neither deliver nor withhold"
            )


def _lifetime(document: Any) -> Lifetime:
    usual = Lifetime()
    shortest = document.get("shortestIntent", usual.shortest)
    longest = document.get("longestIntent", usual.longest)
    for seconds in (shortest, longest):
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise SettingsError(
                "shortestIntent and longestIntent in settings.json must be numbers"
            )
    return Lifetime(shortest, longest)


def _x402(document: Any) -> "Terms | None":
    if document is None:
        return None
    from .x402.terms import parse as terms  # noqa: PLC0415 - NexFlow's go without it

    try:
        return terms(document)
    except ValueError as damaged:
        raise SettingsError(str(damaged)) from damaged


def _origins(origins: Any) -> tuple[str, ...]:
    match origins:
        case [*each] if all(isinstance(origin, str) for origin in each):
            return tuple(each)
        case _:
            raise SettingsError("allowedOrigins in settings.json must be a list")
