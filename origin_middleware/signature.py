"""Is this intent from the gate? An HTTP message signature (RFC 9421) over the request.

    signature-input: settlement=("@method" "@path" "@query" "x-settlement-intent-id"
        "x-settlement-resource-id" "x-settlement-network");created=…;expires=…;keyid="…"
    signature: settlement=:<base64 of HMAC-SHA256>:

A gate in front of a standard x402 facilitator adds `x-settlement-proof` at the end; if
the payment is used, `x-settlement-replay-id` stands in place of the intent.

The gate removes these headers from what clients send, so anything but its own form is
refused. `@authority` is not signed: the gate may not know the origin's host name.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .asgi import Headers, Scope
from .errors import ConfigurationError
from .key import INTENT_HEADER, PROOF_HEADER, REPLAY_HEADER
from .scope import signed_headers

_Names = tuple[str, ...]

_INTENT, _PROOF = INTENT_HEADER.encode(), PROOF_HEADER.encode()

_ROUTE: _Names = ("x-settlement-resource-id", "x-settlement-network")
_FORMS: tuple[_Names, ...] = (
    (INTENT_HEADER, *_ROUTE),
    (INTENT_HEADER, *_ROUTE, PROOF_HEADER),
    (REPLAY_HEADER, *_ROUTE, PROOF_HEADER),
)


def _input(headers: _Names) -> re.Pattern[str]:
    covered = " ".join(f'"{name}"' for name in ("@method", "@path", "@query", *headers))
    return re.compile(rf"settlement=(\({re.escape(covered)}\)((?:;[a-z]+=[^;,]+)+))")


_INPUTS = {headers: _input(headers) for headers in _FORMS}
_PARAMETER = re.compile(
    r';(?:(created|expires)=(\d{1,15})|(keyid|alg)="([!#-\[\]-~]{1,255})")'
)
# What _PARAMETER reads back: a semicolon or a comma would end the parameter.
_KEY_ID = re.compile(r"[!#-+\--:<-\[\]-~]{1,255}")

# As long as the digest (RFC 2104, section 3).
_SHORTEST_SECRET = 32

_SIGNATURE = re.compile(r"settlement=:([A-Za-z0-9+/=]{1,128}):")


class Distrust(Enum):
    """Why a request does not count as one from the gate."""

    MISSING = "the signature is missing"
    MALFORMED = "the signature is malformed"
    UNKNOWN_KEY = "the signature is by an unknown key"
    NOT_YET_VALID = "the signature was made in the future"
    EXPIRED = "the signature has expired"
    WRONG = "the signature does not fit the request"


@dataclass(frozen=True, slots=True)
class _Stated:
    """What `signature-input` says."""

    params: str
    keyid: str
    created: int
    expires: int


def verify(
    scope: Scope, secrets: Mapping[str, bytes], now: float, tolerance: float
) -> Distrust | float:
    """When the signature expires, as Unix time, if the request is signed in time with
    one of `secrets` (by key id); otherwise why not.

    `now` is Unix time, by a clock that may be off by `tolerance` seconds.
    """
    headers = list(signed_headers(scope))
    lines = [_only(headers, name) for name in (b"signature-input", b"signature")]
    if None in lines:
        return Distrust.MISSING
    names = _form(headers)
    stated, signature = _stated(lines[0] or "", names), _decoded(lines[1] or "")
    values = [_only(headers, name.encode()) for name in names]
    if stated is None or signature is None or None in values:
        return Distrust.MALFORMED
    secret = secrets.get(stated.keyid)
    if secret is None:
        return Distrust.UNKNOWN_KEY
    base = _base(scope, names, values, stated.params)
    expected = hmac.digest(secret, base, "sha256")
    if not hmac.compare_digest(signature, expected):
        return Distrust.WRONG
    if stated.created > now + tolerance:
        return Distrust.NOT_YET_VALID
    if stated.expires < max(now - tolerance, stated.created):
        return Distrust.EXPIRED
    return float(stated.expires)


def _form(headers: Headers) -> _Names:
    """What has to be signed: all that says something about the payment."""
    sent = {name for name, _ in headers}
    if _INTENT not in sent:
        return _FORMS[2]
    return _FORMS[1] if _PROOF in sent else _FORMS[0]


def _base(scope: Scope, names: _Names, values: list[str | None], params: str) -> bytes:
    """RFC 9421, section 2.5: the signature base, one component a line."""
    query: bytes = scope["query_string"]
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    lines = [
        f'"@method": {scope["method"]}',
        f'"@path": {path.decode("latin-1")}',
        f'"@query": ?{query.decode("latin-1")}',
        *(f'"{name}": {value}' for name, value in zip(names, values, strict=True)),
        f'"@signature-params": {params}',
    ]
    return "\n".join(lines).encode("latin-1")


def _only(headers: Headers, name: bytes) -> str | None:
    """A header's value; None if there is no line or more than one."""
    values = [value for header, value in headers if header == name]
    return values[0].decode("latin-1").strip(" \t") if len(values) == 1 else None


def _stated(line: str, names: _Names) -> _Stated | None:
    match = _INPUTS[names].fullmatch(line)
    if match is None:
        return None
    params, rest = match.groups()
    found = _PARAMETER.findall(rest)
    named = {time or name: number or text for time, number, name, text in found}
    if "".join(part.group() for part in _PARAMETER.finditer(rest)) != rest:
        return None
    if len(named) != len(found) or named.pop("alg", "hmac-sha256") != "hmac-sha256":
        return None
    if named.keys() != {"created", "expires", "keyid"}:
        return None
    try:
        return _Stated(
            params, named["keyid"], int(named["created"]), int(named["expires"])
        )
    except ValueError:
        return None


def _decoded(line: str) -> bytes | None:
    match = _SIGNATURE.fullmatch(line)
    try:
        return base64.b64decode(match[1], validate=True) if match else None
    except binascii.Error:
        return None


def checked_secrets(secrets: object) -> dict[str, bytes]:
    """A copy. Raises ConfigurationError, whose message never shows a secret."""
    if not isinstance(secrets, Mapping):
        raise ConfigurationError(f"{_OPTION}: a dict of key id to bytes is needed.")
    for keyid, secret in secrets.items():
        if not isinstance(keyid, str):
            raise ConfigurationError(
                f"{_OPTION}: a key id is a str, and one is a {type(keyid).__name__}."
            )
        if not isinstance(secret, bytes):
            raise ConfigurationError(
                f"{_OPTION}: the secret of {keyid!r} is a {type(secret).__name__}, and "
                "has to be bytes: secret.encode()."
            )
        if not _KEY_ID.fullmatch(keyid):
            raise ConfigurationError(
                f"{_OPTION}: no signature can name the key id {keyid!r}. Use letters, "
                "digits and . _ -, as in '2026-02'."
            )
        if len(secret) < _SHORTEST_SECRET:
            raise ConfigurationError(
                f"{_OPTION}: the secret {keyid!r} has {len(secret)} bytes; at least "
                f"{_SHORTEST_SECRET} are needed. Make one with secrets.token_bytes(32)."
            )
    return dict(secrets)


_OPTION = "IdempotencyMiddleware(secrets=...)"
