"""The request: its body, read once and then given to the handler, and its fingerprint,
the digest of everything that may not differ between retries.

A large body waits in a temporary file, so that it never has to fit in memory. The
fingerprint is stored beside the response, so it is a digest and never the text.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from operator import itemgetter
from typing import IO

from .asgi import Message, Receive, Scope
from .key import PROOF_HEADER, header_name
from .record import Fingerprint

# Starlette's multipart parser moves a file to disk at the same size.
_IN_MEMORY = 1_048_576

# A request that waits for another may wait for long, and thousands may wait.
_IN_MEMORY_WHILE_WAITING = 65_536
_PIECE = 262_144

# One intent must not be used for another resource or network, as the gate names them,
# nor by somebody who has its payment from the chain; and the recorded answer is for one
# part of the resource.
_ALWAYS = (
    "x-settlement-resource-id",
    "x-settlement-network",
    PROOF_HEADER,
    "range",
    "if-range",
)

_NAME = itemgetter(0)
"""Of a header's line."""


class BodyTooLarge(Exception):
    """The body is longer than the limit."""


class NoRoom(Exception):
    """There is no room for a temporary file."""


class RequestBody:
    __slots__ = (
        "_calls",
        "_chunks",
        "_closed",
        "_digest",
        "_exhausted",
        "_file",
        "_given_to",
        "_left",
        "_reading",
        "whole",
    )

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._left = 0
        self._exhausted = False
        self._closed = False
        self._reading: asyncio.Future[bytes] | None = None
        self.whole = False
        self._calls = self._given_to = 0

    @property
    def digest(self) -> bytes:
        return self._digest.digest()

    async def read(self, receive: Receive, limit: int | None = None) -> bool:
        """Read the whole body. False if the client left before its end. Raises
        BodyTooLarge and NoRoom.
        """
        while not self.whole:
            message = await receive()
            if message["type"] != "http.request":
                return False
            chunk = message.get("body", b"")
            self._left += len(chunk)
            if limit is not None and self._left > limit:
                raise BodyTooLarge
            if self._left <= _IN_MEMORY:
                self._digest.update(chunk)
                self._chunks.append(chunk)
            else:
                # Disk and hashing at this size would hold up every other request of
                # the process.
                await asyncio.to_thread(self._spill, chunk)
            self.whole = not message.get("more_body", False)
        if self._file is not None:
            await asyncio.to_thread(self._rewind)
        return True

    async def spool(self) -> None:
        """Before a long wait: keep only a small body in memory. Raises NoRoom."""
        if self._file is None and self._left > _IN_MEMORY_WHILE_WAITING:
            await asyncio.to_thread(self._write, b"")
            await asyncio.to_thread(self._rewind)

    async def next(self) -> Message | None:
        """The next `http.request` message for the handler, None once all have been
        given. A call that is cancelled loses nothing of a large body; of two at once,
        the later gets it, and the earlier None. A small one is given to who asks first,
        as a server gives it.
        """
        if self._exhausted:
            return None
        if self._file is None:
            piece = b"".join(self._chunks)
            self._left = 0
        elif not await self._is_for_this_call():
            return None
        else:
            read = await self._read_piece(self._file)
            if read is None:
                return await self.next()
            piece = read
        self._exhausted = self._left == 0
        return {"type": "http.request", "body": piece, "more_body": not self._exhausted}

    def then(self, then: Receive, left: Callable[[], bool]) -> Receive:
        """A `receive` that gives the body first, and asks `then` afterwards. A handler
        that only ever asks for a disconnect hears of it too: `left` says, without
        waiting, whether there was one.
        """
        asks = False

        async def receive() -> Message:
            nonlocal asks
            if asks and not self._exhausted and left():
                return {"type": "http.disconnect"}
            try:
                return await self.next() or await then()
            except asyncio.CancelledError:
                asks = True
                raise

        return receive

    def again(self) -> "RequestBody | None":
        """What was read of it, to be read on and given once more. None where it is in a
        file."""
        if self._file is not None:
            return None
        body = RequestBody()
        body._chunks, body._left = [*self._chunks], sum(map(len, self._chunks))
        body._digest, body.whole = self._digest.copy(), self.whole
        return body

    def close(self) -> None:
        self._closed = True
        if self._file is not None:
            with suppress(OSError):  # on a full disk it cannot be flushed
                self._file.close()

    def _spill(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="origin-middleware-")  # noqa: SIM115 - lives as long as the request
                self._file.writelines(self._chunks)
                self._chunks.clear()
            self._file.write(chunk)
        except OSError as full:
            raise NoRoom(f"A request body could not be kept: {full}") from full
        if self._closed:  # meanwhile: a cancelled request does not stop a thread
            self._file.close()

    def _rewind(self) -> None:
        if self._file is not None and not self._closed:
            try:
                self._file.seek(0)  # writes the rest of its buffer
            except OSError as full:
                raise NoRoom(f"A request body could not be kept: {full}") from full

    async def _is_for_this_call(self) -> bool:
        """Starlette asks for a disconnect in a scope that is cancelled already: a turn
        of the loop lets the cancellation come first. And it listens for one beside the
        handler of a stream, who asks a moment later and wants the body.
        """
        self._calls += 1
        call = self._calls
        await asyncio.sleep(0)
        if call != self._calls:
            await asyncio.sleep(0)  # the later call may have been such a question
            if self._given_to > call:
                return False
        self._given_to = call
        return not self._exhausted

    async def _read_piece(self, file: IO[bytes]) -> bytes | None:
        """None where another call took the piece. One that is being read when its call
        is cancelled waits for the next."""
        if self._reading is None:
            read = asyncio.to_thread(file.read, _PIECE)
            self._reading = asyncio.ensure_future(read)
        reading = self._reading
        piece = await asyncio.shield(reading)
        if self._reading is not reading:
            return None
        self._reading = None
        self._left -= len(piece)
        return piece


def fingerprint(
    scope: Scope,
    body_digest: bytes,
    headers: Iterable[str] = (),
    tenant: str = "",
    proof: bytes = b"",
) -> Fingerprint:
    """Of method, path, query, body, the headers that always count and those that are
    named, the tenant, and what proves the key.
    """
    # The raw path where the server gives it: two spellings of a path may mean two
    # things to a handler.
    path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    parts = [
        scope["method"].encode(),
        path,
        scope["query_string"],
        body_digest,
        tenant.encode("utf-8", "surrogatepass"),
    ]
    counting = _counting(tuple(headers))
    if not counting.isdisjoint(map(_NAME, scope["headers"])):
        lines = [line for line in scope["headers"] if line[0] in counting]
        lines.sort(key=_NAME)  # lines of one name stay in their order
        for name, value in lines:
            parts += (name, value)
    if proof:
        parts.append(proof)
    # The lengths in front, so that moving a byte across a border changes the digest.
    lengths = repr([*map(len, parts)]).encode()
    return Fingerprint(hashlib.sha256(b"".join((lengths, *parts))).digest())


@lru_cache(maxsize=64)
def _counting(headers: tuple[str, ...]) -> frozenset[bytes]:
    return frozenset(map(header_name, (*_ALWAYS, *headers)))
