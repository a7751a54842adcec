"""The recorded response: its bytes in the store, and its way back to a client."""

import re
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .asgi import Headers, Send
from .errors import RecordDamaged

_VERSION = 1
_START = struct.Struct(">BHI")  # version, status, length of the headers' lines

# RFC 9110, section 7.6.1: they belong to one connection, so they are neither recorded
# nor replayed.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
REPLAYED = (b"idempotent-replayed", b"true")

# RFC 9110, sections 5.1 and 5.5: a field value has visible characters, and spaces and
# tabs between them.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELD = rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?"
_NAME = re.compile(_TOKEN)
_VALUE = re.compile(_FIELD)
_LINE = re.compile(b"(%b):(%b)\n" % (_TOKEN, _FIELD))


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """Status, headers in order and with duplicates, and body."""

    status: int
    headers: Headers
    body: bytes

    def to_bytes(self) -> bytes:
        lines = b"".join([b"%b:%b\n" % header for header in self.headers])
        return _START.pack(_VERSION, self.status, len(lines)) + lines + self.body

    def recordable(self, unrecorded: Collection[str]) -> "StoredResponse":
        """Without hop-by-hop headers and those that `unrecorded` names."""
        left_out = HOP_BY_HOP
        if unrecorded:
            left_out = left_out.union(name.lower().encode() for name in unrecorded)
        headers = [pair for pair in self.headers if pair[0].lower() not in left_out]
        return StoredResponse(self.status, headers, self.body)

    @classmethod
    def from_bytes(cls, data: bytes) -> "StoredResponse":
        """Raises RecordDamaged for bytes that `to_bytes` did not make, and for a
        response that no server would send.
        """
        if len(data) < _START.size:
            raise RecordDamaged("The recorded response is cut off.")
        version, status, length = _START.unpack_from(data)
        if version != _VERSION:
            raise RecordDamaged(
                f"The recorded response has format {version}, not {_VERSION}."
            )
        body = _START.size + length
        if len(data) < body:
            raise RecordDamaged("The recorded response is cut off.")
        headers = _LINE.findall(data[_START.size : body])
        # All of it is lines where nothing is between those that were found.
        found = sum([len(name) + len(value) + 2 for name, value in headers])
        if not 200 <= status <= 999 or found != length:
            raise RecordDamaged(
                f"The recorded response cannot be sent: status {status}, "
                f"{length} bytes of headers."
            )
        return cls(status, headers, data[body:])

    async def replay(self, send: Send) -> None:
        headers = [*self.headers, REPLAYED]
        await send(
            {"type": "http.response.start", "status": self.status, "headers": headers}
        )
        await send(
            {"type": "http.response.body", "body": self.body, "more_body": False}
        )


def checked_status(status: Any) -> int:
    """Raises ValueError for a status that cannot be sent."""
    if isinstance(status, int) and 200 <= status <= 999:
        return int(status)
    raise ValueError(f"A response cannot have the status {status!r}.")


def checked_headers(headers: Iterable[tuple[Any, Any]]) -> Headers:
    """Raises ValueError for a header that no server would send: recorded, it would
    break every replay. The message names the header and keeps its value to itself.
    """
    checked = []
    for name, value in headers:
        header = bytes(name), bytes(value)
        if not _is_name(header[0]):
            raise ValueError(f"A response cannot have a header with the name {name!r}.")
        if not _VALUE.fullmatch(header[1]):
            raise ValueError(f"The value of the header {name!r} cannot be sent.")
        checked.append(header)
    return checked


@lru_cache(maxsize=1024)
def _is_name(name: bytes) -> bool:
    return len(name) < 65_536 and _NAME.fullmatch(name) is not None
