"""Which headers a function may see and touch.

AWS "Restrictions on all edge functions", HTTP headers.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from .errors import FunctionResultError
from .messages import Headers

# Lower-case name → (name as written, value) for each line.
HeaderLines: TypeAlias = Mapping[str, Sequence[tuple[str, str]]]

# Not exposed to functions, and functions cannot add them.
DISALLOWED = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "trailer",
        "upgrade",
        "x-cache",
        "x-forwarded-proto",
        "x-real-ip",
    }
)
DISALLOWED_PREFIXES = ("proxy-", "x-accel-", "x-amz-cf-", "x-amzn-", "x-edge-")

# Exposed, but functions cannot add, change or delete them.
READ_ONLY_IN_VIEWER_REQUEST = frozenset(
    {"cdn-loop", "content-length", "host", "transfer-encoding", "via"}
)
READ_ONLY_IN_ORIGIN_RESPONSE = frozenset({"transfer-encoding", "via"})

NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


def is_disallowed(name: str) -> bool:
    """Whether this (lower-case) header is hidden from functions."""
    return name in DISALLOWED or name.startswith(DISALLOWED_PREFIXES)


def exposed(headers: Headers) -> dict[str, list[tuple[str, str]]]:
    """The headers a function gets to see."""
    lines: dict[str, list[tuple[str, str]]] = {}
    for key, value in headers:
        if not is_disallowed(lower(key)):
            line = key.decode("latin-1"), as_text(value)
            lines.setdefault(lower(key), []).append(line)
    return lines


def returned_headers(
    sent: Headers, returned: HeaderLines, read_only: frozenset[str]
) -> Headers:
    """A message's headers after a function; values it left alone keep their bytes."""
    _check_names(returned)
    _check_read_only(exposed(sent), returned, read_only)
    originals = {(lower(key), as_text(value)): value for key, value in sent}
    changed = tuple(
        (key.encode("ascii"), originals.get((name, value), value.encode()))
        for name, lines in returned.items()
        for key, value in lines
    )
    hidden = tuple(pair for pair in sent if is_disallowed(lower(pair[0])))
    return changed + hidden


def lower(key: bytes) -> str:
    """The name to compare a header by."""
    return key.decode("latin-1").lower()


def as_text(value: bytes) -> str:
    """UTF-8, or else ISO-8859-1 (AWS "URI, query string, and headers encoding")."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _check_names(returned: HeaderLines) -> None:
    for name, lines in returned.items():
        if is_disallowed(name):
            raise FunctionResultError(f"it added the disallowed header {name}")
        if not NAME.fullmatch(name):
            raise FunctionResultError(f"{name!r} is not a lower-case header name")
        if not all(_is_line(name, key, value) for key, value in lines):
            raise FunctionResultError(f"a line of the header {name} is malformed")


def _check_read_only(
    before: HeaderLines, after: HeaderLines, read_only: frozenset[str]
) -> None:
    for name in sorted(read_only):
        if _values(before, name) != _values(after, name):
            raise FunctionResultError(
                f"it added, changed or deleted the read-only header {name}"
            )


def _is_line(name: str, key: str, value: str) -> bool:
    return key.isascii() and key.lower() == name and bool(VALUE.fullmatch(value))


def _values(lines: HeaderLines, name: str) -> list[str]:
    return [value for _, value in lines.get(name, ())]
