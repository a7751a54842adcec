"""A handler's ASGI messages, on their way to the record and to the client.

They reach the client as they are produced. Messages that would let the client believe
that it has the whole response are held back until the record is written: the last one,
and before it any that reaches the declared length.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from .asgi import Headers, Message
from .client import Client, ClientGone
from .response import StoredResponse

Conclude = Callable[[int, StoredResponse | None], Awaitable[StoredResponse | None]]
"""Told of status and response (None: not kept) before the last byte leaves.

It may answer with another response, which is sent instead if the client has seen
nothing yet.
"""

_PIECE = 262_144

# RFC 9110, sections 5.1 and 5.5.
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN = re.compile(rb"[\r\n\0]")


class Recorder:
    """One response on its way out. The handler is given `send`."""

    def __init__(
        self, client: Client, method: str, limit: int, conclude: Conclude
    ) -> None:
        self._client = client
        self._method = method
        self._limit = limit
        self._conclude = conclude
        self._status = 0
        self._headers: Headers = []
        self._declared: int | None = None
        self._held: list[Message] = []
        self._chunks: list[bytes] = []
        self._size = 0
        self._untouched = True
        self._replaced = False
        self.concluded = False

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
            await self._deliver(message)

    async def _begin(self, message: Message) -> None:
        if self._status:
            raise RuntimeError("The response was started a second time.")
        self._headers = _checked_headers(message.get("headers", ()))
        self._status = _checked_status(message["status"])
        self._declared = _declared_length(self._headers)
        self._held.append(message)
        if _is_event_stream(self._headers):
            await self._end(None)
        elif self._declared is None and not self._looks_complete():
            # A stream: its headers must not wait for its first chunk.
            await self._flush()

    async def _body(self, message: Message) -> None:
        chunk = bytes(message.get("body", b""))
        last = not message.get("more_body", False)
        if self._method != "HEAD":
            self._chunks.append(chunk)
            self._size += len(chunk)
            self._check_length(last)
        self._held.append(message)
        if self._size > self._limit:
            await self._end(None)
        elif last:
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
            with suppress(OSError):
                await canonical.replay(self._client.send)
        await self._flush()

    async def _flush(self) -> None:
        held, self._held = self._held, []
        for message in held:
            await self._deliver(message)

    async def _deliver(self, message: Message) -> None:
        """While its response is being recorded, a handler does not notice that its
        client left.
        """
        self._untouched = False
        with suppress(OSError):
            await self._client.send(message)

    async def _pass_on(self, message: Message) -> None:
        """Recording is over: an endless stream has to learn that nobody listens any
        more.
        """
        if self._replaced:
            raise ClientGone
        await self._client.send(message)

    def _check_length(self, last: bool) -> None:
        """A response of another length than it declares would be broken at every
        replay; here it is a failure of the handler, as it is for its server."""
        if self._declared is None or self._status == 304:
            return
        if self._size > self._declared or (last and self._size < self._declared):
            raise RuntimeError(
                f"The response declares {self._declared} bytes and has "
                f"{self._size}{'' if last else ' or more'}."
            )

    def _looks_complete(self) -> bool:
        """Would the client take what was produced so far for the whole response?"""
        if self._method == "HEAD" or self._status in (204, 304):
            return True
        return self._declared is not None and self._size >= self._declared


async def _read(file: IO[bytes]) -> bytes:
    return await asyncio.to_thread(file.read, _PIECE)


# A response that no server would send could never be replayed. Refused here, it is a
# failure of the handler.


def _checked_status(status: Any) -> int:
    if isinstance(status, int) and 200 <= status <= 999:
        return int(status)
    raise ValueError(f"A response cannot have the status {status!r}.")


def _checked_headers(headers: Iterable[tuple[Any, Any]]) -> Headers:
    checked = []
    for name, value in headers:
        if not _is_name(bytes(name)) or _FORBIDDEN.search(value):
            raise ValueError(f"A response cannot have the header {name!r}: {value!r}.")
        checked.append((bytes(name), bytes(value)))
    return checked


@lru_cache(maxsize=1024)
def _is_name(name: bytes) -> bool:
    return len(name) < 65_536 and _NAME.fullmatch(name) is not None


def _declared_length(headers: Headers) -> int | None:
    for name, value in headers:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return None


def _is_event_stream(headers: Headers) -> bool:
    return any(
        name.lower() == b"content-type"
        and value.lower().startswith(b"text/event-stream")
        for name, value in headers
    )
