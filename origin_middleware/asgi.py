"""The five ASGI names that we need, copied so that no framework has to be installed
(asgi.readthedocs.io, HTTP spec 2.5), and the length of a body that headers declare.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers = list[tuple[bytes, bytes]]


def declared_length(headers: Mapping[bytes, bytes]) -> int | None:
    """Names are in lower case."""
    length = headers.get(b"content-length", b"")
    # int() raises for one of some thousand digits, which no body has.
    return int(length) if length.isdigit() and len(length) < 100 else None
