"""Request → key, or why not."""

from dataclasses import dataclass
from typing import NewType

from .asgi import Headers

Key = NewType("Key", str)

# The contract with the gate: 1–255 visible ASCII characters.
_LONGEST = 255
_VISIBLE = frozenset(range(0x21, 0x7F))


@dataclass(frozen=True, slots=True)
class MalformedKey:
    reason: str


def read_key(headers: Headers, name: bytes) -> Key | MalformedKey | None:
    """The key in the header `name` (lower case, as ASGI delivers names), None where
    there is no such line.
    """
    values = [value for header, value in headers if header == name]
    if not values:
        return None
    if len(values) > 1:
        return MalformedKey("the header is repeated")
    return _checked(values[0])


def _checked(value: bytes) -> Key | MalformedKey:
    if not value:
        return MalformedKey("the header is empty")
    if len(value) > _LONGEST:
        return MalformedKey(f"longer than {_LONGEST} characters")
    if not _VISIBLE.issuperset(value):
        return MalformedKey("only visible ASCII characters are allowed, without spaces")
    return Key(value.decode("ascii"))
