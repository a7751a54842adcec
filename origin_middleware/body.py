"""The request body: read once for its digest, then given to the handler.

A large one waits in a temporary file, so that a body never has to fit in memory.
"""

import asyncio
import hashlib
import tempfile
from typing import IO

from .asgi import Message, Receive

# Starlette's multipart parser moves a file to disk at the same size.
_IN_MEMORY = 1_048_576
_PIECE = 262_144


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

    def given_then(self, then: Receive) -> Receive:
        """A `receive` that gives the body, and asks `then` afterwards."""

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
