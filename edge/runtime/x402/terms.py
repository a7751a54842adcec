"""What is sold for what, and how the gate shows itself: `x402` in settings.json."""

from collections.abc import Mapping

from ..hints import Any, Literal, NamedTuple

Auth = Literal["none", "bearer", "cdp"]
Identifier = Literal["off", "optional", "required"]
OnUnknown = Literal["deliver", "refuse"]
OnUsed = Literal["replay", "refuse"]


class Accept(NamedTuple):
    entry: Mapping[str, Any]
    """As in `accepts` of a demand."""
    decimals: int
    """Of the asset. For what a handler says in dollars."""


class Offer(NamedTuple):
    accepts: tuple[Accept, ...]
    resource: Mapping[str, str]
    identifier: Identifier


class Terms(NamedTuple):
    auth: Auth
    key_id: str
    """Of CDP's key."""
    unknown: OnUnknown
    """For a response whose settlement has an unknown outcome."""
    used: OnUsed
    """For a payment that is used: answer it from the record, or refuse it."""
    offers: Mapping[str, Offer]
    """By the path of the route."""


def parse(document: Any) -> Terms:
    """Raises ValueError, without a value in its message."""
    match document:
        case {
            "auth": "none" | "bearer" | "cdp" as auth,
            "keyId": str(key_id),
            "settleUnknown": "deliver" | "refuse" as unknown,
            "used": "replay" | "refuse" as used,
            "offers": {**offers},
        }:
            read = {str(path): _offer(offer) for path, offer in offers.items()}
            return Terms(auth, key_id, unknown, used, read)
    raise ValueError("x402 in settings.json is damaged, or of another version")


def _offer(offer: Any) -> Offer:
    match offer:
        case {
            "accepts": [*accepts],
            "resource": {**resource},
            "identifier": "off" | "optional" | "required" as identifier,
        }:
            told = {str(name): str(value) for name, value in resource.items()}
            return Offer(tuple(map(_accept, accepts)), told, identifier)
    raise ValueError("an offer in settings.json is damaged, or of another version")


def _accept(accept: Any) -> Accept:
    match accept:
        case {
            "entry": {
                "scheme": str(),
                "network": str(),
                "amount": str(),
                "asset": str(),
                "payTo": str(),
                "maxTimeoutSeconds": int(),
                "extra": {**_rest},
            } as entry,
            "decimals": int(decimals),
        }:
            return Accept(entry, decimals)
    raise ValueError("an accept in settings.json is damaged, or of another version")
