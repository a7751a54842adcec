"""What of a payment the chain uses up: its key, the same for every spelling of it.

| method   | SHA-256 over                                   | so the same where        |
|----------|------------------------------------------------|--------------------------|
| EIP-3009 | network, token contract, from, nonce           | the payer signs again    |
| Permit2  | network, from, nonce (it serves every token)   | another token is named   |
| Solana   | network, the message that the payer has signed | the fee payer has signed |

Anything more would let one payment be many keys; anything less would let many payments
be one. A payment is read strictly and never guessed at: two readers that disagree about
a payment would run a handler twice for it.

Bytes in, values out: no clock, no I/O, no SDK.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Never

from . import solana

# Enough for a Solana transaction (1,232 bytes) or a wallet that deploys itself, twice
# in base64; what is larger is no payment.
_LONGEST_HEADER = 16_384

_SCHEMES = ("exact", "upto")
_EVM = re.compile(r"eip155:[1-9][0-9]{0,31}")
_SVM = re.compile(r"solana:[1-9A-HJ-NP-Za-km-z]{32}")  # CAIP-2: of the genesis hash
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_BYTES32 = re.compile(r"0x[0-9a-fA-F]{64}")
_UINT = re.compile(r"0|[1-9][0-9]{0,77}")
_UINT256 = 2**256

_IDENTIFIER = "payment-identifier"
_ID = re.compile(r"[A-Za-z0-9_-]{16,128}")


class PaymentMalformed(ValueError):
    """This is not a payment that can be keyed; the message says why, and shows nothing
    of it."""


def decode_payment(header: bytes) -> Mapping[str, Any]:
    """The JSON in a `PAYMENT-SIGNATURE` header. Raises PaymentMalformed."""
    if len(header) > _LONGEST_HEADER:
        _refuse(f"it is longer than {_LONGEST_HEADER:_} bytes")
    try:
        text = _unwrapped(header).decode()
    except ValueError:
        _refuse("it is not UTF-8 text in base64 of the standard alphabet, padded")
    try:
        found = json.loads(
            text, object_pairs_hook=_members, parse_constant=_no_json_number
        )
    except PaymentMalformed:
        raise
    except (ValueError, RecursionError):
        _refuse("it is not JSON")
    return _object(found, "it")


def payment_id(payment: Mapping[str, Any]) -> str:
    """What the chain uses up, as 69 visible characters. Raises PaymentMalformed."""
    version = payment.get("x402Version")
    if type(version) is not int or version != 2:
        _refuse("x402Version must be 2")
    _check_identifier(payment.get("extensions"))
    accepted = _object(payment.get("accepted"), "accepted")
    payload = _object(payment.get("payload"), "payload")
    scheme = accepted.get("scheme")
    if scheme not in _SCHEMES:
        _refuse("the scheme must be exact or upto")
    network = _text(accepted.get("network"), "accepted.network")
    match sorted(payload):
        case ["authorization", "signature"] if scheme == "exact":
            parts = _eip3009(network, accepted, payload["authorization"])
        case ["permit2Authorization", "signature"]:
            parts = _permit2(network, payload["permit2Authorization"])
        case ["transaction"] if scheme == "exact":
            parts = _svm(network, payload["transaction"])
        case _:
            _refuse(
                "payload must be one of: signature and authorization (EIP-3009), "
                "signature and permit2Authorization (Permit2), transaction (Solana)"
            )
    return f"x402_{_digest(parts)}"


def _eip3009(network: str, accepted: Mapping[str, Any], signed: object) -> list[bytes]:
    authorization = _object(signed, "authorization")
    return [
        b"eip3009",
        _matched(_EVM, network, "accepted.network"),
        _matched(_ADDRESS, accepted.get("asset"), "accepted.asset"),
        _matched(_ADDRESS, authorization.get("from"), "authorization.from"),
        _matched(_BYTES32, authorization.get("nonce"), "authorization.nonce"),
    ]


def _permit2(network: str, signed: object) -> list[bytes]:
    authorization = _object(signed, "permit2Authorization")
    nonce = _matched(_UINT, authorization.get("nonce"), "permit2Authorization.nonce")
    if int(nonce) >= _UINT256:
        _refuse("permit2Authorization.nonce is malformed")
    return [
        b"permit2",
        _matched(_EVM, network, "accepted.network"),
        _matched(_ADDRESS, authorization.get("from"), "permit2Authorization.from"),
        nonce,
    ]


def _svm(network: str, transaction: object) -> list[bytes]:
    if not _SVM.fullmatch(network):
        _refuse("accepted.network is malformed")
    try:
        encoded = _text(transaction, "transaction").encode("ascii")
        message = solana.message(_unwrapped(encoded))
    except ValueError:
        _refuse("transaction is malformed")
    return [b"svm", network.encode(), message]


def _check_identifier(extensions: object) -> None:
    """It counts as a part of the proof; a malformed one says that client and seller do
    not understand each other."""
    if extensions is None or _IDENTIFIER not in _object(extensions, "extensions"):
        return
    extension = _object(_object(extensions, "extensions")[_IDENTIFIER], _IDENTIFIER)
    info = _object(extension.get("info"), f"{_IDENTIFIER}.info")
    if info.get("id") is not None:
        if not _ID.fullmatch(_text(info["id"], f"{_IDENTIFIER}.info.id")):
            _refuse(f"{_IDENTIFIER}.info.id must be 16–128 of A–Z, a–z, 0–9, _ and -")
    elif info.get("required") is True:
        _refuse(f"{_IDENTIFIER}.info.id is required and missing")


def _unwrapped(encoded: bytes) -> bytes:
    """Base64 that encodes to the same text again: no line feeds, no other alphabet, no
    bits behind the end. Raises ValueError."""
    decoded = base64.b64decode(encoded)
    if base64.b64encode(decoded) != encoded:
        raise ValueError
    return decoded


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        _refuse("a member of its JSON is repeated")
    return members


def _no_json_number(_: str) -> Never:
    _refuse("it is not JSON")


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _refuse(f"{name} must be a JSON object")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        _refuse(f"{name} must be a string")
    return value


def _matched(pattern: re.Pattern[str], value: object, name: str) -> bytes:
    """In lower case: hexadecimal digits may be written in either."""
    text = _text(value, name)
    if not pattern.fullmatch(text):
        _refuse(f"{name} is malformed")
    return text.lower().encode()


def _digest(parts: Iterable[bytes]) -> str:
    # The lengths in front, so that no byte can move across a border.
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hashlib.sha256(framed).hexdigest()


def _refuse(reason: str) -> Never:
    raise PaymentMalformed(f"PAYMENT-SIGNATURE: {reason}.")
