"""Request → key, or why not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NewType

from .asgi import Scope

Key = NewType("Key", str)

KeyOf = Callable[[Scope], str | None]
TenantOf = Callable[[Scope], str]

# The contract with the gate: 1–255 visible ASCII characters.
_LONGEST = 255
_VISIBLE = frozenset(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class MalformedKey:
    reason: str


def header_key(scope: Scope, name: bytes) -> Key | MalformedKey | None:
    """The key in a header (lower case, as ASGI delivers names); None without a line."""
    found: bytes | None = None
    for header, value in scope["headers"]:  # every request pays for this loop
        if header == name:
            if found is not None:
                return MalformedKey("the header is repeated")
            found = value
    return None if found is None else _unquoted(found.decode("latin-1"), name)


def _unquoted(value: str, name: bytes) -> Key | MalformedKey:
    # draft-ietf-httpapi-idempotency-key-header makes it a quoted string; many do not.
    if name == b"idempotency-key" and len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return checked_key(value)


def checked_key(value: str) -> Key | MalformedKey:
    if not value:
        return MalformedKey("the key is empty")
    if len(value) > _LONGEST:
        return MalformedKey(f"the key is longer than {_LONGEST} characters")
    if not _VISIBLE.issuperset(value):
        return MalformedKey("only visible ASCII characters are allowed, without spaces")
    return Key(value)


def tenants_key(key: Key, tenant: str) -> Key:
    """The length in front, so that no tenant can end where another's key begins, and
    a character that no key has, so that none looks like this one."""
    return Key(f"{len(tenant)}\0{tenant}\0{key}")
