"""What can be sent, and so can be recorded. A record that no server would send could
never be replayed: refused here, it is a failure of the handler.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from .asgi import Headers

# RFC 9110, sections 5.1 and 5.5.
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN = re.compile(rb"[\r\n\0]")


def checked_status(status: Any) -> int:
    if isinstance(status, int) and 200 <= status <= 999:
        return int(status)
    raise ValueError(f"A response cannot have the status {status!r}.")


def checked_headers(headers: Iterable[tuple[Any, Any]]) -> Headers:
    checked = []
    for name, value in headers:
        if not _is_name(bytes(name)) or _FORBIDDEN.search(value):
            raise ValueError(f"A response cannot have the header {name!r}: {value!r}.")
        checked.append((bytes(name), bytes(value)))
    return checked


@lru_cache(maxsize=1024)
def _is_name(name: bytes) -> bool:
    return len(name) < 65_536 and _NAME.fullmatch(name) is not None


def declared_length(headers: Headers) -> int | None:
    for name, value in headers:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return None


def is_event_stream(headers: Headers) -> bool:
    return any(
        name.lower() == b"content-type"
        and value.lower().startswith(b"text/event-stream")
        for name, value in headers
    )
