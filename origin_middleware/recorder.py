"""A handler's ASGI messages, on their way to the record and to the client.

They reach the client as they are produced. Messages that would let the client believe
that it has the whole response are held back until the record is written: the last one,
and before it any that reaches the declared length.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import IO

from .asgi import Headers, Message, declared_length
from .client import Client, ClientGone
from .policy import Policy
from .response import (
    WITHOUT_BODY,
    StoredResponse,
    check_declared,
    checked_headers,
    checked_status,
    payers_own,
)

Conclude = Callable[[int, StoredResponse | None], Awaitable[StoredResponse | None]]
"""Called with status and response (None: not kept) before the last byte leaves.

It may return another response, which is sent instead if the client has seen nothing
yet.
"""

_PIECE = 262_144

_STARTED = "The response was started a second time."


class Recorder:
    """One response on its way out. The handler is given `send`."""

    def __init__(
        self, client: Client, method: str, policy: Policy, conclude: Conclude
    ) -> None:
        self._client = client
        self._method = method
        self._policy = policy
        self._conclude = conclude
        self._status = 0
        self._headers: Headers = []
        self._has_body = True
        self._declared: int | None = None
        self._held: list[Message] = []
        self._chunks: list[bytes] = []
        self._size = 0
        self._untouched = True
        self._replaced = False
        self.concluded = False
        self.hides_disconnect = True
        self.lost = False
        """The client did not take a message."""
        self.told = False
        """The handler was told so, before its response was complete."""

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if self.concluded:
            await self._pass_on(message)
        elif kind == "http.response.start":
            await self._begin(message)
        elif kind == "http.response.body":
            await self._body(message)
        elif kind == "http.response.pathsend":
            await self._file(Path(message["path"]))
        elif self._status:
            # An extension that we cannot record: what follows is for this client only.
            self._held.append(message)
            await self._end(None)
        else:
            self._held.append(message)
            await self._flush()

    async def _begin(self, message: Message) -> None:
        if self._status:
            raise RuntimeError(_STARTED)
        headers = checked_headers(message.get("headers", ()))
        named = {name.lower(): value for name, value in reversed(headers)}
        self._declared = declared_length(named)
        if len(named) < len(headers) or self._declared is None:
            check_declared(headers)
        self._headers = payers_own(headers, named) if self._policy.private else headers
        self._status = checked_status(message["status"])
        self._has_body = self._method != "HEAD" and self._status not in WITHOUT_BODY
        # A copy, because a middleware outside may change the list that it is given.
        self._held.append({**message, "headers": list(self._headers)})
        media_type = _media_type(named.get(b"content-type", b""))
        if media_type in self._policy.unrecorded_media_types:
            await self._end(None)
        elif self._declared is None and not self._looks_complete():
            # A stream: its headers must not wait for its first chunk.
            await self._flush()

    async def _body(self, message: Message) -> None:
        if not self._status:
            raise RuntimeError("The response was not started before its body.")
        chunk = b"".join((message.get("body") or b"",))
        last = not message.get("more_body", False)
        self._size += len(chunk)
        if self._has_body:
            self._chunks.append(chunk)
            self._check_length(last)
            # A copy, because a handler may use one dict for several messages.
            self._held.append({**message, "body": chunk})
        elif last:
            self._held.append(message)
        large = self._size > self._policy.max_response_bytes
        if large and self._has_body:
            await self._end(None)
        elif large or last:  # without a body it is complete, however much is produced
            body = b"".join(self._chunks)
            await self._end(StoredResponse(self._status, self._headers, body))
        elif not self._looks_complete():
            await self._flush()

    async def _file(self, path: Path) -> None:
        """A file that the server was asked to send (ASGI extension): read here, because
        it must be recorded.
        """
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await _read(file):
                await self.send(
                    {"type": "http.response.body", "body": chunk, "more_body": True}
                )
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end(self, response: StoredResponse | None) -> None:
        self.concluded = True
        self._chunks.clear()
        canonical = await self._conclude(self._status, response)
        if canonical is not None and self._untouched:
            self._replaced = True
            self._held.clear()
            try:
                await canonical.replay(self._client.send)
            except OSError:
                self.lost = True
        try:  # noqa: SIM105 - as in a replay
            await self._flush()
        except OSError:
            pass

    async def _flush(self) -> None:
        """While its response is being recorded, a handler does not notice that its
        client left, unless the process is about to stop.
        """
        held, self._held = self._held, []
        self._untouched = False
        for message in held:
            try:
                await self._client.send(message)
            except OSError:
                self.lost = True
                if not self.hides_disconnect:
                    self.told = True
                    raise

    async def _pass_on(self, message: Message) -> None:
        """Recording is over: an endless stream has to learn that nobody listens any
        more.
        """
        if message["type"] == "http.response.start":
            raise RuntimeError(_STARTED)  # it would be delivered, and not recorded
        if self._replaced:
            raise ClientGone
        await self._client.send(message)

    def _check_length(self, last: bool) -> None:
        """A response that does not have its declared length would be broken at every
        replay. Here it is a failure of the handler, as it is for the server."""
        if self._declared is None:
            return
        if self._size > self._declared or (last and self._size < self._declared):
            raise RuntimeError(
                f"The response declares {self._declared} bytes and has "
                f"{self._size}{'' if last else ' or more'}."
            )

    def _looks_complete(self) -> bool:
        """Would the client take what was produced so far for the whole response?"""
        if not self._has_body:
            return True
        return self._declared is not None and self._size >= self._declared


async def _read(file: IO[bytes]) -> bytes:
    return await asyncio.to_thread(file.read, _PIECE)


@lru_cache(maxsize=1024)
def _media_type(declared: bytes) -> str:
    """In lower case and without parameters."""
    return declared.partition(b";")[0].strip().lower().decode("latin-1")
