"""What makes two requests the same: a digest of everything that may not differ between
retries.

It is stored beside the response, so it is a digest and never the text.
"""

import hashlib
from collections.abc import Iterable

from .asgi import Scope
from .record import Fingerprint

# What the gate says about the payment: one intent must not be used for another resource
# or network.
_CONTRACT = (b"x-settlement-resource-id", b"x-settlement-network")


def fingerprint(scope: Scope, body_digest: bytes) -> Fingerprint:
    # The raw path where the server gives it: two spellings of a path may mean two
    # things to a handler.
    path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    parts = [scope["method"].encode(), path, scope["query_string"], body_digest]
    for name in _CONTRACT:
        values = [value for header, value in scope["headers"] if header == name]
        parts += [b"%d" % len(values), *values]
    return Fingerprint(hashlib.sha256(b"".join(_framed(parts))).digest())


def _framed(parts: Iterable[bytes]) -> Iterable[bytes]:
    """Each part behind its length, so that moving a byte across a border changes the
    digest.
    """
    for part in parts:
        yield len(part).to_bytes(8)
        yield part
