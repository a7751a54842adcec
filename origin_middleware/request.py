"""The request: its body, read once and then given to the handler, and its fingerprint,
the digest of everything that may not differ between retries.

A large body waits in a temporary file, so that it never has to fit in memory. The
fingerprint is stored beside the response, so it is a digest and never the text.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Iterable
from typing import IO

from .asgi import Message, Receive, Scope
from .record import Fingerprint

# Starlette's multipart parser moves a file to disk at the same size.
_IN_MEMORY = 1_048_576
_PIECE = 262_144

# What the gate says about the payment: one intent must not be used for another resource
# or network.
_CONTRACT = (b"x-settlement-resource-id", b"x-settlement-network")


class RequestBody:
    __slots__ = ("_chunks", "_closed", "_digest", "_exhausted", "_file", "_left")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._left = 0
        self._exhausted = False
        self._closed = False

    @property
    def digest(self) -> bytes:
        return self._digest.digest()

    async def read(self, receive: Receive) -> bool:
        """Take in the whole body. False where the client left before its end."""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return False
            await self._keep(message.get("body", b""))
            if not message.get("more_body", False):
                break
        if self._file is not None:
            await asyncio.to_thread(self._file.seek, 0)
        return True

    async def next(self) -> Message | None:
        """The next `http.request` message for the handler, None once all have been
        given.
        """
        if self._exhausted:
            return None
        piece = await self._take()
        self._exhausted = self._left == 0
        return {"type": "http.request", "body": piece, "more_body": not self._exhausted}

    def then(self, then: Receive) -> Receive:
        """A `receive` that gives the body first, and asks `then` afterwards."""

        async def receive() -> Message:
            return await self.next() or await then()

        return receive

    def close(self) -> None:
        self._closed = True
        self._chunks.clear()
        if self._file is not None:
            self._file.close()

    async def _keep(self, chunk: bytes) -> None:
        self._left += len(chunk)
        if self._left <= _IN_MEMORY:
            self._digest.update(chunk)
            self._chunks.append(chunk)
        else:
            # Disk and hashing at this size would hold up every other request of the
            # process.
            await asyncio.to_thread(self._spill, chunk)

    def _spill(self, chunk: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="origin-middleware-")  # noqa: SIM115 - lives as long as the request
            self._file.writelines(self._chunks)
            self._chunks.clear()
        self._digest.update(chunk)
        self._file.write(chunk)
        if self._closed:  # meanwhile: a cancelled request does not stop a thread
            self._file.close()

    async def _take(self) -> bytes:
        if self._file is None:
            self._left = 0
            return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        piece = await asyncio.to_thread(self._file.read, _PIECE)
        self._left -= len(piece)
        return piece


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
