"""The recorded response: its bytes in the store, and its way back to a client."""

import struct
from collections.abc import Collection
from dataclasses import dataclass

from .asgi import Headers, Send
from .errors import RecordDamaged

_VERSION = 1
_START = struct.Struct(">BHH")  # version, status, number of headers
_LENGTHS = struct.Struct(">HI")  # of a header's name and value

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


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """Status, headers in order and with duplicates, and body."""

    status: int
    headers: Headers
    body: bytes

    def to_bytes(self) -> bytes:
        parts = [_START.pack(_VERSION, self.status, len(self.headers))]
        for name, value in self.headers:
            parts += [_LENGTHS.pack(len(name), len(value)), name, value]
        parts.append(self.body)
        return b"".join(parts)

    def recordable(self, unrecorded: Collection[str]) -> "StoredResponse":
        """Without hop-by-hop headers and those that `unrecorded` names."""
        left_out = HOP_BY_HOP.union(name.lower().encode() for name in unrecorded)
        headers = [pair for pair in self.headers if pair[0].lower() not in left_out]
        return StoredResponse(self.status, headers, self.body)

    @classmethod
    def from_bytes(cls, data: bytes) -> "StoredResponse":
        """Raises RecordDamaged for anything that `to_bytes` did not make."""
        try:
            return cls(*_parsed(data))
        except struct.error as exc:
            raise RecordDamaged("The recorded response is cut off.") from exc

    async def replay(self, send: Send) -> None:
        headers = [*self.headers, REPLAYED]
        await send(
            {"type": "http.response.start", "status": self.status, "headers": headers}
        )
        await send(
            {"type": "http.response.body", "body": self.body, "more_body": False}
        )


def _parsed(data: bytes) -> tuple[int, Headers, bytes]:
    version, status, count = _START.unpack_from(data)
    if version != _VERSION:
        raise RecordDamaged(
            f"The recorded response has format {version}, not {_VERSION}."
        )
    headers = []
    at = _START.size
    for _ in range(count):
        name_length, value_length = _LENGTHS.unpack_from(data, at)
        value_at = at + _LENGTHS.size + name_length
        at, name = value_at + value_length, data[at + _LENGTHS.size : value_at]
        if at > len(data):
            raise RecordDamaged("The recorded response is cut off.")
        headers.append((name, data[value_at:at]))
    return status, headers, data[at:]
