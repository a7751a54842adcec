"""Finds the key of a request, or says why there is none."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType, Protocol, runtime_checkable

from .asgi import ASGIApp, Scope
from .errors import ConfigurationError

Key = NewType("Key", str)


def key_digest(key: Key) -> str:
    """The name that logs, problems and records use, because a key is worth money."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class MalformedKey:
    """A key that is sent and cannot be used: the request is refused (400)."""

    reason: str
    """What the client is told: a sentence that names the header."""


@dataclass(frozen=True, slots=True)
class ProvenKey:
    """A key that counts only with its proof. The proof, or its digest, is part of the
    fingerprint: with another proof, it is a different request (422)."""

    key: str
    proof: bytes


KeyOf = Callable[[Scope], str | ProvenKey | MalformedKey | None]


@runtime_checkable
class ChecksApp(Protocol):
    """A `key_of` that works only in some places of a stack."""

    def check_app(self, app: ASGIApp, /) -> None:
        """`app` is what the middleware is around. Raises ConfigurationError if the
        middleware has to be somewhere else.
        """


TenantOf = Callable[[Scope], str]

INTENT_HEADER = "x-settlement-intent-id"
REPLAY_HEADER = "x-settlement-replay-id"
"""In place of the intent, if the payment is used: only a recorded response will do."""
PROOF_HEADER = "x-settlement-proof"
"""Digest of the payment as it was sent. It is part of the fingerprint."""

# The contract with the gate: 1–255 visible ASCII characters.
_LONGEST = 255


def read_key(
    scope: Scope, headers: Mapping[bytes, bytes], header: str, key_of: KeyOf | None
) -> Key | ProvenKey | MalformedKey | None:
    """The key from `key_of`, if that is set, else from the header; None without one.
    `headers` are the request's, by name. Raises ConfigurationError if the function
    returns anything but a key.
    """
    if key_of is None:
        return header_key(header_name(header), scope, headers)
    return function_key(key_of, scope)


@lru_cache(maxsize=256)
def header_name(header: str) -> bytes:
    """As ASGI delivers names."""
    return header.lower().encode("ascii")


def is_intent(header: str, key_of: KeyOf | None) -> bool:
    """Is the key a settlement intent? One payment is one intent, for every client that
    sends it.
    """
    return key_of is None and header.lower() == INTENT_HEADER


def header_key(
    name: bytes, scope: Scope, headers: Mapping[bytes, bytes]
) -> Key | MalformedKey | None:
    """The key in a header (lower case, as ASGI delivers names); None without a line."""
    sent = headers.get(name)
    if sent is None:
        return None
    if len(headers) < len(scope["headers"]) and _repeats(name, scope):
        return MalformedKey(f"{name.decode()}: the header is repeated.")
    value = sent.decode("latin-1")
    # draft-ietf-httpapi-idempotency-key-header makes it a quoted string; many do not.
    if name == b"idempotency-key" and len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return checked_key(value, name.decode())


def _repeats(name: bytes, scope: Scope) -> bool:
    return [header for header, _ in scope["headers"]].count(name) > 1


def function_key(key_of: KeyOf, scope: Scope) -> Key | ProvenKey | MalformedKey | None:
    match key_of(scope):
        case None:
            return None
        case MalformedKey() as malformed:
            return malformed
        case ProvenKey(key) as proven:
            proof: object = proven.proof
            if not isinstance(proof, bytes) or not proof:
                raise ConfigurationError(
                    "key_of returned a ProvenKey whose proof is not bytes, or empty."
                )
            checked = checked_key(_text(key, "key_of"), "key_of")
            return checked if isinstance(checked, MalformedKey) else proven
        case value:
            return checked_key(_text(value, "key_of"), "key_of")


def checked_key(value: str, source: str) -> Key | MalformedKey:
    if not value:
        return MalformedKey(f"{source}: the key is empty.")
    if len(value) > _LONGEST:
        return MalformedKey(f"{source}: the key is longer than {_LONGEST} characters.")
    # Printable ASCII is the space and what is visible.
    if not (value.isascii() and value.isprintable()) or " " in value:
        return MalformedKey(
            f"{source}: only visible ASCII characters are allowed, without spaces."
        )
    return Key(value)


def tenant_name(tenant_of: TenantOf, scope: Scope) -> str:
    """Raises ConfigurationError where the function does not return a string."""
    return _text(tenant_of(scope), "tenant_of")


def tenants_key(key: Key, tenant: str) -> Key:
    """The length in front, so that no tenant can end where another's key begins, and
    a character that no key has, so that none looks like this one."""
    return Key(f"{len(tenant)}\0{tenant}\0{key}")


def as_sent(key: Key) -> str:
    """Without the tenant."""
    return key.rpartition("\0")[2]


def _text(value: object, option: str) -> str:
    if isinstance(value, str):
        return value
    raise ConfigurationError(
        f"Policy({option}=...): the function returned a {type(value).__name__}. It has "
        "to return a string; ASGI gives headers as bytes, which .decode() turns into "
        "one."
    )
