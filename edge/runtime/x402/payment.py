"""A `PAYMENT-SIGNATURE` header, read strictly: its intent, and what it accepts.

The intent is what the chain uses up, so it is the same for each spelling of a payment.
The origin has a reader of its own, which derives the same key.

| method   | SHA-256 over                                    |
|----------|-------------------------------------------------|
| EIP-3009 | network, token contract, from, nonce            |
| Permit2  | network, from, nonce: it serves every token     |
| Solana   | network, the message that the payer has signed  |
"""

import json
import re
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from hashlib import sha256

from ..hints import Any, NamedTuple
from . import solana
from .terms import Accept, Identifier

# Enough for a Solana transaction (1,232 bytes), or a wallet that deploys itself, twice
# in base64.
LONGEST_HEADER = 16_384

# The intent of a payment begins with it.
INTENT = "x402_"

_SCHEMES = ("exact", "upto")
_EVM = re.compile(r"eip155:[1-9][0-9]{0,31}")
_SVM = re.compile(r"solana:[1-9A-HJ-NP-Za-km-z]{32}")  # CAIP-2: of the genesis hash
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_BYTES32 = re.compile(r"0x[0-9a-fA-F]{64}")
_UINT = re.compile(r"0|[1-9][0-9]{0,77}")
_ID = re.compile(r"[A-Za-z0-9_-]{16,128}")
_TERMS = ("scheme", "network", "amount", "asset", "payTo", "maxTimeoutSeconds")
# Later than any instant a float tells from its neighbour.
_LATEST = 2**53


class Unreadable(ValueError):
    """Says why, and shows nothing of the payment."""


class Payment(NamedTuple):
    members: Mapping[str, Any]
    version: object
    intent: str
    """Empty where the version is another."""
    expires: float | None
    """In seconds since 1970; None if it does not say."""


def read(header: str, identifier: Identifier = "off") -> Payment:
    """Raises Unreadable."""
    members = _decoded(header)
    version = members.get("x402Version")
    if type(version) is not int or version != 2:
        return Payment(members, version, "", None)
    _check_identifier(members.get("extensions"), identifier)
    intent, expires = _identified(members)
    return Payment(members, version, intent, expires)


def digest(header: str) -> str:
    """Of the payment as it was sent."""
    return sha256(header.encode(errors="backslashreplace")).hexdigest()


def matched(payment: Payment, accepts: Iterable[Accept]) -> Accept | None:
    """What of ours the payer has accepted. `extra` may hold more than ours."""
    accepted = payment.members["accepted"]
    for each in accepts:
        if all(_same(accepted.get(n), each.entry[n]) for n in _TERMS) and _holds(
            accepted.get("extra"), each.entry["extra"]
        ):
            return each
    return None


def _same(one: object, other: object) -> bool:
    """1 is neither true nor 1.0."""
    return type(one) is type(other) and one == other


def _holds(extra: object, ours: Mapping[str, object]) -> bool:
    if not ours:
        return True
    return isinstance(extra, dict) and all(
        _same(extra.get(name), value) for name, value in ours.items()
    )


def _decoded(header: str) -> Mapping[str, Any]:
    if len(header) > LONGEST_HEADER:
        raise Unreadable(f"it is longer than {LONGEST_HEADER} bytes")
    try:
        text = _unwrapped(header).decode()
    except ValueError as wrong:
        raise Unreadable(
            "it is not UTF-8 text in base64 of the standard alphabet, padded"
        ) from wrong
    try:
        found = json.loads(
            text,
            object_pairs_hook=_members,
            parse_constant=_constant,
            parse_float=_finite,
        )
    except Unreadable:
        raise
    except (ValueError, RecursionError) as wrong:
        raise Unreadable("it is not JSON") from wrong
    return _object(found, "it")


def _identified(members: Mapping[str, Any]) -> tuple[str, float | None]:
    accepted = _object(members.get("accepted"), "accepted")
    payload = _object(members.get("payload"), "payload")
    scheme = accepted.get("scheme")
    if scheme not in _SCHEMES:
        raise Unreadable("the scheme must be exact or upto")
    network = _text(accepted.get("network"), "accepted.network")
    match sorted(payload):
        case ["authorization", "signature"] if scheme == "exact":
            return _eip3009(network, accepted, payload["authorization"])
        case ["permit2Authorization", "signature"]:
            return _permit2(network, payload["permit2Authorization"])
        case ["transaction"] if scheme == "exact":
            return _svm(network, payload["transaction"])
    raise Unreadable(
        "payload must be one of: signature and authorization (EIP-3009), signature and"
        " permit2Authorization (Permit2), transaction (Solana)"
    )


def _eip3009(
    network: str, accepted: Mapping[str, Any], signed: object
) -> tuple[str, float | None]:
    authorization = _object(signed, "authorization")
    parts = (
        b"eip3009",
        _fit(_EVM, network, "accepted.network"),
        _fit(_ADDRESS, accepted.get("asset"), "accepted.asset"),
        _fit(_ADDRESS, authorization.get("from"), "authorization.from"),
        _fit(_BYTES32, authorization.get("nonce"), "authorization.nonce"),
    )
    return _intent(parts), _instant(authorization.get("validBefore"))


def _permit2(network: str, signed: object) -> tuple[str, float | None]:
    authorization = _object(signed, "permit2Authorization")
    nonce = _fit(_UINT, authorization.get("nonce"), "permit2Authorization.nonce")
    if int(nonce) >> 256:
        raise Unreadable("permit2Authorization.nonce is malformed")
    parts = (
        b"permit2",
        _fit(_EVM, network, "accepted.network"),
        _fit(_ADDRESS, authorization.get("from"), "permit2Authorization.from"),
        nonce,
    )
    return _intent(parts), _instant(authorization.get("deadline"))


def _svm(network: str, transaction: object) -> tuple[str, float | None]:
    if not _SVM.fullmatch(network):
        raise Unreadable("accepted.network is malformed")
    try:
        found = solana.message(_unwrapped(_text(transaction, "transaction")))
    except Unreadable:
        raise
    except ValueError as wrong:
        raise Unreadable("transaction is malformed") from wrong
    return _intent((b"svm", network.encode(), found)), None


def _check_identifier(extensions: object, rule: Identifier) -> None:
    """A malformed one says that client and seller do not understand each other. One
    that is sent is a part of the proof."""
    if extensions is None:
        extensions = {}
    extension = _object(extensions, "extensions").get("payment-identifier")
    if extension is None and rule != "required":
        return
    info = _object(extension, "payment-identifier").get("info")
    identifier = _object(info, "payment-identifier.info").get("id")
    if identifier is None:
        if rule == "required":
            raise Unreadable("payment-identifier.info.id is required and missing")
    elif not _ID.fullmatch(_text(identifier, "payment-identifier.info.id")):
        raise Unreadable("payment-identifier.info.id must be 16-128 of A-Z a-z 0-9 _ -")


def _intent(parts: Iterable[bytes]) -> str:
    # The lengths in front, so that no byte can move across a border.
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return INTENT + sha256(framed).hexdigest()


def _instant(value: object) -> float | None:
    """None for what the facilitator is left to refuse."""
    if not isinstance(value, str) or not _UINT.fullmatch(value):
        return None
    seconds = int(value)
    return float(seconds) if seconds < _LATEST else None


def _unwrapped(text: str) -> bytes:
    """Base64 that encodes to the same text again: no line feeds, no other alphabet, no
    bits behind the end. Raises ValueError."""
    try:
        decoded = a2b_base64(text)
    except Error as wrong:
        raise ValueError("not base64") from wrong
    if b2a_base64(decoded, newline=False).decode() != text:
        raise ValueError("another spelling")
    return decoded


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Unreadable("a member of its JSON is repeated")
    return members


def _constant(_: str) -> None:
    raise Unreadable("it is not JSON")


def _finite(text: str) -> float:
    """1e999 would go out as Infinity, which is not JSON."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Unreadable("it has a number that is too large")
    return number


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"{name} must be a JSON object")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"{name} must be a string")
    return value


def _fit(pattern: re.Pattern[str], value: object, name: str) -> bytes:
    """In lower case: hexadecimal digits may be written in either."""
    text = _text(value, name)
    if not pattern.fullmatch(text):
        raise Unreadable(f"{name} is malformed")
    return text.lower().encode()
